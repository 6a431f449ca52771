import errno
import os
import zipfile
from pathlib import Path

import pytest
import torch

from recombine import checkpoint
from recombine.checked_files import checksum
from recombine.checkpoint import CheckpointError, Checkpoints, read, write

CONTENT = {"numbers": torch.arange(5.0), "nested": {"a": [1, 2.5, None, "text", True], "b": (torch.tensor(7),)}}
DAMAGED = "it is damaged: its bytes do not match the checksum in its name"


def _saved(folder, count=2, identity="me"):
    checkpoints = Checkpoints(folder, identity)
    for number in range(1, count + 1):
        checkpoints.save({"number": number})
    return checkpoints


def _files(folder):
    return sorted(folder.iterdir())


def _renamed(file, data):
    """Write other bytes under the name that goes with them, as somebody would who means harm."""
    file.unlink()
    (file.parent / f"{file.name[:6]}_{checksum(data)}.pt").write_bytes(data)


def test_everything_comes_back(tmp_path):
    path = write(tmp_path / "new", "000001", "me", CONTENT)
    assert path.parent == tmp_path / "new"
    content = read(path, "me")
    assert torch.equal(content["numbers"], CONTENT["numbers"])
    assert content["nested"]["a"] == CONTENT["nested"]["a"]
    assert content["nested"]["b"][0] == 7
    assert _files(tmp_path / "new") == [path]


def test_the_same_content_has_the_same_name(tmp_path):
    names = {write(tmp_path / str(number), "000001", "me", CONTENT).name for number in range(3)}
    assert len(names) == 1
    assert write(tmp_path, "000001", "you", CONTENT).name not in names


def test_the_last_two_are_kept(tmp_path):
    checkpoints = _saved(tmp_path, 5)
    assert [file.name[:7] for file in _files(tmp_path)] == ["000004_", "000005_"]
    assert checkpoints.latest()["number"] == 5
    assert checkpoints.refused == []


def test_numbers_grow_beyond_six_digits(tmp_path):
    write(tmp_path, "999999", "me", {"number": 1})
    checkpoints = _saved(tmp_path, 2)
    assert checkpoints.latest()["number"] == 2
    assert [file.name.partition("_")[0] for file in _files(tmp_path)] == ["1000000", "1000001"]


def test_where_there_is_none_there_is_none(tmp_path):
    assert Checkpoints(tmp_path / "nowhere", "me").latest() is None


def test_only_the_last_is_kept_of_a_finished_run_and_nothing_else_removed(tmp_path):
    checkpoints = _saved(tmp_path, 3)
    newest = checkpoints.latest()
    (tmp_path / "mine.pt").write_text("")
    checkpoints.keep_last()
    assert len(_files(tmp_path)) == 2
    assert (tmp_path / "mine.pt").exists()
    assert checkpoints.latest() == newest


# --- what is passed over ------------------------------------------------------------------------------------------


def _torn(file):
    file.write_bytes(file.read_bytes()[:-100])


def _empty(file):
    file.write_bytes(b"")


def _flipped(file):
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def _foreign(file):
    number = file.name[:6]
    file.unlink()
    write(file.parent, number, "somebody else", {"number": 2})


def _of_another_format(file):
    number = file.name[:6]
    file.unlink()
    before, checkpoint._FORMAT = checkpoint._FORMAT, 99
    write(file.parent, number, "me", {"number": 2})
    checkpoint._FORMAT = before


def _no_dict(file):
    torch.save([1, 2], file)
    _renamed(file, file.read_bytes())


def _objects(file):
    torch.save({"format": 1, "identity": "me", "path": Path("x")}, file)
    _renamed(file, file.read_bytes())


def _text(file):
    _renamed(file, b"no checkpoint at all")


def _hollow(file):
    """An archive as torch writes it, but without what it is about."""
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data", b"")
    _renamed(file, file.read_bytes())


def _a_folder(file):
    file.unlink()
    file.mkdir()


SPOILS = [
    (_torn, DAMAGED),
    (_empty, DAMAGED),
    (_flipped, DAMAGED),
    (_foreign, "it belongs to another run"),
    (_of_another_format, "it is no checkpoint of this version of recombine"),
    (_no_dict, "it is no checkpoint of this version of recombine"),
    (_objects, "refused: it is no plain file of tensors"),
    (_text, "refused: it is no plain file of tensors"),
    (_hollow, "cannot be read as a file of tensors"),
    (_a_folder, "it cannot be read: Is a directory"),
]


