"""Measure how the cost of an iteration and of a pass over the dataset grows with the sizes of a problem.

    python -m bench.scaling [--rounds 7] [--repeats 3] [--most-samples 600000] [--threads N]

The finetuning of dec_cc_hybrid on made images of 28 x 28 pixels, one size at a time: batch size B, clusters K, views
V, and samples N. With V views, each has one assignment entropy and nothing else works. For N the encoder is a small
one (784-64-10), so that what does not depend on the network shows. A pass gives the soft assignments of every sample.
The order of an epoch is drawn anew when the epoch begins. Writes ``bench/results/scaling.json``;
``bench/write_speed.py`` makes the page.
"""

import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from torch import Tensor

from bench import common, machine
from bench.floor import always_drawn
from bench.stepping import Loop, alternate
from recombine.step import Forward

_BATCHES, _CLUSTERS, _VIEWS = (64, 128, 256, 512, 1024), (10, 100, 1000), (1, 2, 3, 4)
_SAMPLES, _FEW_SAMPLES, _WARM_UP = (6_000, 60_000, 600_000), 10_000, 3
_PHASE, _SMALL = "finetuning", (784, 64, 10)

Measured = dict[str, Callable[[], Any]]


def main() -> None:
    """Measure and write."""
    parser = machine.parser(__doc__)
    parser.add_argument("--repeats", type=int, default=3, help="iterations in one turn")
    parser.add_argument("--most-samples", type=int, default=_SAMPLES[-1], help="leave out more samples than these")
    arguments = parser.parse_args()
    device = machine.settle(arguments)
    turns = (arguments.rounds, arguments.repeats)
    sizes = [size for size in _SAMPLES if size <= arguments.most_samples]
    tables = {
        "B": table("step", {size: _steps(with_batch(size)) for size in _BATCHES}, turns),
        "K": table("step", {size: _steps(with_clusters(size)) for size in _CLUSTERS}, turns),
        "V": table("step", {size: _steps(with_views(size)) for size in _VIEWS}, turns),
    }
    common.write(
        "scaling.json", {"machine": machine.machine(device), "tables": {**tables, **_by_samples(sizes, turns)}}
    )


def table(what: str, candidates: Mapping[int, Callable[[], Any]], turns: tuple[int, int]) -> dict[str, Any]:
    """Return the seconds of one call at each size, with the exponent of growth from each size to the next."""
    for call in candidates.values():
        for _ in range(_WARM_UP):
            call()
    seconds = alternate({str(size): call for size, call in candidates.items()}, *turns)
    medians = [statistics.median(values) for values in seconds.values()]
    return {"what": what, "seconds": machine.spreads(seconds), "exponents": exponents(list(candidates), medians)}


def exponents(sizes: Sequence[int], seconds: Sequence[float]) -> list[float]:
    """Return the slopes of log seconds over log size: 0 where nothing grows, 1 where it grows in proportion."""
    pairs = zip(sizes[:-1], sizes[1:], seconds[:-1], seconds[1:], strict=True)
    return [math.log(later / earlier) / math.log(large / small) for small, large, earlier, later in pairs]


def with_batch(size: int) -> dict[str, Any]:
    """Return dec_cc_hybrid with another batch size."""
    method = always_drawn()
    method["datasets"][0]["batch_size"] = size
    return method


def with_clusters(num: int) -> dict[str, Any]:
    """Return dec_cc_hybrid with another number of clusters."""
    method = always_drawn()
    for dataset in method["datasets"]:
        dataset["num_clusters"] = num
    return method


def with_views(num: int) -> dict[str, Any]:
    """Return dec_cc_hybrid with an assignment entropy on each of some views and no other pattern."""
    method = always_drawn()
    views = [f"view_{i + 1}" for i in range(num)]
    transforms = method["datasets"][0]["batch_augmentations"][0]["transforms"]
    method["datasets"][0]["batch_augmentations"] = [{"name": view, "transforms": transforms} for view in views]
    patterns = [{"pattern": "assignment_entropy", "batch_augmentation_name": view} for view in views]
    method["phases"][1]["design_patterns"] = patterns
    method["phases"][1]["optimizers"][0]["trained_mapping_names"] = ["encoder"]
    return method


def with_small_encoder() -> dict[str, Any]:
    """Return dec_cc_hybrid with an encoder so small that its products do not hide the rest."""
    method = always_drawn()
    encoder = next(mapping for mapping in method["mappings"] if mapping["name"] == "encoder")
    sizes = zip(_SMALL[:-1], _SMALL[1:], strict=True)
    linear = [{"type": "Linear", "in_features": size, "out_features": following} for size, following in sizes]
    encoder["layers"] = [{"type": "Flatten"}, linear[0], {"type": "ReLU"}, linear[1]]
    method["phases"] = [phase for phase in method["phases"] if phase["name"] == _PHASE]
    method["mappings"] = [mapping for mapping in method["mappings"] if mapping["name"] != "decoder"]
    return method


def _steps(method: Mapping[str, Any]) -> Callable[[], None]:
    return Loop(method, machine.made_images(_FEW_SAMPLES), _PHASE).step


def _by_samples(sizes: Sequence[int], turns: tuple[int, int]) -> dict[str, Any]:
    loops = {size: Loop(with_small_encoder(), machine.made_images(size), _PHASE) for size in sizes}
    once = (turns[0], 1)
    return {
        "N": table("step", {size: loop.step for size, loop in loops.items()}, turns),
        "N, pass": table("pass over the dataset", {size: _Pass(loop) for size, loop in loops.items()}, once),
        "N, order": table("order of an epoch", {size: _Order(loop) for size, loop in loops.items()}, once),
    }


class _Pass:
    """Computes the soft assignments of every sample."""

    def __init__(self, loop: Loop) -> None:
        self._context = loop.phase.context

    def __call__(self) -> Tensor:
        return self._context.full_pass(_log_probs)


class _Order:
    """Begins one epoch after the other, without any view."""

    def __init__(self, loop: Loop) -> None:
        self._data, self._epochs = loop.phase.data, self._starts(loop)

    def __call__(self) -> None:
        self._data.training_batch(_PHASE, next(self._epochs), ())

    def _starts(self, loop: Loop) -> Iterator[int]:
        return count(0, loop.phase.data.batches_per_epoch)


def _log_probs(forward: Forward) -> Tensor:
    return forward.log_probs()


if __name__ == "__main__":
    main()
