import base64
import io
import re
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
import torch

from recombine.palette import COLOURS
from recombine.set_looks import OTHER_COLOUR, TRUE_COLOUR, pixels
from recombine.set_page import write_page
from recombine.set_page_style import SCRIPT, STYLE
from tests.set_samples import example_of, features, images, points

EMPTY = {"meta"}
EVIL = ("<script>alert(1)</script>", "</style></script><b>\"'&", "-->${x}`")
SCORES = {2: {"mr": 0.25}, 3: {"mr": 0.0, "<i>": 1.0}}


class Page(HTMLParser):
    """What is in a page; a tag that is not closed in order is an error."""

    def __init__(self, path):
        super().__init__()
        self.open, self.tags, self.words, self.blocks = [], [], [], {"script": "", "style": ""}
        self.feed(path.read_text(encoding="utf-8"))
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in self.blocks:
            self.blocks[self.open[-1]] += data
        else:
            self.words.append(data)

    def named(self, tag, kind=None):
        """Return the attributes of the elements of a tag and, if it is given, of a class."""
        found = [attributes for name, attributes in self.tags if name == tag]
        return [a for a in found if kind is None or kind in a.get("class", "").split()]


def page_of(tmp_path, examples, scores=None, title="title"):
    """Write a page and read it."""
    write_page(examples, [SCORES] * len(examples) if scores is None else scores, tmp_path / "page.html", title)
    return Page(tmp_path / "page.html")


@pytest.fixture(params=[points, images, features])
def example(request):
    """Return a set of each kind."""
    return request.param()


