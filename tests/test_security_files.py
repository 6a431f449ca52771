"""Attacks by files beside a method file: what it reads, where it writes, and links in its folders."""

import io
import os
import socket
import struct
import subprocess
import tarfile
import wave
import zipfile
import zlib

import numpy as np
import pytest
import torch
from PIL import EpsImagePlugin, Image

from recombine.datasets.base import open_dataset
from recombine.errors import DataError, ParameterFileError
from recombine.files import write_text
from recombine.load import load_file
from recombine.parameter_files import load_tensor
from recombine.places import Places
from tests.methods import SMALL, found_with_data, shown, small, written

SAVING = "/phases/0/save_mapping_parameters"
LOADING = "/phases/0/load_mapping_parameters"
ONE_DATASET = {"batch_size": 2, "num_clusters": 2}


@pytest.fixture(autouse=True)
def no_connection(monkeypatch):
    """Fail where a connection is made or a name is looked up."""
    made = []
    for owner, name in ((socket.socket, "connect"), (socket, "getaddrinfo")):
        monkeypatch.setattr(owner, name, lambda *args, name=name, **more: made.append((name, args)))
    yield
    assert made == []


def saving(path, keep=False):
    """Return a change of the small method that saves its encoder."""
    block = {"mapping_name": "encoder", "saving_interval": 1, "path_to_file_or_dir": path, "keep_old_files": keep}
    return {SAVING: [block]}


def loading(path):
    """Return a change of the small method that loads its encoder."""
    return {LOADING: [{"mapping_name": "encoder", "path_to_file": str(path)}]}


def dataset(name, **arguments):
    """Return a change of the small method to another dataset."""
    return {"/datasets/0": {**ONE_DATASET, "dataset": name, **arguments}}


# --- saving -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["../x.pth", ".bashrc", ".git/hooks/post-checkout", "a/.b/x.pth", "away/x.pth", "circle"]
)
def test_the_command_line_refuses_to_save_elsewhere_or_hidden(at_home, call, tmp_path, path):
    folder, beside = tmp_path / "method", tmp_path / "beside"
    folder.mkdir()
    beside.mkdir()
    (folder / "away").symlink_to(beside)
    (folder / "circle").symlink_to("circle")
    status, output, errors = call("run", written(folder, small(saving(path))), "--log-dir", tmp_path / "logs")
    assert status == 2
    assert f"error RC505 at {SAVING}/0/path_to_file_or_dir: " in errors
    assert "Traceback" not in output + errors
    assert list(beside.iterdir()) == []
    assert sorted(file.name for file in folder.iterdir()) == ["away", "circle", "method.json"]
    assert not (tmp_path / "x.pth").exists()


@pytest.mark.parametrize("name", ["notes.txt", "method.json"])
def test_files_that_hold_no_parameters_are_not_replaced(tmp_path, name):
    (tmp_path / "notes.txt").write_text("precious")
    (found,) = found_with_data(small(saving(name)), tmp_path)
    assert found.endswith(f'"{name}" cannot be written: a file is there that holds no parameters.')
    assert found_with_data(small(saving(name, keep=True)), tmp_path) == []
    torch.save(torch.zeros(1), tmp_path / "old.pth")
    assert found_with_data(small(saving("old.pth")), tmp_path) == []
    assert (tmp_path / "notes.txt").read_text() == "precious"


def test_a_folder_that_becomes_a_link_is_noticed_at_the_next_look(tmp_path):
    folder, beside = tmp_path / "method", tmp_path / "beside"
    (folder / "saved").mkdir(parents=True)
    beside.mkdir()
    places = Places(folder, ())
    path = places.to_write("saved/x.pth")
    (folder / "saved").rmdir()
    (folder / "saved").symlink_to(beside)
    with pytest.raises(ParameterFileError, match="lies outside the folder of the method file"):
        places.to_write(str(path))


def test_no_link_of_the_right_name_leads_writing_astray(tmp_path):
    canary = tmp_path / "canary"
    canary.write_text("alive")
    for name in (f".x.json.{os.getpid()}.part", "x.json"):
        (tmp_path / name).symlink_to(canary)
    write_text(tmp_path / "x.json", "new")
    assert canary.read_text() == "alive"
    assert not (tmp_path / "x.json").is_symlink()
    assert (tmp_path / "x.json").read_text() == "new"


@pytest.mark.parametrize("link", ["run.log", "events.jsonl", "checkpoints", "dangling"])
def test_a_run_does_not_go_on_in_a_folder_with_links(at_home, call, tmp_path, link):
    canary = tmp_path / "canary"
    canary.write_text("alive")
    path = written(tmp_path, SMALL)
    assert call("run", path)[0] == 0
    (run,) = [folder for folder in (tmp_path / "logs").iterdir() if (folder / "run.json").exists()]
    (run / "result.json").unlink()
    if (run / link).is_dir():
        (run / link).rename(tmp_path / "elsewhere")
    (run / link).unlink(missing_ok=True)
    (run / link).symlink_to(tmp_path / "gone" if link == "dangling" else canary)
    status, output, errors = call("run", path)
    assert status != 0
    assert f"{link} is a symbolic link, and a run writes to no place but its folder" in " ".join(
        (output + errors).split()
    )
    assert "Traceback" not in output + errors
    assert canary.read_text() == "alive"
    assert not (tmp_path / "gone").exists()


