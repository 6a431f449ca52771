import json

from recombine.callbacks.result_collector import ResultCollector
from tests.runs import config_of, made, method, train
from tests.stops import job_of

DIGESTS = {"made": {"samples": "s", "labels": None}, "other": {"samples": "t", "labels": "l"}}


def _described():
    described = method()
    described["datasets"].append({**described["datasets"][0], "name": "other", "order": 1})
    return described


def _collector(folder):
    return ResultCollector(folder, config_of(_described()), DIGESTS)


def test_each_dataset_is_written_as_soon_as_it_is_scored(tmp_path):
    collector = _collector(tmp_path)
    assert (collector.datasets, collector.parameters, collector.summaries) == ({}, None, {})
    trained = train(_described(), [collector], {"other": made(31)})
    assert list(collector.datasets) == ["made", "other"]
    assert collector.parameters == trained.method.digest() == trained.scored[1].parameters
    assert trained.scored[0].parameters != collector.parameters
    assert collector.datasets["other"].clusters.tolist() == trained.scored[1].evaluation.clusters.tolist()
    assert len((tmp_path / "other" / "assignments.csv").read_text().splitlines()) == 32
    summaries = collector.summaries
    assert [summaries[name]["samples_digest"] for name in summaries] == ["s", "t"]
    assert [summaries[name]["labels_digest"] for name in summaries] == [None, "l"]
    assert summaries["made"]["num_samples"] == 23


def test_what_is_scored_survives_a_stop(tmp_path):
    collector, again = _collector(tmp_path), _collector(tmp_path)
    train(_described(), [collector])
    again.load_state_dict(json.loads(json.dumps(collector.state_dict())))
    assert again.summaries == collector.summaries
    assert again.parameters == collector.parameters
    assert (again.datasets["made"].clusters == collector.datasets["made"].clusters).all()


def test_digests_of_a_run_are_those_of_its_data(tmp_path):
    job = job_of(_described(), tmp_path, {"other": made(31)})
    collector = ResultCollector(tmp_path, job.config, job.data)
    train(_described(), [collector], {"other": made(31)})
    assert collector.summaries["other"]["samples_digest"] == made(31).digest
    assert collector.summaries["other"]["labels_digest"] == made(31).labels_digest
