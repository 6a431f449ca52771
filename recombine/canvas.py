"""Figures and films on their way to files: the one place that imports matplotlib and Pillow."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recombine.errors import UsageError
from recombine.files import write_beside

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL.Image import Image

FORMATS = ("png", "svg")
_DOTS_PER_INCH = 120
_FILM_DOTS_PER_INCH = 100
_COLOURS_OF_GIF = 64
_CHANNELS = 3
_WHITE, _NEARLY_WHITE = 255, 244
#: ffmpeg takes images of even sizes alone.
_MP4 = ["-f", "mp4", "-pix_fmt", "yuv420p", "-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2:color=white"]
_TITLE_SIZE = 12.0
_DETAIL_SIZE = 8.5
_LEAST_SIZE = 5.0
_TITLE_AT = 0.13
_DETAIL_AT = 0.35
#: Points in an inch, and the mean width of a letter as a share of its size.
_INCH = 72
_LETTER = 0.62
_STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "figure.titlesize": 12,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "image.cmap": "gray",
    "savefig.facecolor": "white",
    "svg.hashsalt": "recombine",
}


@contextmanager
def style() -> Iterator[None]:
    """Draw in the style of all pictures for a while.

    Raises:
        UsageError: matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise UsageError("pictures need matplotlib, which is not installed: pip install matplotlib") from error
    with matplotlib.rc_context(_STYLE):
        yield


def figure(size: tuple[float, float], title: str, detail: str) -> "Figure":
    """Return an empty figure.

    Args:
        size: Width and height in inches.
        title: What it shows, of what.
        detail: How it was made: a smaller second line.
    """
    from matplotlib.figure import Figure

    made = Figure(figsize=size, layout="constrained")
    made.suptitle(" \n ", fontsize=_TITLE_SIZE)  # Keeps the place of the two lines free.
    width, height = size
    made.text(0.01, 1 - _TITLE_AT / height, title, fontweight="bold", **_fitting(title, width, _TITLE_SIZE))
    made.text(0.01, 1 - _DETAIL_AT / height, detail, color="0.3", **_fitting(detail, width, _DETAIL_SIZE))
    return made


def _fitting(text: str, width: float, size: float) -> dict[str, Any]:
    """Return how to write a line of text at the left edge of a figure, smaller where it would be too wide."""
    fits = width * _INCH / (_LETTER * max(len(text), 1))
    return {"fontsize": float(np.clip(fits, _LEAST_SIZE, size)), "ha": "left", "va": "center"}


def outlined(axes: "Axes", place: tuple[float, float], text: str) -> Any:
    """Write a short text on a picture, with a white edge, so that it can be read on any ground; return it."""
    from matplotlib.patheffects import withStroke

    edge = [withStroke(linewidth=2.5, foreground="white")]
    return axes.text(*place, text, ha="center", va="center", weight="bold", fontsize=9, path_effects=edge, zorder=5)


class Still:
    """A picture that does not move.

    Args:
        drawn: The figure.
    """

    def __init__(self, drawn: "Figure") -> None:
        self.figure = drawn

    def save(self, path: Path, formats: Sequence[str]) -> list[Path]:
        """Write the picture to ``<path>.<format>`` for each format; return the files."""
        files = [path.with_name(f"{path.name}.{kind}") for kind in formats]
        for file, kind in zip(files, formats, strict=True):
            write_beside(file, partial(self._fill, kind))
        return files

    def _fill(self, kind: str, path: Path) -> None:
        # Without the date, the same picture is the same file.
        metadata: Any = {"Date": None} if kind == "svg" else {}
        self.figure.savefig(path, format=kind, dpi=_DOTS_PER_INCH, metadata=metadata)


class Film:
    """A picture that moves.

    Args:
        drawn: The figure.
        show: Changes the figure to the image of a number, from 0.
        count: Number of images.
        rate: Images per second.
    """

    def __init__(self, drawn: "Figure", show: Callable[[int], None], count: int, rate: int) -> None:
        self.figure = drawn
        self._show = show
        self.count = count
        self.rate = rate

    def save(self, path: Path, formats: Sequence[str]) -> list[Path]:
        """Write an animated GIF, and an MP4 where ffmpeg is found, beside ``path``; return the files."""
        del formats
        files = [path.with_name(f"{path.name}.gif")]
        write_beside(files[0], self._fill_gif)
        encoder = _ffmpeg()
        if encoder is not None:
            files.append(path.with_name(f"{path.name}.mp4"))
            write_beside(files[1], partial(self._fill_mp4, encoder))
        return files

    def _fill_gif(self, path: Path) -> None:
        from PIL.Image import Dither

        canvas = self._canvas()
        # All images have the colours of the last one: colours of their own would flicker.
        palette = _with_white(self._image(canvas, self.count - 1).quantize(_COLOURS_OF_GIF))
        reduced = [
            self._image(canvas, number).quantize(palette=palette, dither=Dither.NONE) for number in range(self.count)
        ]
        milliseconds = [1000 // self.rate] * (self.count - 1) + [2000]
        with path.open("wb") as file:
            reduced[0].save(file, "GIF", save_all=True, append_images=reduced[1:], duration=milliseconds, loop=0)

    def _canvas(self) -> Any:
        """Return what draws the figure; nothing but what is shown moves from here on."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        self.figure.set_dpi(_FILM_DOTS_PER_INCH)
        canvas: Any = FigureCanvasAgg(self.figure)
        self._show(0)
        canvas.draw()
        self.figure.set_layout_engine("none")
        return canvas

    def _image(self, canvas: Any, number: int) -> "Image":
        from PIL import Image

        self._show(number)
        canvas.draw()
        return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")

    def _fill_mp4(self, encoder: str, path: Path) -> None:
        import matplotlib
        from matplotlib.animation import FFMpegWriter

        writer = FFMpegWriter(self.rate, extra_args=_MP4)
        with matplotlib.rc_context({"animation.ffmpeg_path": encoder}):
            with writer.saving(self.figure, str(path), _FILM_DOTS_PER_INCH):
                for number in range(self.count):
                    self._show(number)
                    writer.grab_frame()


def _with_white(reduced: "Image") -> "Image":
    """Return an image of few colours of which those that are nearly white are white: the ground is to be."""
    colours = np.array(reduced.getpalette()).reshape(-1, _CHANNELS)
    colours[colours.min(1) >= _NEARLY_WHITE] = _WHITE
    reduced.putpalette(colours.flatten().tolist())
    return reduced


def _ffmpeg() -> str | None:
    """Return the program that makes films, or None."""
    import shutil

    found = shutil.which("ffmpeg")
    if found is not None:
        return found
    try:
        from imageio_ffmpeg import get_ffmpeg_exe
    except ImportError:
        return None
    try:
        return str(get_ffmpeg_exe())
    except RuntimeError:
        return None
