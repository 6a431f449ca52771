import numpy as np
import pytest
import torch

from recombine.callbacks.embeddings import EmbeddingKeeper
from recombine.embedding import Embedding
from recombine.execute import RunOptions
from recombine.frames import Moment, moments, read_frame
from recombine.keeper import SavingOptions
from tests.recorder import Recording, Tracer
from tests.runs import config_of, made, method, same, train
from tests.stops import Stop, job_of, start

SAVING = SavingOptions(0, 0)
EVERY_TWO = RunOptions(SAVING, shares_phases=False, embedding_interval=2)
K_MEANS = {
    "type": "k_means_after_phase",
    "classical_clustering_in_feature_space_after_phase": "training",
    "classical_clustering_in_feature_space_after_phase_num_restarts": 1,
}


def _two_phases(**changes):
    described = method(**changes)
    more = {**described["phases"][0], "name": "more", "order": 1, "exit_criteria": {"iterations": 4}}
    described["phases"].append(more)
    return described


def _kept(folder, dataset="made"):
    return moments(folder / dataset / "embeddings")


def _files(folder):
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.glob("*/embeddings/*")}
    assert found
    return found


def test_the_ends_of_phases_are_always_kept(tmp_path):
    started = start(job_of(_two_phases(), tmp_path), tmp_path / "logs")
    assert _kept(started.folder) == [Moment(0, 5, True), Moment(1, 4, True)]
    frames = [read_frame(started.folder / "made" / "embeddings", moment) for moment in _kept(started.folder)]
    assert [frame.phase for frame in frames] == ["training", "more"]
    assert frames[1].clusters.tolist() == started.result.datasets["made"].clusters.tolist()
    assert not np.array_equal(frames[0].features, frames[1].features)


def test_with_an_interval_the_start_and_every_so_many_iterations_are_kept(tmp_path):
    started = start(job_of(_two_phases(), tmp_path), tmp_path / "logs", options=EVERY_TWO)
    training = [Moment(0, 0), Moment(0, 2), Moment(0, 4), Moment(0, 5, True)]
    assert _kept(started.folder) == [*training, Moment(1, 0), Moment(1, 2), Moment(1, 4, True)]
    folder = started.folder / "made" / "embeddings"
    end, start_of_next = read_frame(folder, Moment(0, 5, True)), read_frame(folder, Moment(1, 0))
    assert np.array_equal(end.features, start_of_next.features)


def test_the_end_of_a_phase_has_the_clusters_that_were_found_after_it(tmp_path):
    described = method(cluster_assignment_strategy=K_MEANS)
    started = start(job_of(described, tmp_path), tmp_path / "logs", options=EVERY_TWO)
    folder = started.folder / "made" / "embeddings"
    assert read_frame(folder, Moment(0, 4)).clusters is None
    clusters = read_frame(folder, Moment(0, 5, True)).clusters
    assert clusters.tolist() == started.result.datasets["made"].clusters.tolist()


def test_a_dataset_without_phases_is_kept_as_it_is_scored(tmp_path):
    described = method()
    first = described["datasets"][0]
    described["datasets"].append({**first, "name": "new", "order": 1, "reinitialize_mappings": False, "phases": []})
    started = start(job_of(described, tmp_path, {"new": made(12, 5)}), tmp_path / "logs")
    assert _kept(started.folder, "new") == [Moment(0, 0, True)]
    frame = read_frame(started.folder / "new" / "embeddings", Moment(0, 0, True))
    assert (frame.phase, frame.features.shape) == ("", (12, 2))
    assert frame.clusters.tolist() == started.result.datasets["new"].clusters.tolist()


@pytest.mark.parametrize("interval", [0, 1, 2])
def test_keeping_changes_no_bit(tmp_path, interval):
    described = _two_phases(dataset={"transforms": [{"type": "RandomHorizontalFlip"}]})
    keeper = EmbeddingKeeper(tmp_path, config_of(described), interval)
    assert same(train(described, [keeper]).bits(), train(described).bits())
    assert len(_kept(tmp_path)) == {0: 2, 1: 11, 2: 7}[interval]


