import json
import tempfile
from pathlib import Path

import pytest
import torch

from recombine.callbacks.base import Callback
from recombine.callbacks.saving import ParameterSaver
from recombine.errors import DivergedError, ParameterFileError
from recombine.execute import RunOptions
from recombine.keeper import SavingOptions
from recombine.places import Places
from tests.runs import CLASSES, made, method, same, train
from tests.stops import Listener, job_of, start


def _saving(folder, interval=100, keep=False, **more):
    return {"saving_interval": interval, "path_to_file_or_dir": str(folder), "keep_old_files": keep, **more}


def _encoder(folder, **options):
    return {"save_mapping_parameters": [_saving(folder, mapping_name="encoder", **options)]}


def _run(tmp_path, phase, callbacks=(), description=None, samples=None):
    """Train in a folder of its own, whose files beside the log of saved files are none."""
    described = description or method()
    described["phases"][0] |= phase
    with tempfile.TemporaryDirectory() as folder:
        trained = train(described, [ParameterSaver(Places(tmp_path, ())), *callbacks], samples, Path(folder))
        assert [path.name for path in Path(folder).iterdir()] in ([], ["saved.json"])
    return trained


def _names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_gets_a_file_named_after_method_dataset_and_mapping(tmp_path):
    trained = _run(tmp_path, _encoder(f"{tmp_path}/new/") | {"save_centroids": _saving(tmp_path)})
    assert _names(tmp_path / "new") == ["tiny_made_encoder.pth"]
    assert _names(tmp_path) == ["new", "tiny_made_centroids.pth"]
    saved = torch.load(tmp_path / "new" / "tiny_made_encoder.pth", weights_only=True)
    assert same(saved, trained.method.mappings["encoder"].state_dict())
    centroids = torch.load(tmp_path / "tiny_made_centroids.pth", weights_only=True)
    assert centroids.shape == (CLASSES, 2)
    assert torch.equal(centroids, trained.method.centroids.positions)
    assert not centroids.requires_grad


def test_names_are_made_safe(tmp_path):
    described = method(name="../a b", dataset={"name": "x/y"})
    _run(tmp_path, _encoder(f"{tmp_path}/"), description=described, samples={"x/y": made()})
    assert _names(tmp_path) == ["a_b_x_y_encoder.pth"]


def test_a_file_is_written_as_named(tmp_path):
    _run(tmp_path, _encoder(tmp_path / "mine.pt"))
    assert _names(tmp_path) == ["mine.pt"]


def test_saves_at_every_interval_and_at_the_end(tmp_path, monkeypatch):
    saved = []
    monkeypatch.setattr("recombine.callbacks.saving.save_tensors", lambda tensors, path: saved.append(tensors))
    states = []

    class Listener(Callback):
        def iteration_done(self, phase, state, losses):
            states.append({k: v.clone() for k, v in state.method.mappings["encoder"].state_dict().items()})

    _run(tmp_path, _encoder(tmp_path / "f.pth", interval=2), [Listener()])
    assert [same(found, states[at]) for found, at in zip(saved, (1, 3, 4), strict=True)] == [True] * 3
    saved.clear()
    _run(tmp_path, _encoder(tmp_path / "f.pth", interval=5))
    assert len(saved) == 1


def test_old_files_are_kept_by_number_one_file_per_run(tmp_path):
    def content(name):
        return torch.load(tmp_path / name, weights_only=True)

    runs = [
        _run(tmp_path, _encoder(tmp_path / "e.pth", interval=2, keep=True), description=method(seed=s))
        for s in range(3)
    ]
    assert _names(tmp_path) == ["e.pth", "e_1.pth", "e_2.pth"]
    for name, trained in zip(["e.pth", "e_1.pth", "e_2.pth"], runs, strict=True):
        assert same(content(name), trained.method.mappings["encoder"].state_dict())
    last = _run(tmp_path, _encoder(tmp_path / "e.pth", keep=False), description=method(seed=9))
    assert _names(tmp_path) == ["e.pth", "e_1.pth", "e_2.pth"]
    assert same(content("e.pth"), last.method.mappings["encoder"].state_dict())


def test_two_phases_of_a_run_write_the_same_file(tmp_path):
    (tmp_path / "e.pth").touch()
    described = method()
    described["phases"][0] |= _encoder(tmp_path / "e.pth", keep=True)
    described["phases"].append(described["phases"][0] | {"name": "more", "order": 1})
    trained = _run(tmp_path, {}, description=described)
    assert _names(tmp_path) == ["e.pth", "e_1.pth"]
    saved = torch.load(tmp_path / "e_1.pth", weights_only=True)
    assert same(saved, trained.method.mappings["encoder"].state_dict())


def test_each_dataset_has_its_file(tmp_path):
    described = method()
    described["datasets"].append(described["datasets"][0] | {"name": "other"})
    _run(tmp_path, _encoder(f"{tmp_path}/"), description=described)
    assert _names(tmp_path) == ["tiny_made_encoder.pth", "tiny_other_encoder.pth"]


