"""The general loop, an iteration at a time, so that it can be measured in alternation with something else."""

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from recombine.build import build_data
from recombine.callbacks.events import EventFile
from recombine.callbacks.text_log import TextLog
from recombine.datasets.base import Samples
from recombine.engines.single import SingleDevice
from recombine.load import load_dict
from recombine.loop import Run, new_state, run_iteration
from recombine.phase import Phase, enter_phase
from recombine.state import Origin

_GEMM, _GEMM_REPEATS = 2048, 9


class Loop:
    """One phase of a method, with the callbacks of a run, its iterations called one by one.

    Args:
        method: The content of a method file.
        samples: What its first dataset is to hold.
        phase: The phase's name.
        device: Where to compute.
    """

    def __init__(self, method: Mapping[str, Any], samples: Samples, phase: str, device: str = "cpu") -> None:
        config = load_dict({**method, "device": device}).require()
        dataset = config.datasets[0]
        engine = SingleDevice(config.device, config.precision, config.cuda_graphs)
        self._folder = tempfile.TemporaryDirectory()
        callbacks = [TextLog(_nowhere), EventFile(Path(self._folder.name) / "events.jsonl")]
        self._run = Run(config, {dataset.name: samples}, engine, callbacks, Path(self._folder.name))
        data = build_data(dataset, samples, config.seed, engine.device)
        state = new_state(self._run, Origin(dataset.num_clusters, data.sample_shape()))
        found = next(one for one in config.phases if one.name == phase)
        self.phase: Phase = enter_phase(config, found, data, state, engine.recorder())
        self._view = self.phase.view(dataset)

    def step(self) -> None:
        """Do one iteration."""
        run_iteration(self._run, self.phase, self._view)


def read_method(path: Path) -> dict[str, Any]:
    """Return the content of a method file."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def alternate(
    candidates: Mapping[str, Callable[[], Any]], rounds: int, repeats: int, device: torch.device | None = None
) -> dict[str, list[float]]:
    """Return the seconds of one call of each candidate, ``rounds`` values each, measured in alternation.

    Args:
        candidates: What to call, by name. Each has been called before, so that nothing starts for the first time.
        rounds: How often each has its turn.
        repeats: Calls in one turn.
        device: Waited for before and after a turn; None: the CPU.
    """
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, call in candidates.items():
            _wait(device)
            started = time.perf_counter()
            for _ in range(repeats):
                call()
            _wait(device)
            seconds[name].append((time.perf_counter() - started) / repeats)
    return seconds


def ratio(seconds: Mapping[str, Sequence[float]], above: str, below: str) -> dict[str, float]:
    """Return the median of the ratios of turns that followed each other, with the lowest and the highest."""
    ratios = [one / other for one, other in zip(seconds[above], seconds[below], strict=True)]
    return {"median": statistics.median(ratios), "lowest": min(ratios), "highest": max(ratios), "rounds": len(ratios)}


def gemm_rate(device: torch.device | None = None) -> float:
    """Return the machine's rate in GFLOP/s on a float32 product of 2048 x 2048 matrices, the median of nine."""
    place = device if device is not None else torch.device("cpu")
    left, right = torch.rand(_GEMM, _GEMM, device=place), torch.rand(_GEMM, _GEMM, device=place)
    out = torch.empty(_GEMM, _GEMM, device=place)
    left @ right
    turns = alternate({"product": lambda: torch.mm(left, right, out=out)}, _GEMM_REPEATS, 1, device)["product"]
    return 2 * _GEMM**3 / statistics.median(turns) / 1e9


def product(rows: int, inner: int, columns: int, device: torch.device) -> Callable[[], Tensor]:
    """Return a function that multiplies two matrices of the given sizes."""
    left, right = torch.rand(rows, inner, device=device), torch.rand(inner, columns, device=device)
    out = torch.empty(rows, columns, device=device)
    return lambda: torch.mm(left, right, out=out)


def _wait(device: torch.device | None) -> None:
    if device is not None and device.type == "cuda":
        torch.cuda.synchronize(device)


def _nowhere(line: str) -> None:
    del line
