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
_FILM_DOTS_PER_INCH = 80
_COLOURS_OF_GIF = 128
_TITLE_SIZE = 12
#: Of the title's size; longer titles are smaller.
_LETTERS_PER_INCH = 9.5
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
    size_of_title = float(np.clip(_TITLE_SIZE * size[0] * _LETTERS_PER_INCH / len(title), 7, _TITLE_SIZE))
    made.suptitle(f"{title}\n", fontweight="bold", fontsize=size_of_title, x=0.01, ha="left")
    made.text(0.01, 1 - 0.42 / size[1], detail, fontsize=8.5, color="0.3", va="bottom", ha="left")
    return made


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
        images = list(self._images())
        from PIL.Image import Dither

        # All images have the colours of the last one: colours of their own would flicker.
        palette = images[-1].quantize(_COLOURS_OF_GIF)
        reduced = [image.quantize(palette=palette, dither=Dither.NONE) for image in images]
        milliseconds = [1000 // self.rate] * (self.count - 1) + [2000]
        with path.open("wb") as file:
            reduced[0].save(file, "GIF", save_all=True, append_images=reduced[1:], duration=milliseconds, loop=0)

    def _images(self) -> "Iterator[Image]":
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from PIL import Image

        self.figure.set_dpi(_FILM_DOTS_PER_INCH)
        canvas: Any = FigureCanvasAgg(self.figure)
        for number in range(self.count):
            self._show(number)
            canvas.draw()
            yield Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")

    def _fill_mp4(self, encoder: str, path: Path) -> None:
        import matplotlib
        from matplotlib.animation import FFMpegWriter

        writer = FFMpegWriter(self.rate, extra_args=["-f", "mp4", "-pix_fmt", "yuv420p"])
        with matplotlib.rc_context({"animation.ffmpeg_path": encoder}):
            with writer.saving(self.figure, str(path), _FILM_DOTS_PER_INCH):
                for number in range(self.count):
                    self._show(number)
                    writer.grab_frame()


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
