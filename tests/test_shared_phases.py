import copy
import errno
import json
import os
from dataclasses import replace

import pytest
import torch

from recombine import checkpoint, shared_phases
from recombine.datasets.base import Samples
from recombine.execute import RunOptions
from recombine.keeper import SavingOptions
from recombine.shared_phases import SharedPhases, phase_keys
from recombine.state import Place
from tests.runs import config_of, made, method
from tests.stops import ALONE, Killed, Stop, carried_on, content_of, events_of, job_of, left_behind, start

SHARING = RunOptions(SavingOptions(0, 0))
FRESH = replace(SHARING, is_fresh=True)
SAVING = {"saving_interval": 4, "path_to_file_or_dir": "saved/", "keep_old_files": False}
FLIP = {"type": "RandomHorizontalFlip"}
PRETRAINING, FINETUNING = ["pretraining"] * 6, ["training"] * 4


def described(rate=0.01, **changes):
    """Return a method of two phases; ``rate`` is that of the second."""
    trained = {"trained_mapping_names": ["encoder", "decoder"]}
    phase = {
        "exit_criteria": {"iterations": 4},
        "performance_evaluation_interval": 2,
        "optimizers": [{"type": "Adam", "lr": rate, **trained, "optimizes_centroids": True}],
        "save_centroids": [SAVING],
    }
    found = method(phase=phase, dataset={"transforms": [FLIP]})
    found["mappings"][0]["layers"].insert(2, {"type": "Dropout", "p": 0.2})
    found["phases"][0]["order"] = 1
    found["phases"][0]["design_patterns"].append(
        {"pattern": "target_distribution", "target_distribution_recalculation_interval": 3}
    )
    first = {
        "name": "pretraining",
        "order": 0,
        "exit_criteria": {"iterations": 6},
        "performance_evaluation_interval": 3,
        "design_patterns": copy.deepcopy(METHOD_PATTERNS),
        "optimizers": [{"type": "SGD", "lr": 0.01, "momentum": 0.9, **trained}],
        "save_mapping_parameters": [{"mapping_name": "encoder", **SAVING}],
    }
    found["phases"].append(first)
    return found | changes


METHOD_PATTERNS = [
    {"pattern": "reconstruction", "encoder_name": "encoder", "decoder_name": "decoder", "loss_report_interval": 2}
]


def ran(folder, description=None, options=SHARING, samples=None, inputs=None):
    """Run a method in ``folder``."""
    return start(job_of(description or described(), folder, samples, inputs), folder / "logs", options=options)


def shared_files(folder):
    """Return the shared phases."""
    return sorted((folder / "logs" / "shared").glob("*.pt"))


# --- the same bits, and less work ---------------------------------------------------------------------------------


def test_the_phase_is_trained_once_and_everything_is_the_same(tmp_path):
    first = ran(tmp_path / "sharing")
    assert first.done == [*PRETRAINING, *FINETUNING]
    for file in (tmp_path / "sharing" / "saved").iterdir():
        file.unlink()
    second = ran(tmp_path / "sharing", described(0.02))
    assert second.done == FINETUNING
    alone = ran(tmp_path / "alone", described(0.02), ALONE)
    assert alone.done == [*PRETRAINING, *FINETUNING]
    expected = left_behind(alone, tmp_path / "alone" / "saved")
    assert left_behind(second, tmp_path / "sharing" / "saved") == expected
    assert set(expected["files"]) == {
        "made/assignments.csv",
        "made/confusion.csv",
        "saved/tiny_made_encoder.pth",
        "saved/tiny_made_centroids.pth",
    }
    assert first.result.parameters == ran(tmp_path / "first", options=ALONE).result.parameters