@pytest.mark.parametrize(("spoil", "reason"), SPOILS)
def test_what_is_no_checkpoint_is_named_and_the_one_before_is_used(spoil, reason, tmp_path):
    _saved(tmp_path)
    spoil(_files(tmp_path)[-1])
    name = _files(tmp_path)[-1].name
    checkpoints = Checkpoints(tmp_path, "me")
    assert checkpoints.latest()["number"] == 1
    (refusal,) = checkpoints.refused
    assert refusal.startswith(f"{name} is passed over: ")
    assert reason in refusal


def test_a_file_that_may_not_be_read_is_passed_over(tmp_path, monkeypatch):
    _saved(tmp_path)
    first, last = _files(tmp_path)
    real = Path.read_bytes

    def read_bytes(path):
        if path == last:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    checkpoints = Checkpoints(tmp_path, "me")
    assert checkpoints.latest()["number"] == 1
    assert checkpoints.refused == [f"{last.name} is passed over: it cannot be read: Permission denied"]


def test_objects_are_not_built(tmp_path):
    class Dangerous:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "made"),))

    _saved(tmp_path, 1)
    (file,) = _files(tmp_path)
    torch.save({"format": 1, "identity": "me", "x": Dangerous()}, file)
    _renamed(file, file.read_bytes())
    assert Checkpoints(tmp_path, "me").latest() is None
    assert not (tmp_path / "made").exists()


def test_where_all_are_damaged_all_are_named(tmp_path):
    _saved(tmp_path)
    files = _files(tmp_path)
    for file in files:
        _flipped(file)
    checkpoints = Checkpoints(tmp_path, "me")
    assert checkpoints.latest() is None
    assert checkpoints.refused == [f"{file.name} is passed over: {DAMAGED}" for file in reversed(files)]


def test_what_was_passed_over_does_not_count_among_the_last_two(tmp_path):
    _saved(tmp_path, 3)
    _torn(_files(tmp_path)[-1])
    (tmp_path / ".000004_x.pt.123.part").write_text("what a killed process left")
    checkpoints = Checkpoints(tmp_path, "me")
    checkpoints.latest()
    checkpoints.save({"number": 4})
    assert [file.name[:7] for file in _files(tmp_path)] == ["000002_", "000004_"]
    _torn(_files(tmp_path)[-1])
    assert Checkpoints(tmp_path, "me").latest()["number"] == 2


def test_files_with_other_names_are_nothing(tmp_path):
    _saved(tmp_path, 1)
    for name in ("000009.pt", "9_" + "0" * 32 + ".pt", "000009_" + "g" * 32 + ".pt", "000009_" + "0" * 32 + ".pth"):
        (tmp_path / name).write_text("")
    checkpoints = Checkpoints(tmp_path, "me")
    assert checkpoints.latest()["number"] == 1
    assert checkpoints.refused == []


# --- disks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_a_full_disk_leaves_those_that_are_there(function, tmp_path, monkeypatch):
    checkpoints = _saved(tmp_path, 3)
    before = {file: file.read_bytes() for file in _files(tmp_path)}

    def fail(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, function, fail)
        with pytest.raises(OSError, match="No space left on device"):
            checkpoints.save({"number": 4})
    assert {file: file.read_bytes() for file in _files(tmp_path)} == before
    assert checkpoints.latest()["number"] == 3
    checkpoints.save({"number": 5})
    assert checkpoints.latest()["number"] == 5


def test_bytes_are_on_the_disk_before_they_have_the_name(tmp_path, monkeypatch):
    order, fsync, replace = [], os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda number: (order.append("fsync"), fsync(number)))
    monkeypatch.setattr(os, "replace", lambda *paths: (order.append("replace"), replace(*paths)))
    write(tmp_path, "000001", "me", CONTENT)
    assert order == ["fsync", "replace"]


def test_a_folder_that_cannot_be_made_is_an_error_of_the_disk(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="File exists|Not a directory"):
        Checkpoints(tmp_path / "file", "me").save({})
    with pytest.raises(CheckpointError, match="it cannot be read: No such file or directory"):
        read(tmp_path / "none.pt", "me")
