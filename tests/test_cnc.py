"""Clustering by normalised cuts (Nazi et al. 2019) from JSON alone."""

import json
from pathlib import Path

import pytest

import recombine

FOLDER = Path(__file__).resolve().parent.parent / "configurations" / "cnc"


def losses(result, name):
    """Return the reports of a loss of the cutting phase."""
    events = [json.loads(line) for line in (result.folder / "events.jsonl").read_text().splitlines()]
    found = [event for event in events if event["event"] == "losses" and event["phase"] == "cutting"]
    return [event["losses"][name] for event in found]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_two_triangles_are_cut_where_it_costs_least(tmp_path, seed):
    result = recombine.run(FOLDER / "two_triangles.json", device="cpu", log_dir=tmp_path, seed=seed)
    assert result.datasets["Graph"].scores.acc == 1
    assert losses(result, "normalized_cut.normalized_cut")[-1] == pytest.approx(2 / 7, abs=1e-5)


def test_digits_are_cut_along_what_a_siamese_network_learned(tmp_path):
    method = json.loads((FOLDER / "digits.json").read_text(encoding="utf-8"))
    for phase, iterations in zip(method["phases"], (300, 60, 400, 60), strict=True):
        phase["exit_criteria"] = {"iterations": iterations}
        phase["design_patterns"][0]["loss_report_interval"] = 50
        phase.pop("performance_evaluation_interval", None)
    result = recombine.run(method, device="cpu", log_dir=tmp_path)
    found = losses(result, "normalized_cut.normalized_cut")
    assert found[-1] < found[0] - 0.5
    assert result.datasets["Digits"].scores.nmi > 0.6


@pytest.mark.parametrize("name", ["digits_cut_of_dec_features", "digits_cut_in_hybrid"])
def test_recombinations_lower_the_cut(tmp_path, name):
    method = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    for phase in method["phases"]:
        phase["exit_criteria"] = {"iterations": 100}
        phase.pop("performance_evaluation_interval", None)
        for block in phase["design_patterns"]:
            block["loss_report_interval"] = 50
    result = recombine.run(method, device="cpu", log_dir=tmp_path)
    lines = [json.loads(line) for line in (result.folder / "events.jsonl").read_text().splitlines()]
    found = [
        line["losses"] for line in lines if line["event"] == "losses" and line["phase"] == method["phases"][-1]["name"]
    ]
    cuts = [[value for key, value in each.items() if key.endswith("normalized_cut")] for each in found]
    assert sum(cuts[-1]) < sum(cuts[0])
    assert result.datasets["Digits"].scores.nmi > 0.5