def test_the_result_and_the_log_say_what_was_taken_over(tmp_path):
    ran(tmp_path)
    second = ran(tmp_path, described(0.02))
    (reused,) = content_of(second.folder)["reused"]
    assert (reused["dataset"], reused["phase"]) == ("made", "pretraining")
    assert 0 < reused["seconds"] < 60
    assert second.result.reused[0]._asdict() == reused
    assert (
        'Phase "pretraining" on dataset "made" is taken from a run that agrees up to its end; its training took '
        f"{reused['seconds']:.1f} s there"
    ) in second.lines
    assert content_of(ran(tmp_path, described(0.03), ALONE).folder)["reused"] == []


def test_a_sweep_trains_the_first_phase_once_per_seed(tmp_path):
    done = [ran(tmp_path, described(rate, seed=seed)).done for rate in (0.01, 0.02, 0.03) for seed in (0, 1)]
    assert sum(one.count("pretraining") for one in done) == 2 * len(PRETRAINING)
    assert all(one.count("training") == len(FINETUNING) for one in done)
    assert len(shared_files(tmp_path)) == 2


def test_a_reused_run_that_is_stopped_goes_on(tmp_path):
    ran(tmp_path)
    starts = carried_on(job_of(described(0.02), tmp_path), tmp_path / "logs", 1, options=SHARING)
    assert [phase for begun in starts for phase in begun.done] == FINETUNING
    alone = ran(tmp_path / "alone", described(0.02), ALONE)
    assert left_behind(starts[-1], tmp_path / "saved") == left_behind(alone, tmp_path / "alone" / "saved")
    assert [entry["phase"] for entry in content_of(starts[-1].folder)["reused"]] == ["pretraining"]


@pytest.mark.parametrize("stopped", [1, 4, 6])
def test_a_phase_left_by_a_run_that_was_stopped_within_it_is_whole(stopped, tmp_path):
    carried_on(job_of(described(), tmp_path), tmp_path / "logs", stopped, options=SHARING)
    second = ran(tmp_path, described(0.02))
    assert second.done == FINETUNING
    alone = ran(tmp_path / "alone", described(0.02), ALONE)
    assert left_behind(second, tmp_path / "saved") == left_behind(alone, tmp_path / "alone" / "saved")


def test_a_run_that_was_killed_takes_over_its_own_phases(tmp_path):
    job, killed = job_of(described(), tmp_path), Killed(tmp_path / "logs", tmp_path / "copies", ("iteration_done",))
    whole = start(job, tmp_path / "logs", options=SHARING, watchers=[killed])
    again = start(job, killed.copies[7], options=SHARING)
    assert again.done == FINETUNING
    assert left_behind(again, tmp_path / "saved") == left_behind(whole, tmp_path / "saved")


def test_later_phases_and_datasets_are_shared_as_well(tmp_path):
    def three(rate):
        found = described()
        found["datasets"].append({**found["datasets"][0], "name": "other", "order": 1, "reinitialize_mappings": False})
        found["phases"][0]["optimizers"][0]["lr"] = 0.01
        found["phases"].append({**found["phases"][0], "name": "last", "order": 2})
        found["datasets"][0]["phases"], found["datasets"][1]["phases"] = ["pretraining", "training"], ["last"]
        found["cluster_assignment_strategy"]["use_centroids_during_phases"] = ["training", "last"]
        found["phases"][2] |= {"save_centroids": [], "exit_criteria": {"iterations": rate}}
        return found

    samples = {"other": made(31, 5)}
    first, second = ran(tmp_path, three(3), samples=samples), ran(tmp_path, three(4), samples=samples)
    assert first.done == [*PRETRAINING, *FINETUNING, *["last"] * 3]
    assert second.done == ["last"] * 4
    assert [(entry.phase) for entry in second.result.reused] == ["pretraining", "training"]
    alone = ran(tmp_path / "alone", three(4), ALONE, samples)
    assert left_behind(second, tmp_path / "saved") == left_behind(alone, tmp_path / "alone" / "saved")


# --- what is not shared -------------------------------------------------------------------------------------------


def _changed(pointer, value):
    found = described()
    target = found
    *path, last = pointer.split("/")
    for part in path:
        target = target[int(part) if part.isdecimal() else part]
    target[last] = value
    return found


