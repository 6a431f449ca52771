"""Measure the views of dec_cc_hybrid against the usual pipeline of PIL images, in alternation and in one process.

    python -m bench.pil_pipeline --data-root DIR [--rounds 9] [--threads N]

The usual pipeline: MNIST of torchvision, which makes a PIL image of each sample; for each of the two views
RandomResizedCrop, RandomAffine and ToTensor from torchvision on one image after the other; a shuffling DataLoader
without workers and its default collation into two batches of 256. Ours: the two views of one training batch, same
transforms, same size. Both start from decoded images in memory. Writes ``bench/results/pil_pipeline.json``;
``bench/write_speed.py`` makes the page.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.utils.data import DataLoader

from bench import common, machine
from bench.floor import Views, always_drawn
from bench.stepping import Loop, alternate, ratio
from recombine.torchvision_import import torchvision

_BATCH, _OUR_REPEATS = 256, 10
_SIZE, _SCALE, _RATIO, _DEGREES = 28, (0.75, 1.0), (0.75, 1.333), 20


def main() -> None:
    """Measure and write."""
    arguments = machine.parser(__doc__, rounds=9, needs_data=True).parse_args()
    device = machine.settle(arguments)
    ours = Views(Loop(always_drawn(), machine.mnist(arguments.data_root), "finetuning"))
    candidates: dict[str, Callable[[], Any]] = {"usual": UsualPipeline(arguments.data_root), "ours": Repeated(ours)}
    for make in candidates.values():
        make()
    seconds = alternate(candidates, arguments.rounds, 1)
    seconds["ours"] = [value / _OUR_REPEATS for value in seconds["ours"]]
    content = {
        "machine": machine.machine(device),
        "batch": _BATCH,
        "our_views": ours.names,
        "our_repeats": _OUR_REPEATS,
        "seconds": machine.spreads(seconds),
        "ratios": {"usual/ours": ratio(seconds, "usual", "ours")},
    }
    common.write("pil_pipeline.json", content)


class Repeated:
    """Calls something several times, so that a turn of ours is not too short to be measured."""

    def __init__(self, call: Views) -> None:
        self._call = call

    def __call__(self) -> None:
        """Call it."""
        for _ in range(_OUR_REPEATS):
            self._call()


class UsualPipeline:
    """Gives one batch of two views after the other, sample by sample from PIL images.

    Args:
        data_root: The folder that holds MNIST.
    """

    def __init__(self, data_root: Path) -> None:
        transforms = torchvision().transforms
        view = transforms.Compose(
            [
                transforms.RandomResizedCrop(_SIZE, scale=_SCALE, ratio=_RATIO),
                transforms.RandomAffine(_DEGREES),
                transforms.ToTensor(),
            ]
        )
        images = torchvision().datasets.MNIST(_folder(data_root), train=True, transform=_Twice(view))
        self._loader = DataLoader(images, batch_size=_BATCH, shuffle=True, num_workers=0)
        self._batches = self._endless()

    def __call__(self) -> tuple[Tensor, Tensor]:
        """Return the next batch, ``(256, 1, 28, 28)`` for each view."""
        return next(self._batches)

    def _endless(self) -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            for (first, second), _ in self._loader:
                if len(first) == _BATCH:
                    yield first, second


class _Twice:
    """Makes two views of an image."""

    def __init__(self, view: Any) -> None:
        self._view = view

    def __call__(self, image: Any) -> tuple[Tensor, Tensor]:
        return self._view(image), self._view(image)


def _folder(data_root: Path) -> Path:
    """Return the folder in which torchvision's class finds MNIST."""
    places = [data_root, data_root / "data", data_root / "MNIST"]
    found = [place for place in places if (place / "MNIST" / "raw").is_dir()]
    if not found:
        raise SystemExit(f"there is no MNIST/raw below {data_root}")
    return found[0]


if __name__ == "__main__":
    main()
