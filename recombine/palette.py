"""How classes and clusters look, so that readers who see colours differently can tell them apart.

Ten colours that keep their distance from each other and from white with any of the three colour vision deficiencies,
times four markers: eight of the ten of Petroff 2021 (Accessible Color Sequences for Data Visualization,
arXiv:2107.02270); green and black stand for its light grey and light blue, which are hard to tell from white or grey.
Beside that every group has its number in the picture.
"""

COLOURS = (
    "#3f90da",
    "#ffa90e",
    "#bd1f01",
    "#40cda8",
    "#832db6",
    "#a96b59",
    "#e76300",
    "#b9ac70",
    "#717581",
    "#222222",
)
MARKERS = ("o", "^", "s", "D")
#: What belongs to no group.
NO_COLOUR = "#555555"


def colour(number: int) -> str:
    """Return the colour of a group by its number, from 0."""
    return COLOURS[number % len(COLOURS)]


def marker(number: int) -> str:
    """Return the marker of a group by its number, from 0: the next one after every ten."""
    return MARKERS[number // len(COLOURS) % len(MARKERS)]
