"""Samples in rows and columns: images as images, other samples as curves over their features."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recombine.canvas import figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_IMAGE_DIMENSIONS = 3
_CHANNELS = (1, 3)
_CELL = 0.62
_CURVE = (1.5, 0.75)
_HEAD = 0.75
_LEFT = 1.1
_LEAST_WIDTH = 6.0


@dataclass(frozen=True)
class Cell:
    """What one place of a gallery shows.

    Attributes:
        sample: The sample ``(...)``.
        beside: A second sample that is shown in the same panel, where samples are curves, or None.
        name: What stands above it.
    """

    sample: NDArray[Any]
    beside: NDArray[Any] | None = None
    name: str = ""


@dataclass(frozen=True)
class Row:
    """A row of a gallery: what stands before it, and its cells; None is an empty place."""

    name: str
    cells: Sequence[Cell | None]


def is_image(sample: NDArray[Any]) -> bool:
    """Tell whether a sample can be shown as an image: ``(1 or 3, H, W)``."""
    return sample.ndim == _IMAGE_DIMENSIONS and sample.shape[0] in _CHANNELS and min(sample.shape[1:]) > 1


def gallery(
    rows: Sequence[Row], heads: Sequence[str], limits: tuple[float, float], title: str, detail: str
) -> "Figure":
    """Return a figure of rows of samples of one shape.

    Args:
        rows: At least one, all of the same length.
        heads: What stands above the columns; an empty text for nothing.
        limits: The values that are black and white, or the lower and upper edge of a panel of curves.
        title: The figure's first line.
        detail: Its second line.
    """
    first = next(cell for row in rows for cell in row.cells if cell is not None)
    width, height = (_CELL, _CELL) if is_image(first.sample) else _CURVE
    columns = len(heads)
    size = max(_LEFT + columns * width, _LEAST_WIDTH), _HEAD + len(rows) * height
    made = figure(size, title, detail)
    grid = made.subplots(len(rows), columns, squeeze=False)
    for row, panels in zip(rows, grid, strict=True):
        for cell, axes in zip(row.cells, panels, strict=True):
            _show(axes, cell, limits)
        panels[0].set_ylabel(row.name, rotation=0, ha="right", va="center", labelpad=8)
    for head, axes in zip(heads, grid[0], strict=True):
        if head:
            axes.set_title(head, fontsize=8)
    return made


def limits_of(samples: Sequence[NDArray[Any]]) -> tuple[float, float]:
    """Return the least and the greatest value of samples."""
    return float(min(sample.min() for sample in samples)), float(max(sample.max() for sample in samples))


def _show(axes: "Axes", cell: Cell | None, limits: tuple[float, float]) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    if cell is None:
        return
    if cell.name:
        axes.set_title(cell.name, fontsize=8)
    if is_image(cell.sample):
        _show_image(axes, cell.sample, limits)
        return
    axes.spines[["left", "bottom"]].set_visible(True)
    axes.plot(cell.sample.reshape(-1), color="0.45", linewidth=1.6)
    if cell.beside is not None:
        axes.plot(cell.beside.reshape(-1), color="#e76300", linewidth=1.0)
    margin = 0.1 * (limits[1] - limits[0]) or 1.0
    axes.set_ylim(limits[0] - margin, limits[1] + margin)


def _show_image(axes: "Axes", image: NDArray[Any], limits: tuple[float, float]) -> None:
    low, high = limits
    if image.shape[0] == 1:
        axes.imshow(image[0], vmin=low, vmax=high, interpolation="nearest")
        return
    scaled = (image - low) / ((high - low) or 1.0)
    axes.imshow(np.clip(scaled, 0, 1).transpose(1, 2, 0), interpolation="nearest")
