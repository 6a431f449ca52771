import json
from pathlib import Path

import pytest
import torch

import recombine
from recombine import api
from recombine.errors import DivergedError, UsageError
from recombine.problems import InvalidMethodError
from tests.methods import DIVERGING, small, written

ENCODER = {"mapping_name": "encoder", "saving_interval": 1, "path_to_file_or_dir": "../e.pth", "keep_old_files": False}


def test_the_package_offers_run_and_its_result():
    assert recombine.run is api.run
    assert recombine.Result.__module__ == "recombine.results"
    with pytest.raises(AttributeError, match="has no attribute 'walk'"):
        _ = recombine.walk


def test_a_file_and_a_dict_give_the_same_result_and_show_nothing(tmp_path, capsys):
    path = written(tmp_path, small())
    results = [recombine.run(source, log_dir=tmp_path / "logs") for source in (path, str(path), small())]
    assert [result.source for result in results] == [str(path), str(path), "<dict>"]
    # Every call is a run of its own.
    assert [result.generation for result in results] == [1, 2, 3]
    assert len({result.folder for result in results}) == 3
    assert len({result.identity for result in results}) == len({result.parameters for result in results}) == 1
    assert capsys.readouterr() == ("", "")
    first, *others = (result.datasets["Digits"] for result in results)
    assert (first.num_samples, first.num_clusters, first.oracle) == (60, 4, ())
    assert 0 < first.scores.acc <= 1
    assert first.clusters.shape == first.confidence.shape == (60,)
    assert first.assignments_file.is_file()
    for other in others:
        assert (other.clusters == first.clusters).all()
        assert other.scores == first.scores
    assert results[0].status == "finished"
    assert results[0].error is None
    assert (results[0].folder / "run.log").read_text().splitlines()[-1].startswith("[")


def test_arguments_replace_what_the_file_says(tmp_path):
    result = recombine.run(
        small({"/device": "cuda:77"}),
        overrides={"/phases/[training]/exit_criteria/iterations": 1, "/name": "other"},
        seed=5,
        device="cpu",
        log_dir=str(tmp_path),
    )
    config = json.loads((result.folder / "config.json").read_text())
    assert (result.method, result.seed) == ("other", 5)
    assert (config["seed"], config["device"], config["phases"][0]["exit_criteria"]) == (5, "cpu", {"iterations": 1})
    assert result.overrides == ("/phases/[training]/exit_criteria/iterations=1", '/name="other"', '/device="cpu"')


def test_mistakes_are_raised_all_at_once_and_nothing_is_written(tmp_path):
    path = written(tmp_path, small({"/seed": -1, "/devise": "x"}))
    with pytest.raises(InvalidMethodError) as caught:
        recombine.run(path, log_dir=tmp_path / "logs")
    assert [problem.code for problem in caught.value.problems] == ["RC104", "RC101"]
    assert str(caught.value).startswith(f"{path}:")
    with pytest.raises(InvalidMethodError, match="RC502 at /datasets/0/num_clusters"):
        recombine.run(small({"/datasets/0/num_clusters": 61}), log_dir=tmp_path / "logs")
    with pytest.raises(InvalidMethodError, match="RC507 at /device"):
        recombine.run(small(), device="nowhere", log_dir=tmp_path / "logs")
    with pytest.raises(InvalidMethodError, match="RC001: the file cannot be read: No such file"):
        recombine.run(tmp_path / "no.json", log_dir=tmp_path / "logs")
    assert not (tmp_path / "logs").exists()


def test_arguments_that_cannot_be_followed_are_told(tmp_path):
    with pytest.raises(UsageError, match='"seed" leads nowhere: a pointer begins with "/"'):
        recombine.run(small(), overrides={"seed": 1}, log_dir=tmp_path)
    with pytest.raises(UsageError, match="the value for /seed cannot be written as JSON"):
        recombine.run(small(), overrides={"/seed": torch.tensor(1)}, log_dir=tmp_path)
    with pytest.raises(UsageError, match="the method cannot be written as JSON"):
        recombine.run({"name": Path()}, log_dir=tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="file cannot be written to: a part of its path is a file"):
        recombine.run(small(), log_dir=tmp_path / "file")


def test_a_failure_is_raised_and_its_result_written(tmp_path):
    with pytest.raises(DivergedError) as caught:
        recombine.run(small(DIVERGING), log_dir=tmp_path)
    (folder,) = tmp_path.glob("20*")
    content = json.loads((folder / "result.json").read_text())
    assert (content["status"], content["error"]) == ("failed", str(caught.value))


def test_further_folders_can_be_allowed(tmp_path):
    (tmp_path / "method").mkdir()
    path = written(tmp_path / "method", small({"/phases/0/save_mapping_parameters": [ENCODER]}))
    with pytest.raises(InvalidMethodError, match="lies outside the folder of the method file"):
        recombine.run(path, log_dir=tmp_path / "logs")
    recombine.run(path, log_dir=tmp_path / "logs", allow_write=[str(tmp_path)])
    assert torch.load(tmp_path / "e.pth", weights_only=True)["layers.1.bias"].shape == (8,)


def test_data_are_looked_for_where_the_caller_says(tmp_path):
    block = {"dataset": "COIL20", "root": "x", "batch_size": 2, "num_clusters": 2, "shuffle": True}
    with pytest.raises(InvalidMethodError) as caught:
        recombine.run(small({"/datasets/0": block}), data_root=tmp_path / "data", log_dir=tmp_path)
    assert f"  {tmp_path}/data/COIL20: " in str(caught.value)


def test_the_state_of_the_caller_s_random_numbers_is_left_alone(tmp_path):
    state = torch.random.get_rng_state()
    recombine.run(small(), log_dir=tmp_path)
    assert torch.equal(torch.random.get_rng_state(), state)
