import sys

import pytest

from recombine.errors import UsageError
from recombine.plotting import PlotOptions, plot
from tests.methods import DIVERGING
from tests.pictures import LOSSES_EVERY_STEP, TWO_PHASES, run_of

IS_HERE = True
try:
    import matplotlib  # noqa: F401
    from PIL import Image
except ImportError:
    IS_HERE = False
needs_matplotlib = pytest.mark.skipif(not IS_HERE, reason="pictures need matplotlib")
PICTURES = {
    "raw",
    "latent_1_training",
    "latent_2_more",
    "reconstructions",
    "centroids",
    "confusion",
    "losses",
    "scores",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_of(tmp_path_factory.mktemp("run"), TWO_PHASES, interval=1)


@needs_matplotlib
def test_everything_is_drawn(folder, tmp_path):
    lines = list(plot(folder, PlotOptions(projection="pca", output=tmp_path, formats=("png", "svg"))))
    files = {path.name: path for path in (tmp_path / "Digits").iterdir()}
    assert set(files) == {f"{name}.{kind}" for name in PICTURES for kind in ("png", "svg")} | {"film.gif"} | _mp4(files)
    assert sorted(lines[:-1]) == sorted(map(str, files.values()))
    assert lines[-1] == "left out: sets of Digits: the dataset makes no sets, or was not scored"
    for name, path in files.items():
        assert path.stat().st_size > 4000, name
    for name in PICTURES:
        with Image.open(files[f"{name}.png"]) as image:
            assert image.width > 500
            assert len(image.convert("RGB").getcolors(10**7)) > 20
        assert "<svg" in files[f"{name}.svg"].read_text()[:600]
    with Image.open(files["film.gif"]) as film:
        assert film.n_frames > 30
        first = film.convert("RGB").tobytes()
        film.seek(film.n_frames - 1)
        assert film.convert("RGB").tobytes() != first
        assert film.convert("RGB").getpixel((film.width - 1, film.height - 1)) == (255, 255, 255)


def _mp4(files):
    """Return the name of the film that only some machines can make."""
    return {"film.mp4"} & set(files)


@needs_matplotlib
def test_the_same_picture_is_the_same_file(folder, tmp_path):
    for place in ("a", "b"):
        options = PlotOptions(("latent", "confusion"), formats=("png", "svg"), output=tmp_path / place)
        assert len(list(plot(folder, options))) == 6
    for path in (tmp_path / "a" / "Digits").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / "Digits" / path.name).read_bytes(), path.name


@needs_matplotlib
def test_pictures_go_to_the_run_s_folder(folder):
    (line,) = plot(folder, PlotOptions(("confusion",), ("Digits",)))
    assert line == str(folder / "plots" / "Digits" / "confusion.png")


@needs_matplotlib
def test_what_cannot_be_drawn_is_left_out_with_the_reason(tmp_path):
    run = run_of(tmp_path, LOSSES_EVERY_STEP)
    lines = list(plot(run, PlotOptions(projection="pca")))
    left = [line for line in lines if line.startswith("left out: ")]
    assert [line.split(":")[1] for line in left] == [" scores of Digits", " film of Digits", " sets of Digits"]
    assert "--keep-embeddings N" in left[1]
    assert len(lines) == 3 + 6


@needs_matplotlib
def test_what_was_asked_for_and_cannot_be_drawn_is_an_error(tmp_path):
    run = run_of(tmp_path)
    for file in (run / "Digits" / "embeddings").iterdir():
        file.unlink()
    message = (
        "latent cannot be drawn: the run kept no embeddings: run it again with --fresh, or with "
        "--fresh --keep-embeddings N for a film"
    )
    with pytest.raises(UsageError) as caught:
        list(plot(run, PlotOptions(("latent",))))
    assert str(caught.value) == message


@needs_matplotlib
def test_a_failed_run_is_drawn_as_far_as_it_went(tmp_path):
    run = run_of(tmp_path, {**DIVERGING, **LOSSES_EVERY_STEP})
    first, *lines = plot(run, PlotOptions())
    assert first.startswith("The run failed: a loss became NaN or infinite in iteration ")
    assert first.endswith("; the pictures show what it left")
    assert str(run / "plots" / "Digits" / "losses.png") in lines


@needs_matplotlib
def test_a_run_that_left_nothing_says_so(tmp_path):
    run = run_of(tmp_path, DIVERGING)
    (run / "events.jsonl").write_text("")
    with pytest.raises(UsageError, match=rf"^nothing of the run in {run} can be drawn$"):
        list(plot(run, PlotOptions()))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (PlotOptions(("latnt",)), 'there is no picture called "latnt". Did you mean "latent"?'),
        (
            PlotOptions(("xyz",)),
            'there is no picture called "xyz". There are: raw, latent, reconstructions, centroids, confusion, losses, '
            "scores, film, sets",
        ),
        (PlotOptions((), ("digits",)), 'there is no dataset of the run called "digits". Did you mean "Digits"?'),
    ],
)
@needs_matplotlib
def test_unknown_names_are_refused(folder, options, message):
    with pytest.raises(UsageError) as caught:
        list(plot(folder, options))
    assert str(caught.value) == message


@needs_matplotlib
def test_a_place_that_cannot_be_written_to_is_named(folder, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"file/Digits cannot be written to: "):
        list(plot(folder, PlotOptions(("confusion",), output=tmp_path / "file")))


def test_without_matplotlib_the_remedy_is_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError) as caught:
        list(plot(folder, PlotOptions()))
    assert str(caught.value) == "pictures need matplotlib, which is not installed: pip install matplotlib"


def test_without_matplotlib_one_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError) as caught:
        list(plot(tmp_path, PlotOptions()))
    assert str(caught.value) == "pictures need matplotlib, which is not installed: pip install matplotlib"
