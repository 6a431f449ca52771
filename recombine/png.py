"""Pixels as a file in the format PNG, without any image library."""

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
#: Colour types of the format by the number of channels: gray, and red-green-blue.
_COLOUR_TYPES = {1: 0, 3: 2}
_BITS = 8
_SUB_FILTER = 1


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Return an image ``(H, W, 1 or 3)`` of bytes as the content of a PNG file; the same pixels give the same bytes.

    Raises:
        KeyError: It has another number of channels.
    """
    height, width, channels = pixels.shape
    head = struct.pack(">IIBBBBB", width, height, _BITS, _COLOUR_TYPES[channels], 0, 0, 0)
    # Each byte is stored as the difference to that of the pixel on its left, modulo 256: that packs better.
    rows = np.diff(pixels, axis=1, prepend=np.zeros_like(pixels[:, :1])).reshape(height, width * channels)
    filtered = np.column_stack([np.full(height, _SUB_FILTER, dtype=np.uint8), rows])
    return _SIGNATURE + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(filtered.tobytes(), 9)) + _chunk(b"IEND")


def _chunk(kind: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
