"""Reading what others wrote with libraries that trust it: no program is run, and nothing is unpacked elsewhere."""

import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def inert() -> Iterator[None]:
    """Keep pictures and archives from doing anything while they are opened or decoded.

    - Pillow would give a picture that is a PostScript program to Ghostscript, whatever its file is called.
    - tarfile would, before Python 3.14, write where the names in an archive say, links and ``..`` included.
    - A picture of more pixels than Pillow believes in is an OSError, as other broken pictures are.
    """
    from PIL import EpsImagePlugin, Image  # here, as it takes long to import and validation needs none

    postscript: Any = EpsImagePlugin
    archives: Any = tarfile.TarFile
    before = postscript.gs_binary, vars(archives)["extraction_filter"]
    postscript.gs_binary, archives.extraction_filter = False, staticmethod(tarfile.data_filter)
    try:
        yield
    except Image.DecompressionBombError as error:
        raise OSError(str(error)) from error
    finally:
        postscript.gs_binary, archives.extraction_filter = before
