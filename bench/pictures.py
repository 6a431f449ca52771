"""Keep the pictures of a run for the documentation, small.

    python -m bench.pictures FOLDER

FOLDER is what ``recombine plot RUN`` wrote for a dataset. Stills get a palette, the film half its size and every fourth
frame. Writes ``docs/pictures``.
"""

import argparse
from pathlib import Path

from PIL import Image, ImageSequence

from bench import common

_STILLS = ("raw", "latent_1_pretraining", "latent_2_clustering", "confusion", "reconstructions", "centroids")
_COLOURS, _FILM_COLOURS, _WIDTH, _FILM_WIDTH, _EVERY, _MILLISECONDS = 96, 24, 1000, 640, 4, 240


def main() -> None:
    """Read, make small, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    target = common.ROOT / "docs" / "pictures"
    target.mkdir(exist_ok=True)
    for name in _STILLS:
        with Image.open(folder / f"{name}.png") as picture:
            small = _narrow(picture.convert("RGB"), _WIDTH).quantize(_COLOURS)
            small.save(target / f"{name}.png", optimize=True)
    with Image.open(folder / "film.gif") as film:
        chosen = [one.convert("RGB") for number, one in enumerate(ImageSequence.Iterator(film)) if number % _EVERY == 0]
        frames = [_narrow(one, _FILM_WIDTH).quantize(_FILM_COLOURS) for one in chosen]
    frames[0].save(
        target / "film.gif", save_all=True, append_images=frames[1:], duration=_MILLISECONDS, loop=0, optimize=True
    )


def _narrow(picture: Image.Image, width: int) -> Image.Image:
    """Return a picture at most ``width`` wide."""
    if picture.width <= width:
        return picture
    return picture.resize((width, round(picture.height * width / picture.width)), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main()