# --- parameters ---------------------------------------------------------------------------------------------------


def growing(path, size):
    """Write a file of parameters whose tensor is of ``size`` zeros, packed."""
    buffer = io.BytesIO()
    torch.save(torch.zeros(1000), buffer)
    with zipfile.ZipFile(buffer) as archive, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for entry in archive.infolist():
            content = archive.read(entry).replace(b"M\xe8\x03", b"J" + struct.pack("<i", size // 4))
            packed.writestr(entry.filename, bytes(size) if entry.filename.endswith("/data/0") else content)
    return path


def test_a_file_that_grows_when_it_is_opened_is_refused(at_home, call, tmp_path):
    path = growing(tmp_path / "bomb.pth", 2**24)
    assert path.stat().st_size < 2**16
    assert torch.load(path, weights_only=True).nbytes == 2**24
    status, output, errors = call("run", written(tmp_path, small(loading("bomb.pth"))))
    assert status == 2
    assert "error RC504" in errors
    assert "bomb.pth: refused: it is an archive that is larger unpacked than packed" in errors
    assert "Traceback" not in output + errors


def test_one_entry_under_many_names_is_refused(tmp_path):
    torch.save(torch.zeros(2**16), tmp_path / "x.pth")
    content = (tmp_path / "x.pth").read_bytes()
    with zipfile.ZipFile(tmp_path / "x.pth") as archive:
        large = max(archive.infolist(), key=lambda entry: entry.file_size)
        archive.filelist.extend([large] * 9)
        listing = io.BytesIO()
        archive.fp, archive.start_dir, archive._didModify, archive.mode = listing, 0, False, "w"
        archive._write_end_record()
        directory = listing.getvalue()
        archive.fp = None
    end = bytearray(directory)
    start = content.index(b"PK\x01\x02")
    struct.pack_into("<L", end, len(end) - 6, start)
    (tmp_path / "x.pth").write_bytes(content[:start] + bytes(end))
    with pytest.raises(ParameterFileError, match="larger unpacked than packed"):
        load_tensor(tmp_path / "x.pth")


@pytest.mark.parametrize(
    "tensor",
    [torch.eye(2).to_sparse(), torch.zeros(2, 2, device="meta"), torch.zeros(2, 2, dtype=torch.complex64)],
    ids=["sparse", "without numbers", "complex"],
)
def test_tensors_that_are_no_block_of_numbers_are_refused(tmp_path, tensor):
    torch.save(tensor, tmp_path / "x.pth")
    with pytest.raises(ParameterFileError, match="is no plain block of real numbers"):
        load_tensor(tmp_path / "x.pth")
    torch.save({"layers.1.weight": tensor}, tmp_path / "x.pth")
    (found,) = found_with_data(small(loading("x.pth")), tmp_path)
    assert found.startswith(f"error RC504 at {LOADING}/0/path_to_file: ")
    assert '"layers.1.weight" is no plain block of real numbers' in found


@pytest.mark.parametrize("path", ["pipe", "/dev/zero"])
def test_devices_and_pipes_are_not_read(tmp_path, path):
    os.mkfifo(tmp_path / "pipe")
    (found,) = found_with_data(small(loading(path)), tmp_path)
    assert found.endswith("cannot be read: it is a device or a pipe, not a file.")
    chosen = {"path_to_file": path, "index": 0}
    mapping = {"name": "encoder", "type": "feature_extractor", "architecture": chosen}
    problems = [shown(problem) for problem in load_file(written(tmp_path, small({"/mappings/0": mapping}))).problems]
    assert any("cannot be used: it is a device or a pipe, not a file" in text for text in problems), problems


# --- datasets -----------------------------------------------------------------------------------------------------


def test_an_archive_that_leaves_its_folder_is_refused(tmp_path):
    """torchvision takes an archive that lies there already for what it would have fetched, where it knows no digest."""
    root = tmp_path / "data"
    root.mkdir()
    with tarfile.open(root / "fgvc-aircraft-2013b.tar.gz", "w:gz") as archive:
        entry = tarfile.TarInfo("../escaped")
        entry.size = 5
        archive.addfile(entry, io.BytesIO(b"owned"))
    with pytest.raises(DataError, match="outside the destination"):
        open_dataset("FGVCAircraft", {"root": "data", "download": True}, tmp_path)
    assert not (tmp_path / "escaped").exists()


def test_a_picture_that_is_a_program_is_not_run(tmp_path, monkeypatch):
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", "gs")
    monkeypatch.setattr(subprocess, "check_call", lambda *args, **more: pytest.fail("it was run"))
    picture = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n%%EndComments\n(x) print showpage\n%%EOF\n"
    (tmp_path / "images" / "a").mkdir(parents=True)
    for number in range(2):
        (tmp_path / "images" / "a" / f"{number}.png").write_bytes(picture)
    (found,) = found_with_data(small(dataset("ImageFolder", root="images")), tmp_path)
    assert found.startswith("error RC501 at /datasets/0: ")
    assert "sample 0 cannot be read" in found
    assert EpsImagePlugin.gs_binary == "gs"


def chunk(kind, content):
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def test_a_picture_that_would_fill_the_memory_is_refused(tmp_path):
    header = struct.pack(">IIBBBBB", 40000, 40000, 8, 0, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    (tmp_path / "images" / "a").mkdir(parents=True)
    for number in range(2):
        (tmp_path / "images" / "a" / f"{number}.png").write_bytes(b"\x89PNG\r\n\x1a\n" + parts)
    (found,) = found_with_data(small(dataset("ImageFolder", root="images")), tmp_path)
    assert found.startswith("error RC501 at /datasets/0: ")
    assert "1600000000 pixels" in found


def test_folders_with_names_for_terminals_are_shown_with_escapes(at_home, call, tmp_path):
    folder = tmp_path / "images" / "\x1b]0;owned\x07"
    folder.mkdir(parents=True)
    (folder / "0.png").write_bytes(b"no picture")
    Image.new("L", (8, 8)).save(folder / "1.png")
    status, output, errors = call("run", written(tmp_path, small(dataset("ImageFolder", root="images"))))
    assert status == 2
    assert "error RC501" in errors
    assert "\x1b" not in output + errors
    assert "\\x1b]0;owned\\x07" in errors


@pytest.mark.parametrize("name", ["Caltech101", "Caltech256", "INaturalist"])
def test_looking_for_a_dataset_makes_no_folder(tmp_path, name):
    with pytest.raises(DataError, match="was not found complete"):
        open_dataset(name, {"root": "../elsewhere"}, tmp_path / "method")
    (tmp_path / "data").mkdir()
    with pytest.raises(DataError, match="was not found complete"):
        open_dataset(name, {"root": "data"}, tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == ["data"]


def test_tables_that_grow_when_they_are_opened_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("RECOMBINE_MEMORY_BUDGET", "1000000")
    np.savez_compressed(tmp_path / "x.npz", x=np.zeros((2**16, 8), np.float32))
    assert (tmp_path / "x.npz").stat().st_size < 10_000
    (found,) = found_with_data(small(dataset("Table", root="x.npz")), tmp_path)
    assert found.startswith("error RC501 at /datasets/0: ")
    assert "x.npz takes 2.0 MiB unpacked, and a dataset may take 1.0 MiB in memory" in found


def header(shape, kind="<f4"):
    """Return the header of a .npy file."""
    text = repr({"descr": kind, "fortran_order": False, "shape": shape}).ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


@pytest.mark.parametrize(
    ("name", "content"),
    [("x.npz", header((10**13, 10))), ("x.npy", header((10**13, 10))), ("x.npy", header((2,), "|O"))],
)
@pytest.mark.parametrize("kind", ["Table", "Images"])
def test_arrays_that_lie_about_their_size_or_hold_objects_are_refused(tmp_path, kind, name, content):
    if name == "x.npz":
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("x.npy", content)
    else:
        (tmp_path / name).write_bytes(content)
    (found,) = found_with_data(small(dataset(kind, root=name)), tmp_path)
    assert found.startswith("error RC501 at /datasets/0: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sample_rate": 10**12}, '"sample_rate" is an integer of at most 200000'),
        ({"num_mel_bands": 10**9}, '"num_mel_bands" is an integer of at most 1000'),
        ({"split": "../../../../.."}, ""),
    ],
)
def test_speech_has_bounds_and_ends_in_circles(tmp_path, arguments, message):
    for speaker in "ab":
        (tmp_path / "speech" / speaker).mkdir(parents=True)
        for number in range(6):
            (tmp_path / "speech" / speaker / f"up {number}").symlink_to("..")
        with wave.open(str(tmp_path / "speech" / speaker / "x.wav"), "w") as file:
            file.setparams((1, 2, 16000, 0, "NONE", ""))
            file.writeframes(bytes(64000))
    if "split" in arguments:
        source = open_dataset("SpeechFolder", {"root": "speech"}, tmp_path)
        assert len(source._found) == 2
        return
    (found,) = found_with_data(small(dataset("SpeechFolder", root="speech", **arguments)), tmp_path)
    assert message in found


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (
            dataset("Table", root="~no such user/x.csv"),
            "starts in the folder of a user whom this machine does not know",
        ),
        (dataset("Table", root="x.csv", delimiter=",,"), '"delimiter" is one character, not ",,"'),
        (dataset("MNIST", root="https://127.0.0.1:9/x"), "was not found complete"),
        (dataset("ImageFolder", root="circle"), "was not found complete"),
    ],
)
def test_paths_and_characters_that_lead_nowhere(tmp_path, block, message):
    (tmp_path / "x.csv").write_text("1,2\n3,4\n")
    (tmp_path / "circle").symlink_to("circle")
    (found,) = found_with_data(small(block), tmp_path)
    assert found.startswith("error RC501 at /datasets/0: ")
    assert message in found
