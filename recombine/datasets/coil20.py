"""COIL-20: photographs of 20 objects on a turntable, 72 views of each."""

import re
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from recombine.datasets.base import NotThereError, OwnDataset, Samples, image_tensor, stacked
from recombine.errors import DataError
from recombine.inert import inert

_OBJECTS = 20
_VIEWS = 72
_PATTERNS = ("obj*/*.png", "obj*__*.png")
_NUMBERS = re.compile(r"obj(\d+)(?:/\D*|__)(\d+)\.png")


class COIL20(OwnDataset):
    """1,440 gray images, uint8 ``(N, 1, H, W)``, ordered by object and view; the label is the object.

    Args:
        root: A folder with ``obj01/view00.png`` to ``obj20/view71.png``, or with the original's names
            ``obj1__0.png`` to ``obj20__71.png``. Numbers may have zeros before them or not.

    Raises:
        NotThereError: If some of the 1,440 images are absent.
    """

    def __init__(self, root: Path) -> None:
        self._files = _numbered_files(root)
        counts = [sum(number[0] == item for number in self._files) for item in range(1, _OBJECTS + 1)]
        if counts != [_VIEWS] * _OBJECTS:
            raise NotThereError(f"{sum(counts):,} of {_OBJECTS * _VIEWS:,} images named like obj01/view00.png")

    def __len__(self) -> int:
        """Return the number of samples N."""
        return len(self._files)

    def sample_shape(self) -> tuple[int, ...]:
        """Return ``(1, H, W)``."""
        return tuple(_gray(self._paths[0]).shape)

    def decode(self) -> Samples:
        """Return all images with the object, from 0, as the label."""
        labels = torch.tensor([item - 1 for item, _ in sorted(self._files)])
        names = tuple(f"obj{item}" for item in range(1, _OBJECTS + 1))
        return Samples(stacked([_gray(path) for path in self._paths]), labels, names)

    @cached_property
    def _paths(self) -> list[Path]:
        return [self._files[number] for number in sorted(self._files)]


def _numbered_files(root: Path) -> dict[tuple[int, int], Path]:
    """Return the images below ``root`` by number of the object, from 1, and of the view."""
    files = {}
    for path in [path for pattern in _PATTERNS for path in root.glob(pattern)]:
        match = _NUMBERS.fullmatch(path.relative_to(root).as_posix())
        if match is not None:
            files[int(match[1]), int(match[2])] = path
    return files


def _gray(path: Path) -> Tensor:
    from PIL import Image  # here, as it takes long to import and validation needs none

    try:
        with inert(), Image.open(path) as image:
            return image_tensor(image.convert("L"))
    except OSError as error:
        raise DataError(f'dataset "COIL20": {path} cannot be read: {error}') from error
