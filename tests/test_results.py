import json
from pathlib import Path

import numpy as np
import pytest
import torch

from recombine.dataset_result import DatasetResult
from recombine.environment import PACKAGES
from recombine.identity import RESULTS_VERSION, config_hash
from recombine.keeper import Reused
from recombine.load import load_dict
from recombine.metrics import Scores
from recombine.results import Result, read_result, write_result
from tests.methods import small

SCORES = Scores(acc=2 / 3, nmi=0.5, ari=0.25)
RESULT = Result(
    "m",
    "m.json /a=1 /b=2",
    3,
    "finished",
    Path(),
    {},
    1.5,
    None,
    "i" * 64,
    2,
    "p" * 64,
    (Reused("few", "pretraining", 4.5),),
    ("/a=1", "/b=2"),
)


def result(folder, **changes):
    """Return the result with another folder and other changes."""
    return Result(**{**vars(RESULT), "folder": folder, **changes})


def test_the_result_file_says_everything(tmp_path):
    config = load_dict(small()).require()
    write_result(result(tmp_path), config, {"few": {"num_samples": 3}})
    content = json.loads((tmp_path / "result.json").read_text())
    packages = content.pop("packages")
    assert set(packages) == set(PACKAGES)
    assert packages["torch"] == torch.__version__
    assert content == {
        "method": "m",
        "source": "m.json /a=1 /b=2",
        "overrides": ["/a=1", "/b=2"],
        "status": "finished",
        "error": None,
        "seed": 3,
        "seconds": 1.5,
        "identity": "i" * 64,
        "config_hash": config_hash(config.resolved),
        "results_version": RESULTS_VERSION,
        "generation": 2,
        "parameters": "p" * 64,
        "reused": [{"dataset": "few", "phase": "pretraining", "seconds": 4.5}],
        "datasets": {"few": {"num_samples": 3}},
    }
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


def test_an_earlier_result_is_read_again(tmp_path):
    (tmp_path / "few").mkdir()
    table = tmp_path / "few" / "assignments.csv"
    table.write_text("index,cluster,confidence\n0,1,0.5\n1,0,1\n")
    found = np.array([1, 0]), np.array([0.5, 1], dtype=np.float32)
    few = DatasetResult("few", 2, 2, SCORES, *found, ("why",), table)
    none = DatasetResult("none", 3, 4, None, None, None, (), None)
    written = result(tmp_path, datasets={"few": few, "none": none})
    write_result(written, load_dict(small()).require(), {"few": few.summary(), "none": none.summary()})
    content = json.loads((tmp_path / "result.json").read_text())
    again = read_result(content, tmp_path, "now.json")
    assert list(again.datasets) == ["few", "none"]
    assert again.datasets["few"].clusters.tolist() == [1, 0]
    assert again.datasets["few"].confidence.tolist() == [0.5, 1]
    assert (again.datasets["few"].scores, again.datasets["few"].oracle) == (SCORES, ("why",))
    assert again.datasets["none"] == none
    assert again == result(tmp_path, source="now.json", datasets=again.datasets, is_earlier=True)


@pytest.mark.parametrize(
    ("status", "expected"), [("failed", "failed"), ("interrupted", "interrupted"), ("odd", "interrupted")]
)
def test_a_status_that_nobody_knows_is_that_of_an_interrupted_run(status, expected, tmp_path):
    write_result(result(tmp_path, status=status, error="e"), load_dict(small()).require(), {})
    content = json.loads((tmp_path / "result.json").read_text())
    again = read_result(content, tmp_path, "m.json")
    assert (again.status, again.error) == (expected, "e")