def test_keeping_changes_no_bit_of_steps_that_are_repeated_from_a_recording(tmp_path):
    tracers = Tracer(), Tracer()
    described = _two_phases()
    keeper = EmbeddingKeeper(tmp_path, config_of(described), 1)
    watched = train(described, [keeper], engine=Recording(tracers[0])).bits()
    assert same(watched, train(described, engine=Recording(tracers[1])).bits())
    assert tracers[0].repeated == tracers[1].repeated > 0


@pytest.mark.parametrize("stopped", range(1, 10))
def test_the_files_after_a_stop_are_those_of_an_uninterrupted_run(tmp_path, stopped):
    whole = start(job_of(_two_phases(), tmp_path / "a"), tmp_path / "a" / "logs", options=EVERY_TWO)
    job = job_of(_two_phases(), tmp_path / "b")
    first = start(job, tmp_path / "b" / "logs", Stop(stopped), EVERY_TWO)
    assert first.result.status == "interrupted"
    last = start(job, tmp_path / "b" / "logs", options=EVERY_TWO)
    assert last.result.status == "finished"
    assert _files(last.folder) == _files(whole.folder)


def test_a_run_that_goes_on_removes_what_came_after_its_checkpoint(tmp_path):
    job = job_of(_two_phases(), tmp_path)
    stopped = start(job, tmp_path / "logs", Stop(3), EVERY_TWO)
    stale = stopped.folder / "made" / "embeddings" / "00_00000004.npz"
    stale.write_bytes(b"of another path")
    start(job, tmp_path / "logs")
    assert _kept(stopped.folder) == [Moment(0, 0), Moment(0, 2), Moment(0, 5, True), Moment(1, 4, True)]


def test_a_run_without_checkpoint_begins_without_files(tmp_path):
    config = config_of(method())
    keeper = EmbeddingKeeper(tmp_path, config)
    (tmp_path / "made" / "embeddings").mkdir(parents=True)
    (tmp_path / "made" / "embeddings" / "07_00000004.npz").touch()
    keeper.run_started(config, "cpu", tmp_path)
    assert _kept(tmp_path) == []


def test_a_phase_of_another_run_is_kept_as_well(tmp_path):
    options = RunOptions(SAVING)
    start(job_of(_two_phases(), tmp_path), tmp_path / "logs", options=options)
    changed = _two_phases()
    changed["phases"][1] = {**changed["phases"][1], "exit_criteria": {"iterations": 3}}
    second = start(job_of(changed, tmp_path), tmp_path / "logs", options=options)
    assert [reused.phase for reused in second.result.reused] == ["training"]
    alone = start(job_of(changed, tmp_path / "alone"), tmp_path / "alone" / "logs")
    assert alone.result.reused == ()
    assert _files(second.folder) == _files(alone.folder)


def test_with_an_interval_no_phase_is_taken_from_another_run(tmp_path):
    start(job_of(_two_phases(), tmp_path), tmp_path / "logs", options=RunOptions(SAVING))
    changed = _two_phases()
    changed["phases"][1] = {**changed["phases"][1], "exit_criteria": {"iterations": 3}}
    options = RunOptions(SAVING, embedding_interval=2)
    second = start(job_of(changed, tmp_path), tmp_path / "logs", options=options)
    assert second.result.reused == ()
    assert Moment(0, 2) in _kept(second.folder)


def test_what_is_no_number_is_not_kept(tmp_path, monkeypatch):
    nan = Embedding(torch.arange(2), torch.tensor([[0.0, float("nan")], [1.0, 2.0]]), None)
    monkeypatch.setattr("recombine.callbacks.base.embed", lambda method, data: nan)
    started = start(job_of(method(), tmp_path), tmp_path / "logs", options=EVERY_TWO)
    assert started.result.status == "finished"
    assert _kept(started.folder) == []
