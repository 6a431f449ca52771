import pytest

from recombine import cli_plot
from recombine.canvas import FORMATS
from recombine.plots.base import pictures
from recombine.projection import PROJECTIONS
from tests.methods import small, written

ITERATIONS = {"/phases/0/exit_criteria/iterations": 8}


pytestmark = pytest.mark.usefixtures("at_home")


def test_a_run_is_drawn(call, tmp_path):
    pytest.importorskip("matplotlib", reason="pictures need matplotlib")
    assert call("run", written(tmp_path, small(ITERATIONS)), "--keep-embeddings", 2)[0] == 0
    (run,) = (tmp_path / "logs").glob("*_small_*")
    assert len(list((run / "Digits" / "embeddings").iterdir())) == 5
    status, output, errors = call("plot", run, "latent", "film", "--projection", "pca", "--format", "svg")
    assert (status, errors) == (0, "")
    names = ["latent_1_training.svg", "film.gif"]
    assert output.splitlines()[:2] == [str(run / "plots" / "Digits" / name) for name in names]
    assert call("plot", run, "filn") == (2, "", 'error: there is no picture called "filn". Did you mean "film"?\n')


def test_a_folder_that_is_no_run_is_one_message(call, tmp_path):
    pytest.importorskip("matplotlib", reason="pictures need matplotlib")
    status, output, errors = call("plot", tmp_path / "nowhere")
    assert (status, output) == (2, "")
    assert errors == f"error: there is no folder {tmp_path / 'nowhere'}. Name a folder of runs, for example logs\n"


def test_an_interval_below_zero_is_refused(call, tmp_path):
    status, _, errors = call("run", written(tmp_path, small()), "--keep-embeddings", -1)
    assert status == 2
    assert "Invalid value for '--keep-embeddings'" in errors


def test_the_command_knows_what_there_is():
    assert cli_plot._PROJECTIONS == PROJECTIONS
    assert cli_plot._FORMATS == FORMATS
    words = cli_plot.plot.help.replace(",", " ").replace(";", " ").split()
    assert set(pictures()) <= set(words)
