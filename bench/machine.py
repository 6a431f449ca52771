"""What the measuring scripts of speed share: their arguments, the machine they ran on, and samples to run on."""

import argparse
import os
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from bench import common
from bench.stepping import gemm_rate
from recombine.build import load_samples
from recombine.datasets.base import Samples
from recombine.datasets.digits import Digits
from recombine.errors import DataError
from recombine.load import load_file

HYBRID = common.ROOT / "configurations" / "dec_cc_hybrid" / "mnist.json"
_FEWEST_ROUNDS, _INK = 5, 0.2


def parser(doc: str | None, rounds: int = 7, needs_data: bool = False) -> argparse.ArgumentParser:
    """Return the arguments that all scripts understand.

    Args:
        doc: The script's docstring.
        rounds: How many turns each candidate has, unless the user says otherwise.
        needs_data: Whether the script reads MNIST.
    """
    arguments = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=rounds, help="turns of each candidate")
    arguments.add_argument("--threads", type=int, help="threads of torch (torch's own choice)")
    if needs_data:
        root = os.environ.get("RECOMBINE_DATA_ROOT")
        arguments.add_argument("--data-root", type=Path, default=root, required=root is None, help="holds MNIST")
    return arguments


def settle(arguments: argparse.Namespace, device: str = "cpu") -> torch.device:
    """Set the number of threads; return the device."""
    if arguments.rounds < _FEWEST_ROUNDS:
        raise SystemExit(f"{arguments.rounds} rounds give no median to rely on; use at least {_FEWEST_ROUNDS}")
    if arguments.threads is not None:
        torch.set_num_threads(arguments.threads)
    return torch.device(device)


def machine(device: torch.device | None = None) -> dict[str, Any]:
    """Return what the figures depend on, with the rate of a matrix product as the measure of the machine."""
    on_gpu = device is not None and device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(device) if on_gpu else "cpu",
        "processors": os.cpu_count(),
        "threads": torch.get_num_threads(),
        **{name: version(name) for name in ("torch", "torchvision", "numpy")},
        "gemm_gflops": gemm_rate(device),
    }


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return the median of measurements, with the lowest and the highest."""
    return {"median": statistics.median(values), "lowest": min(values), "highest": max(values), "rounds": len(values)}


def spreads(seconds: Mapping[str, Sequence[float]]) -> dict[str, dict[str, float]]:
    """Return the spread of each candidate's measurements."""
    return {name: spread(values) for name, values in seconds.items()}


def made_images(num: int, pixels: int = 28) -> Samples:
    """Return made images ``(num, 1, pixels, pixels)``, uint8: a fifth of the pixels random, the rest black."""
    draws = torch.Generator().manual_seed(0)
    images = torch.randint(256, (num, 1, pixels, pixels), generator=draws, dtype=torch.uint8)
    chosen = torch.randint(256, images.shape, generator=draws, dtype=torch.uint8) < _INK * 256
    return Samples(images.mul_(chosen), torch.randint(10, (num,), generator=draws))


def digits() -> Samples:
    """Return scikit-learn's digits."""
    return Digits().decode()


def mnist(data_root: Path) -> Samples:
    """Return the 60,000 images of MNIST's train split; one line and the end of the script where they are absent."""
    config = load_file(HYBRID).require()
    train = config.datasets[0]
    here = replace(train, arguments={**train.arguments, "download": False})
    try:
        return load_samples(here, config.folder, data_root)
    except DataError as error:
        raise SystemExit(f"MNIST could not be read: {error}") from error