DIFFERENT = {
    "seed": {"description": described(seed=1)},
    "data": {"samples": {"made": made(seed=1)}},
    "labels": {"samples": {"made": Samples(made().values, made().labels.flip(0))}},
    "an option of the phase": {"description": _changed("phases/1/exit_criteria", {"iterations": 7})},
    "a rate": {
        "description": _changed(
            "phases/1/optimizers",
            [{"type": "SGD", "lr": 0.02, "momentum": 0.9, "trained_mapping_names": ["encoder", "decoder"]}],
        )
    },
    "a network": {
        "description": _changed(
            "mappings/1/layers", [{"type": "Linear", "in_features": 2, "out_features": 6, "bias": False}]
        )
    },
    "the strategy": {"description": _changed("cluster_assignment_strategy/similarity_measure", "gaussian")},
    "the batches": {"description": _changed("datasets/0/batch_size", 6)},
    "the evaluations": {"description": _changed("phases/1/performance_evaluation_interval", 2)},
    "a file": {"inputs": {"x.pth": "0" * 64}},
}


@pytest.mark.parametrize("what", DIFFERENT)
def test_what_differs_is_not_shared(what, tmp_path):
    ran(tmp_path)
    (before,) = shared_files(tmp_path)
    other = ran(tmp_path, **DIFFERENT[what])
    assert other.done.count("pretraining") >= len(PRETRAINING)
    assert content_of(other.folder)["reused"] == []
    assert len(shared_files(tmp_path)) == 2
    assert before in shared_files(tmp_path)


@pytest.mark.parametrize(
    "description",
    [
        described(name="another"),
        described(description="in other words"),
        _changed("phases/1/description", "said otherwise"),
        _changed("phases/0/order", 7),
        _changed("phases/0/exit_criteria", {"iterations": 5}),
    ],
)
def test_names_words_and_what_comes_later_do_not_matter(description, tmp_path):
    keys = [phase_keys(config_of(one), {"made": "d"}, {}) for one in (described(), description)]
    assert keys[0] == keys[1]
    assert list(keys[0]) == [(0, 1)]


def test_another_machine_shares_nothing(tmp_path, monkeypatch):
    ran(tmp_path)
    real = torch.get_num_threads()
    monkeypatch.setattr("recombine.execute.fingerprint", lambda device: {"threads": real + 1})
    assert ran(tmp_path, described(0.02)).done == [*PRETRAINING, *FINETUNING]
    assert ran(tmp_path, described(0.03)).done == FINETUNING


def test_another_version_of_the_results_shares_nothing(monkeypatch):
    before = phase_keys(config_of(described()), {"made": "d"}, {})
    monkeypatch.setattr(shared_phases, "RESULTS_VERSION", 99)
    after = phase_keys(config_of(described()), {"made": "d"}, {})
    assert before.keys() == after.keys()
    assert set(before.values()).isdisjoint(after.values())


def test_started_over_nothing_is_taken_and_all_is_left(tmp_path):
    ran(tmp_path)
    assert ran(tmp_path, described(0.02), FRESH).done == [*PRETRAINING, *FINETUNING]
    other = tmp_path / "other"
    assert ran(other, described(0.02), FRESH).done == [*PRETRAINING, *FINETUNING]
    assert ran(other, described(0.03)).done == FINETUNING


def test_switched_off_nothing_is_taken_and_nothing_is_left(tmp_path):
    ran(tmp_path)
    before = shared_files(tmp_path)
    assert ran(tmp_path, described(0.02, seed=0), ALONE).done == [*PRETRAINING, *FINETUNING]
    assert ran(tmp_path, described(0.02, seed=5), ALONE).done == [*PRETRAINING, *FINETUNING]
    assert shared_files(tmp_path) == before