def test_loading_gives_the_same_bits(tmp_path):
    phase = {
        "save_mapping_parameters": [_saving(tmp_path, mapping_name=name) for name in ("encoder", "decoder")],
        "save_centroids": _saving(tmp_path),
    }
    trained = _run(tmp_path, phase)
    loading = [
        {"mapping_name": name, "path_to_file": f"{tmp_path}/tiny_made_{name}.pth"} for name in ("encoder", "decoder")
    ]
    described = method(seed=5, phase={"load_mapping_parameters": loading, "design_patterns": [], "optimizers": []})
    described["cluster_assignment_strategy"] |= {
        "centroid_initialization_strategy": "load_from_file",
        "centroid_file_path": f"{tmp_path}/tiny_made_centroids.pth",
    }
    assert same(train(described).bits(), trained.bits())


def test_centroids_that_are_not_placed_yet_are_not_saved(tmp_path):
    described = method()
    early = described["phases"][0] | {"name": "early", "order": -1, "save_centroids": _saving(tmp_path / "early.pth")}
    described["phases"].append(early)
    _run(tmp_path, {"save_centroids": _saving(tmp_path / "late.pth")}, description=described)
    assert _names(tmp_path) == ["late.pth"]


def test_nothing_is_saved_once_a_loss_is_no_number(tmp_path):
    optimizers = [{"type": "SGD", "lr": 1e30, "trained_mapping_names": ["encoder", "decoder"]}]
    phase = _encoder(tmp_path / "e.pth", interval=2) | {"optimizers": optimizers}
    with pytest.raises(DivergedError):
        _run(tmp_path, phase)
    assert _names(tmp_path) == []


def test_nothing_is_written_outside_the_allowed_folders(tmp_path):
    own, other = tmp_path / "own", tmp_path / "other"
    own.mkdir()
    with pytest.raises(ParameterFileError, match="lies outside the folder of the method file"):
        _run(own, _encoder(other / "e.pth"))
    assert not other.exists()


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ParameterFileError, match=r"file/e.pth: cannot be written"):
        _run(tmp_path, _encoder(tmp_path / "file" / "e.pth"))


# --- runs that go on ----------------------------------------------------------------------------------------------


class _Killed(BaseException):
    """Ends a run as kill -9 does: nobody is told."""


class _Kill(Listener):
    def __init__(self, after):
        self.after = after

    def heard(self, moment, *details):
        if moment == "iteration_done" and details[1].clock.iteration == self.after:
            raise _Killed


def _described(folder, seed=0, **options):
    return method(seed=seed, phase=_encoder(folder / "saved" / "e.pth", interval=2, **options))


@pytest.mark.parametrize("saving", [SavingOptions(0, 0), SavingOptions(0, 1), SavingOptions(0, 3)])
def test_a_run_that_was_killed_takes_its_own_files_for_its_own(saving, tmp_path):
    """With old files kept as well: else its first half would stay, under the name that it was asked for."""
    (tmp_path / "saved").mkdir()
    options = RunOptions(saving, shares_phases=False)
    for number, name in enumerate(("e.pth", "e_1.pth")):
        job = job_of(_described(tmp_path, number, keep=True), tmp_path)
        for after in (3, 4):
            with pytest.raises(_Killed):
                start(job, tmp_path / "logs", options=options, watchers=[_Kill(after)])
        last = start(job, tmp_path / "logs", options=options)
        assert json.loads((last.folder / "saved.json").read_text()) == {"files": [f"{tmp_path}/saved/{name}"]}
        assert _names(tmp_path / "saved") == ["e.pth", "e_1.pth"][: number + 1]
        saved = torch.load(tmp_path / "saved" / name, weights_only=True)
        whole = train(_described(tmp_path, number)).method.mappings["encoder"].state_dict()
        assert same(saved, whole)


def test_started_over_a_run_keeps_the_files_of_the_one_before(tmp_path):
    job, fresh = job_of(_described(tmp_path, keep=True), tmp_path), RunOptions(is_fresh=True)
    for count in (1, 2):
        start(job, tmp_path / "logs", options=fresh)
        assert len(_names(tmp_path / "saved")) == count


def test_a_phase_taken_from_another_run_saves_what_it_would_have(tmp_path):
    described = _described(tmp_path, keep=True)
    described["phases"].append({**method()["phases"][0], "name": "more", "order": 1})
    described["cluster_assignment_strategy"]["use_centroids_during_phases"] = ["more"]
    start(job_of(described, tmp_path), tmp_path / "logs", options=RunOptions())
    described["phases"][1]["exit_criteria"] = {"iterations": 3}
    second = start(job_of(described, tmp_path), tmp_path / "logs", options=RunOptions())
    assert second.done == ["more"] * 3
    assert _names(tmp_path / "saved") == ["e.pth", "e_1.pth"]
    first, again = ((tmp_path / "saved" / name).read_bytes() for name in ("e.pth", "e_1.pth"))
    assert first == again
