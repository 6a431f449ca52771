"""Clustering with Deep Learning (Aljalbout et al. 2018) from JSON alone: what either loss makes of features."""

import json
from pathlib import Path

import pytest

import recombine

FOLDER = Path(__file__).resolve().parent.parent / "configurations" / "dcjc"
EPOCHS = {"pretraining": 15, "clustering": 8}


def run(name, folder):
    """Run a configuration for fewer epochs; return its events."""
    method = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    for phase in method["phases"]:
        phase["exit_criteria"] = phase["performance_evaluation_interval"] = {"epochs": EPOCHS[phase["name"]]}
        for block in phase["design_patterns"]:
            block["loss_report_interval"] = 35  # an epoch
    (folder / name).write_text(json.dumps(method), encoding="utf-8")
    result = recombine.run(folder / name, device="cpu", log_dir=folder / "logs")
    return [json.loads(line) for line in (result.folder / "events.jsonl").read_text().splitlines()]


def scores(events):
    """Return the scores at the end of pretraining, at the end of clustering, and the final ones."""
    found = [event for event in events if event["event"] == "evaluation"]
    assert [event["phase"] for event in found] == ["pretraining", "clustering"]
    (final,) = (event["scores"] for event in events if event["event"] == "dataset_scored")
    return found[0]["scores"], found[1]["scores"], final


def losses(events, name):
    """Return the reports of a loss during clustering."""
    found = [event for event in events if event["event"] == "losses" and event["phase"] == "clustering"]
    return [event["losses"][name] for event in found]


def test_the_divergence_to_the_target_separates_clusters(tmp_path):
    pretrained, clustered, final = scores(run("digits_kl.json", tmp_path))
    assert clustered == final
    assert final["nmi"] > pretrained["nmi"] + 0.04
    assert final["nmi"] > 0.7


def test_the_k_means_loss_draws_samples_to_their_centroids(tmp_path):
    events = run("digits_k_means.json", tmp_path)
    pretrained, clustered, final = scores(events)
    assert clustered == final
    assert final["nmi"] == pytest.approx(pretrained["nmi"], abs=0.05)
    assert final["nmi"] > 0.6
    distances = losses(events, "reinforcement")
    assert len(distances) == EPOCHS["clustering"]
    assert distances[-1] < 0.9 * distances[0]