def test_nothing_comes_from_elsewhere(tmp_path, example):
    page = page_of(tmp_path, [example])
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert re.search(r"(?:https?:)?//\w|@import|url\((?!data:)", text) is None
    for _, attributes in page.tags:
        assert {"src", "srcset", "action"}.isdisjoint(attributes)
        assert attributes.get("href", "#").startswith("#")
        assert not any(name.startswith("on") for name in attributes)
    policy = next(a["content"] for a in page.named("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; img-src data:;")


def test_names_cannot_become_markup(tmp_path):
    plain = page_of(tmp_path, [images()])
    page = page_of(tmp_path, [images(class_names=EVIL)], title="</title><script>x</script>")
    tags, expected = ([name for name, _ in found.tags] for found in (page, plain))
    assert tags == expected
    assert "alert(1)" not in page.blocks["script"]
    assert page.blocks["script"] == SCRIPT
    assert "alert" not in page.blocks["style"]
    assert page.words.count("</title><script>x</script>") == 2
    assert EVIL[0] in page.words
    assert any(EVIL[1] in a.get("title", "") for a in page.named("span"))
    assert "<i>" in page.words


def test_names_of_points_cannot_become_markup(tmp_path):
    names = (*EVIL, *EVIL, "a", "b")
    tags = [[name for name, _ in page_of(tmp_path, [points(class_names=own)]).tags] for own in (None, names)]
    assert tags[0] == tags[1]


def test_constants_hold_no_ends():
    assert "</" not in SCRIPT + STYLE
    assert "innerHTML" not in SCRIPT


def test_the_bar_of_the_true_count_is_green(tmp_path):
    page = page_of(tmp_path, [points(), points(1)])
    bars = page.named("rect", "bar")
    assert len(bars) == 8
    assert [bar["fill"] for bar in bars[:4]] == [OTHER_COLOUR, OTHER_COLOUR, TRUE_COLOUR, OTHER_COLOUR]
    assert [float(bar["height"]) for bar in bars[:4]] == [13, 26, 78, 13]
    assert ["predicted" in bar["class"] for bar in bars[:4]] == [False, False, True, False]
    charts = page.named("svg", "bars")
    assert charts[0]["aria-label"].startswith("1 clusters: p = 0.100; 2 clusters: p = 0.200")


def test_no_bar_is_green_where_the_true_count_is_not_among_them(tmp_path):
    page = page_of(tmp_path, [example_of(torch.rand(4, 2), [0, 1, 2, 3], count_probs=(0.5, 0.5))])
    assert {bar["fill"] for bar in page.named("rect", "bar")} == {OTHER_COLOUR}


def test_there_is_a_button_and_a_panel_for_each_count(tmp_path, example):
    page = page_of(tmp_path, [example, example])
    buttons = [a for a in page.named("button") if "data-count" in a]
    expected = [str(count) for count in example.counts] * 2
    assert [a["data-count"] for a in buttons] == expected
    assert [a["data-count"] for a in page.named("section", "panel")] == expected
    pressed = [a["data-count"] for a in buttons if a["aria-pressed"] == "true"]
    assert pressed == [str(example.predicted_count)] * 2


def test_panels_tell_empty_clusters_and_probabilities(tmp_path):
    words = page_of(tmp_path, [points()]).words
    assert "p(k = 4) = 0.100; 1 empty cluster" in words
    assert "p(k = 3) = 0.600; 0 empty clusters" in words
    assert "Prediction: 3 clusters" in words
    assert "If there were: 1 cluster" in words
    assert "Truth: 3 classes" in words


def test_sets_are_listed(tmp_path):
    wrong = example_of(torch.rand(4, 2), [0, 1, 1, 1], number=5)
    page = page_of(tmp_path, [points(), wrong])
    assert [a["href"] for a in page.named("a")] == ["#set-0", "#set-1"]
    assert [a["id"] for a in page.named("article")] == ["set-0", "set-1"]
    assert {"0 ✓", "5 ✗", "Sets: 2. Their number of clusters was found in 1."} <= set(page.words)


def test_every_point_is_drawn_by_class_and_for_each_count(tmp_path):
    page = page_of(tmp_path, [points()])
    drawn = [a for a in page.named("use") if "x" in a]
    assert len(page.named("svg", "scatter")) == 5
    assert len(drawn) == 4 * 5
    # x = 0.1 and y = 0.2 lie in [-0.2, 1.2].
    places = {(float(a["x"]), float(a["y"])) for a in drawn}
    assert (round(34 + 300 * 0.3 / 1.4, 1), round(308 - 300 * 0.4 / 1.4, 1)) in places
    groups = [a for a in page.named("g")]
    assert {a["fill-opacity"] for a in groups} == {"0.8"}
    assert [a["fill"] for a in groups[:3]] == list(COLOURS[:3])


def test_the_eleventh_group_of_points_has_another_marker(tmp_path):
    page = page_of(tmp_path, [example_of(torch.rand(12, 2), list(range(12)), count_probs=(0.5, 0.5))])
    drawn = [a["href"] for a in page.named("use") if "x" in a]
    assert drawn[:12] == ["#m0"] * 10 + ["#m1"] * 2
    assert {a["id"] for a in page.named("path") if "id" in a} == {"m0", "m1", "m2", "m3"}


def test_images_are_embedded_once(tmp_path):
    example = images(channels=3, side=8)
    page = page_of(tmp_path, [example])
    image = pytest.importorskip("PIL.Image", reason="Pillow reads the image")
    (content,) = re.findall(r"data:image/png;base64,([A-Za-z0-9+/=]+)", page.blocks["style"])
    sheet = np.asarray(image.open(io.BytesIO(base64.b64decode(content))))
    assert sheet.shape == (16, 24, 3)
    assert np.array_equal(sheet[8:, 8:16], pixels(example.values)[4])
    assert "#set-0 .t4{background-position:-64px -64px}" in page.blocks["style"]
    assert len(page.named("i", "t4")) == 5


def test_edges_have_the_colours_of_the_true_classes(tmp_path):
    page = page_of(tmp_path, [images()])
    objects = page.named("span", "object")
    assert len(objects) == 5 * 5
    edges = {a["title"].split(",")[0]: a["class"].split()[1:] for a in objects}
    assert [edges[f"object {place}"] for place in range(5)] == [[f"c{number}", "e0"] for number in (0, 1, 0, 2, 1)]
    assert f".c2{{border-color:{COLOURS[2]}}}" in page.blocks["style"]
    assert len(page.named("table", "groups")) == 5
    assert page.words.count("empty") == 2  # the head of a column, and one of four clusters


def test_the_eleventh_class_has_another_edge(tmp_path):
    page = page_of(tmp_path, [example_of(torch.rand(12, 5), list(range(12)), count_probs=(0.5, 0.5))])
    assert page.named("span", "object")[10]["class"] == "object c0 e1"
    assert ".e1{border-style:dashed}" in page.blocks["style"]


def test_large_images_stay_small(tmp_path):
    example = example_of(torch.rand(20, 3, 256, 256), [0, 1] * 10)
    page_of(tmp_path, [example])
    assert (tmp_path / "page.html").stat().st_size < 1_000_000


def test_scores(tmp_path):
    words = page_of(tmp_path, [points()], [SCORES]).words
    assert {"3 (true, found)", "0.250", "–", "mr"} <= set(words)
    assert "mr" not in page_of(tmp_path, [points()], [{}]).words


def test_no_sets_and_missing_scores(tmp_path):
    page = page_of(tmp_path, [])
    assert "No sets." in page.words
    assert page.named("article") == page.named("nav") == []
    with pytest.raises(ValueError, match="argument 2 is"):
        page_of(tmp_path, [points()], [])


def test_the_page_needs_no_matplotlib(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    page_of(tmp_path, [points(), images()])
