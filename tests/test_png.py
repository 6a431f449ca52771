import io

import numpy as np
import pytest

from recombine.png import png


@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 3, 1), (4, 7, 3)])
def test_another_program_reads_the_same_pixels(shape):
    image = pytest.importorskip("PIL.Image", reason="Pillow reads the file")
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    read = np.asarray(image.open(io.BytesIO(png(pixels))))
    assert np.array_equal(read.reshape(shape), pixels)


def test_other_numbers_of_channels_are_refused():
    with pytest.raises(KeyError):
        png(np.zeros((2, 2, 2), dtype=np.uint8))
