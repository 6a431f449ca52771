"""The colours keep their distance for readers with a colour vision deficiency."""

import numpy as np
import pytest

from recombine.palette import COLOURS, MARKERS, colour, marker

#: Machado, Oliveira and Fernandes 2009, severity 1, for linear RGB.
VISIONS = {
    "normal": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
TO_XYZ = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
WHITE = [0.95047, 1, 1.08883]


def lab(colours, vision):
    """Return CIELAB values ``(n, 3)`` of colours in hexadecimal digits, as somebody sees them."""
    rgb = np.array([[int(text[i : i + 2], 16) / 255 for i in (1, 3, 5)] for text in colours])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = np.clip(linear @ np.array(VISIONS[vision]).T, 0, 1) @ np.array(TO_XYZ).T / WHITE
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], 1)


@pytest.mark.parametrize(
    ("vision", "least"), [("normal", 24), ("protanopia", 21), ("deuteranopia", 18), ("tritanopia", 19)]
)
def test_colours_can_be_told_apart(vision, least):
    values = lab([*COLOURS, "#ffffff"], vision)
    distances = np.linalg.norm(values[:, None] - values[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert distances.min() > least


def test_no_two_of_forty_groups_look_the_same():
    looks = [(colour(number), marker(number)) for number in range(40)]
    assert len(set(looks)) == 40
    assert {look[1] for look in looks[:10]} == {MARKERS[0]}
    assert {look[1] for look in looks[10:20]} == {MARKERS[1]}
    assert (colour(40), marker(40)) == looks[0]