def test_the_last_phase_is_left_for_nobody():
    def keys(*phases):
        found = described()
        found["datasets"] = [
            {**found["datasets"][0], "name": f"d{number}", "phases": list(names)} for number, names in enumerate(phases)
        ]
        return list(phase_keys(config_of(found), {"d0": 1, "d1": 2}, {}))

    assert keys(["pretraining", "training"]) == [(0, 1)]
    assert keys(["pretraining", "training"], ["training"]) == [(0, 1), (0, 2)]
    assert keys(["training"], []) == []
    assert keys([], ["pretraining", "training"]) == [(1, 1)]
    assert keys(["training"], ["pretraining"]) == [(0, 1)]


# --- damage -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["torn", "foreign", "of another format"])
def test_a_damaged_file_is_named_trained_again_and_replaced(damage, tmp_path):
    ran(tmp_path)
    (file,) = shared_files(tmp_path)
    if damage == "torn":
        file.write_bytes(file.read_bytes()[:-50])
        reason = "it is damaged: its bytes do not match the checksum in its name"
    elif damage == "foreign":
        file.unlink()
        file = checkpoint.write(file.parent, file.name.partition("_")[0], "somebody else", {})
        reason = "it belongs to another run"
    else:
        file.unlink()
        file = _of_another_format(file)
        reason = "it is no checkpoint of this version of recombine"
    second = ran(tmp_path, described(0.02))
    assert second.done == [*PRETRAINING, *FINETUNING]
    assert f"{file.name} is passed over: {reason}" in second.lines
    (found,) = shared_files(tmp_path)
    assert ran(tmp_path, described(0.03)).done == FINETUNING
    assert second.result.parameters == ran(tmp_path / "alone", described(0.02), ALONE).result.parameters
    assert found.name.partition("_")[0] == file.name.partition("_")[0]


def _of_another_format(file):
    key = file.name.partition("_")[0]
    before, checkpoint._FORMAT = checkpoint._FORMAT, 99
    try:
        return checkpoint.write(file.parent, key, key, {})
    finally:
        checkpoint._FORMAT = before


def test_a_full_disk_keeps_no_phase_and_harms_no_run(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shared_phases, "write", fail)
    started = ran(tmp_path)
    assert started.error is None
    assert started.lines.count("The phase cannot be kept for other runs: No space left on device") == 1


def test_what_is_found_is_what_was_kept(tmp_path):
    told = []
    phases = SharedPhases(tmp_path, {(0, 1): "a", (1, 2): "b"}, told.append)
    phases.keep(Place(phases_done=1), {"x": 1})
    phases.keep(Place(phases_done=2), {"x": 2})
    phases.keep(Place(1, True, 2), {"x": 3})
    assert phases.find(Place())["x"] == 1
    assert phases.find(Place(1, True, 1))["x"] == 3
    assert phases.find(Place(phases_done=1)) is None
    assert replace(phases, reads=False).find(Place()) is None
    assert replace(phases, keys={}).find(Place()) is None
    assert len(list(tmp_path.iterdir())) == 2
    assert told == []


def test_events_of_a_shared_phase_are_those_of_the_run_that_trained_it(tmp_path):
    first, second = ran(tmp_path), ran(tmp_path, described(0.02))
    lines = [json.loads(line) for line in (first.folder / "events.jsonl").read_text().splitlines()]
    shared = [event for event in lines if event.get("phase") == "pretraining"]
    assert len(shared) > 5
    taken = [json.loads(line) for line in (second.folder / "events.jsonl").read_text().splitlines()]
    assert [event for event in taken if event.get("phase") == "pretraining"] == shared
    assert [event["event"] for event in events_of(second.folder)] == [
        event["event"] for event in events_of(first.folder)
    ]


def test_a_stop_right_after_a_phase_leaves_it_for_others(tmp_path):
    first = start(job_of(described(), tmp_path), tmp_path / "logs", Stop(1, "phase_ended"), SHARING)
    assert first.result.status == "interrupted"
    assert ran(tmp_path, described(0.02)).done == FINETUNING
