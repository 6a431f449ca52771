"""A page that shows how sets were clustered: one HTML file that needs nothing beside it, no network and no library.

Colours: a class has the colour of its place among the classes of its set, and a cluster that of the class it is matched
with. There are ten; the eleventh to the fortieth group have them again with other markers, or edges that are dashed,
dotted or double. The forty-first looks like the first: names and numbers stand beside every colour.

What comes from data is written by :mod:`recombine.markup` alone. The script holds no data, and without it everything is
shown, one below the other.
"""

import base64
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from recombine.files import write_text
from recombine.grouping import Grouping
from recombine.markup import element, text
from recombine.palette import COLOURS, MARKERS
from recombine.png import png
from recombine.set_examples import CountScores, SetExample
from recombine.set_files import score_names
from recombine.set_looks import by_class, by_cluster, group_sizes, pixels, plural, point_limits
from recombine.set_page_style import SCRIPT, STYLE
from recombine.set_svg import bars_svg, marker_svg, marker_symbols, scatter_svg

_THUMBNAIL = 96
_SHOWN = 64
#: Nothing outside the file is ever loaded, not even where a name would ask for it.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
_EDGES = ("solid", "dashed", "dotted", "double")

#: Shows the objects of a set by the groups that it is given.
Drawer = Callable[[Grouping], str]


def write_page(examples: Sequence[SetExample], scores: Sequence[CountScores], path: Path, title: str) -> None:
    """Write a page of sets of one dataset.

    Of points it has scatter plots, of images small copies in a row for each cluster, of other objects their numbers.

    Args:
        examples: The sets.
        scores: The scores of each set by cluster count, then by name; they may lack some.
        path: The file.
        title: What stands above it: the method and the dataset, for example.

    Raises:
        ValueError: There are not as many scores as examples.
        OSError: The file cannot be written.
    """
    shown = [_article(place, *pair) for place, pair in enumerate(zip(examples, scores, strict=True))]
    rules = [_picture_rules(place, example) for place, example in enumerate(examples) if example.is_images]
    links = [_link(place, example) for place, example in enumerate(examples)]
    steps = [element("button", word, type="button", id=word.lower(), hidden=True) for word in ("Previous", "Next")]
    body = [
        element("header", element("h1", text(title)), element("p", _summary(examples))),
        element("nav", steps[0], *links, steps[1], aria_label="sets") if examples else "",
        element("main", *shown),
        element("p", _legend(), class_="note"),
        marker_symbols(),
        element("script", SCRIPT),
    ]
    head = [
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{text(_POLICY)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        element("title", text(title)),
        element("style", STYLE, _look_rules(), *rules),
    ]
    page = element("html", element("head", *head), "\n", element("body", *body), lang="en")
    write_text(path, f"<!DOCTYPE html>\n{page}\n")


def _summary(examples: Sequence[SetExample]) -> str:
    right = sum(example.predicted_count == example.true_count for example in examples)
    return f"Sets: {len(examples)}. Their number of clusters was found in {right}." if examples else "No sets."


def _legend() -> str:
    return (
        "A cluster has the colour of the class it is matched with, one to one; a cluster without a class has a colour "
        "of its own. Beyond ten groups the colours come again with other markers or edges, beyond forty all of it. In "
        "the bar charts the true number of clusters is green, the others are blue, and the one that was found has a "
        "black edge."
    )


def _link(place: int, example: SetExample) -> str:
    is_right = example.predicted_count == example.true_count
    true, found = example.true_count, example.predicted_count
    words = f"set {example.number}: {true} {plural('class', true)}, {found} {plural('cluster', found)} found"
    sign = "✓" if is_right else "✗"
    return element("a", f"{example.number} {sign}", href=f"#set-{place}", title=words, aria_label=words)


def _article(place: int, example: SetExample, scores: CountScores) -> str:
    draw = _drawer(example)
    counts = element("div", *(_button(example, count) for count in example.counts), class_="counts", hidden=True)
    truth = element(
        "section",
        element("h3", f"Truth: {example.true_count} {plural('class', example.true_count)}"),
        element("p", f"{len(example)} objects"),
        draw(by_class(example)),
        class_="truth",
    )
    panels = [_panel(example, count, draw) for count in example.counts]
    sides = element("div", truth, element("div", *panels, class_="predictions"), class_="sides")
    chart = element("section", element("h3", "Number of clusters, p(k)"), bars_svg(example))
    table = element("section", element("h3", "Scores for each k"), _score_table(example, scores), class_="scores")
    heading = element("h2", f"Set {example.number}")
    kind = "pictures" if not example.is_points else "points"
    return element("article", heading, chart, counts, sides, table, id=f"set-{place}", class_=kind) + "\n"


def _button(example: SetExample, count: int) -> str:
    is_predicted = count == example.predicted_count
    name = f"k = {count}" + (" (prediction)" if is_predicted else "")
    return element("button", name, type="button", data_count=count, aria_pressed=str(is_predicted).lower())


def _panel(example: SetExample, count: int, draw: Drawer) -> str:
    """Return the clustering for one cluster count."""
    is_predicted, empty = count == example.predicted_count, example.num_empty(count)
    name = "Prediction" if is_predicted else "If there were"
    heading = f"{name}: {count} {plural('cluster', count)}"
    facts = f"p(k = {count}) = {example.probability(count):.3f}; {empty} empty {plural('cluster', empty)}"
    drawn = draw(by_cluster(example, count))
    return element("section", element("h3", heading), element("p", facts), drawn, class_="panel", data_count=count)


def _score_table(example: SetExample, scores: CountScores) -> str:
    names = score_names(scores)
    heads = [element("th", text(word), scope="col") for word in ("k", "p(k)", "empty", *names)]
    rows = []
    for count in example.counts:
        found = scores.get(count, {})
        words = [word for word, holds in _roles(example, count) if holds]
        first = element("th", f"{count} ({', '.join(words)})" if words else str(count), scope="row")
        values = [f"{found[name]:.3f}" if name in found else "–" for name in names]
        cells = [f"{example.probability(count):.3f}", str(example.num_empty(count)), *values]
        rows.append(element("tr", first, *(element("td", cell) for cell in cells), data_count=count))
    return element("table", element("thead", element("tr", *heads)), element("tbody", *rows))


def _roles(example: SetExample, count: int) -> list[tuple[str, bool]]:
    return [("true", count == example.true_count), ("found", count == example.predicted_count)]


class _Points:
    """Draws points as a scatter plot with a legend.

    Args:
        example: The set.
    """

    def __init__(self, example: SetExample) -> None:
        self._points = example.values.double().numpy()
        self._limits = point_limits(example.values)
        self._names = [_object_name(example, place) for place in range(len(example))]

    def __call__(self, grouping: Grouping) -> str:
        rows = [
            element("li", marker_svg(grouping.looks[value].number), _group_name(grouping, value, size))
            for value, size in group_sizes(grouping).items()
        ]
        drawing = scatter_svg(self._points, grouping, self._limits, self._names)
        return element("div", drawing, element("ul", *rows, class_="legend"), class_="plot")


class _Rows:
    """Shows objects in a table with a row for each group: small images, or numbers alone, in an edge by true class.

    Args:
        example: The set.
    """

    def __init__(self, example: SetExample) -> None:
        looks = by_class(example).looks
        self._objects = [
            _object(example, place, looks[label].number) for place, label in enumerate(example.classes.tolist())
        ]

    def __call__(self, grouping: Grouping) -> str:
        rows = []
        for value, size in group_sizes(grouping).items():
            members = [self._objects[place] for place in np.flatnonzero(grouping.values == value)]
            swatch = element("i", class_=f"swatch {_look_classes(grouping.looks[value].number)}")
            head = element("th", swatch, _group_name(grouping, value, size), scope="row")
            rows.append(element("tr", head, element("td", *(members or ["empty"]))))
        return element("table", element("tbody", *rows), class_="groups")


def _drawer(example: SetExample) -> Drawer:
    return _Points(example) if example.is_points else _Rows(example)


def _group_name(grouping: Grouping, value: int, size: int) -> str:
    return f"{text(grouping.looks[value].name)} <small>({size})</small>"


def _object(example: SetExample, place: int, number: int) -> str:
    label, index = int(example.classes[place]), int(example.index[place])
    picture = element("i", class_=f"t t{place}") if example.is_images else ""
    caption = element("small", element("b", text(example.class_name(label))), f" #{index}")
    words = _object_name(example, place)
    return element("span", picture, caption, class_=f"object {_look_classes(number)}", title=words)


def _object_name(example: SetExample, place: int) -> str:
    """Return what an object says when it is pointed at; no markup yet."""
    name = example.class_name(int(example.classes[place]))
    return f"object {place}, class {name}, number {int(example.index[place])} of the dataset"


def _look_classes(number: int) -> str:
    return f"c{number % len(COLOURS)} e{number // len(COLOURS) % len(MARKERS)}"


def _look_rules() -> str:
    """Return the style of colours and edges, the same for all sets."""
    colours = [f".c{i}{{border-color:{value}}}" for i, value in enumerate(COLOURS)]
    edges = [f".e{i}{{border-style:{kind}}}" for i, kind in enumerate(_EDGES)]
    return "\n".join([*colours, *edges, ""])


def _picture_rules(place: int, example: SetExample) -> str:
    """Return the style by which the elements ``t0``, ``t1``... of a set show its images.

    All images are one PNG, so that each is in the page once, however often it is shown.
    """
    images = pixels(example.values, _THUMBNAIL)
    count, height, width, channels = images.shape
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    sheet = np.zeros((rows * columns, height, width, channels), dtype=np.uint8)
    sheet[:count] = images
    sheet = sheet.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    content = base64.b64encode(png(sheet.reshape(rows * height, columns * width, channels))).decode("ascii")
    wide, high = (max(1, round(side * _SHOWN / max(height, width))) for side in (width, height))
    own = f"#set-{place} .t"
    size = f"width:{wide}px;height:{high}px;background-size:{columns * wide}px {rows * high}px"
    places = [
        f"{own}{i}{{background-position:{-(i % columns) * wide}px {-(i // columns) * high}px}}" for i in range(count)
    ]
    return "\n".join([f"{own}{{{size};background-image:url(data:image/png;base64,{content})}}", *places, ""])
