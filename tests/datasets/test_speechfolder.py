import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from recombine.audio import LogMel
from recombine.data import BatchOptions, Data
from recombine.datasets.base import NotThereError, open_dataset
from recombine.datasets.speechfolder import SpeechFolder
from recombine.errors import DataError
from tests.datasets.speech import sweep, write_wav
from tests.test_mapped import is_mapped, needs_proc

SMALL = {"num_mel_bands": 20, "window": 32, "hop_frames": 8}


def _write(folder: Path, samples: dict[str, int], start: float = 200, rate: int = 16000) -> None:
    """Write files with so many samples each."""
    for position, (name, size) in enumerate(samples.items()):
        write_wav(folder / name, sweep(size, rate, start + 150 * position), rate)


def _timit(root: Path) -> None:
    """Write a folder in TIMIT's layout: 41 + 21 frames of MBJV0, 82 of FCJF0, 31 of FDAW0, 50 + 50 of MWAR0."""
    _write(root / "TRAIN" / "DR2" / "MBJV0", {"SX2.WAV": 3359, "SA1.wav": 6400})
    _write(root / "TRAIN" / "DR1" / "FCJF0", {"SA1.WAV": 13000}, 800)
    _write(root / "TRAIN" / "DR1" / "FDAW0", {"SA1.WAV": 4800}, 900)
    _write(root / "TEST" / "DR1" / "MWAR0", {"b.wav": 7840, "a.wav": 7999}, 1000)


def _long(*files: Path) -> np.ndarray:
    """Return the spectrogram of several files one behind the other."""
    return np.concatenate([LogMel(16000, 20).spectrogram(file).numpy() for file in files])


def test_the_layout_of_timit(tmp_path: Path) -> None:
    _timit(tmp_path)
    source = open_dataset("SpeechFolder", {"root": ".", "split": "TRAIN", **SMALL}, tmp_path)
    samples = source.decode()
    values = samples.tensor()
    mbjv = tmp_path / "TRAIN/DR2/MBJV0"
    long = [_long(tmp_path / "TRAIN/DR1/FCJF0/SA1.WAV"), _long(mbjv / "SA1.wav", mbjv / "SX2.WAV")]
    assert [len(one) for one in long] == [82, 62]
    expected = [one[start : start + 32] for one in long for start in range(0, len(one), 8) if start + 32 <= len(one)]
    np.testing.assert_array_equal(values.numpy(), np.stack(expected)[:, None])
    assert (len(source), source.sample_shape(), values.dtype) == (len(values), (1, 32, 20), torch.float32)
    assert samples.labels is not None
    assert (samples.labels.tolist(), samples.labels.dtype) == ([0] * 7 + [1] * 4, torch.int64)
    assert samples.class_names == ("FCJF0", "MBJV0")
    assert samples.kind == "tensor_image"


def test_without_a_split_all_speakers_are_there(tmp_path: Path) -> None:
    _timit(tmp_path)
    samples = SpeechFolder(tmp_path, **SMALL).decode()
    assert samples.class_names == ("FCJF0", "MBJV0", "MWAR0")
    assert samples.labels is not None
    assert samples.labels.bincount().tolist() == [7, 4, 9]
    assert SpeechFolder(tmp_path, num_mel_bands=20, window=31, hop_frames=8).decode().class_names == (
        "FCJF0",
        "FDAW0",
        "MBJV0",
        "MWAR0",
    )


@pytest.mark.parametrize("hop", [1, 5, 32, 100])
def test_windows_start_at_every_hop(tmp_path: Path, hop: int) -> None:
    _timit(tmp_path)
    source = SpeechFolder(tmp_path, num_mel_bands=20, window=32, hop_frames=hop)
    values = source.decode().tensor()
    whole = _long(tmp_path / "TRAIN/DR1/FCJF0/SA1.WAV")
    starts = range(0, 82 - 32 + 1, hop)
    assert len(values) == len(source) == sum(len(range(0, frames - 32 + 1, hop)) for frames in (82, 62, 100))
    for window, start in zip(values, starts, strict=False):
        np.testing.assert_array_equal(window[0].numpy(), whole[start : start + 32])


def test_the_defaults_are_those_that_were_published(tmp_path: Path) -> None:
    for name in ("a", "b"):
        _write(tmp_path / name, {"x.wav": 16000 + 127 * 160})
    source = SpeechFolder(tmp_path)
    values = source.decode().tensor()
    assert tuple(values.shape) == (2 * 7, 1, 128, 128) == (len(source), *source.sample_shape())
    whole = LogMel().spectrogram(tmp_path / "a/x.wav")
    assert torch.equal(values[:7, 0], whole.unfold(0, 128, 16).transpose(1, 2))


def test_a_speakers_files_may_have_unequal_rates(tmp_path: Path) -> None:
    _write(tmp_path / "a", {"1.wav": 4000}, rate=8000)
    _write(tmp_path / "a", {"2.wav": 8000})
    _write(tmp_path / "b", {"1.wav": 22050}, rate=44100)
    samples = SpeechFolder(tmp_path, **SMALL).decode()
    assert samples.labels is not None
    assert samples.labels.bincount().tolist() == [(51 + 51 - 32) // 8 + 1, (51 - 32) // 8 + 1]
    expected = _long(tmp_path / "a/1.wav", tmp_path / "a/2.wav")
    np.testing.assert_array_equal(samples.tensor()[8, 0].numpy(), expected[64:96])


def test_speakers_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for name in ("x/s", "y/s", "y/r"):
        _write(tmp_path / name, {"a.wav": 8000})
    assert SpeechFolder(tmp_path, **SMALL).decode().class_names == ("y/r", "x/s", "y/s")


def test_what_is_no_speech_and_what_is_there_twice_is_passed_over(tmp_path: Path) -> None:
    for name in ("a", "b"):
        _write(tmp_path / name, {"SA1.WAV.wav": 8000, "._SA1.wav": 8000})
        (tmp_path / name / "SA1.WAV").write_bytes(b"the original")
        (tmp_path / name / "SA1.TXT").write_text("She had your dark suit")
    (tmp_path / "empty").mkdir()
    assert len(SpeechFolder(tmp_path, **SMALL)) == 2 * ((51 - 32) // 8 + 1)


def test_folders_may_be_links(tmp_path: Path) -> None:
    for name in ("a", "b"):
        _write(tmp_path / "there" / name, {"x.wav": 8000})
    (tmp_path / "here").mkdir()
    for name in ("a", "b"):
        (tmp_path / "here" / name).symlink_to(tmp_path / "there" / name)
    assert SpeechFolder(tmp_path / "here", **SMALL).decode().class_names == ("a", "b")


@needs_proc
def test_windows_beyond_the_budget_stay_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _timit(tmp_path)
    kept = SpeechFolder(tmp_path, **SMALL).decode().tensor()
    monkeypatch.setenv("RECOMBINE_MEMORY_BUDGET", "0")
    mapped = SpeechFolder(tmp_path, **SMALL).decode().tensor()
    assert is_mapped(mapped)
    assert torch.equal(mapped, kept)


def test_batches_are_windows(tmp_path: Path) -> None:
    _timit(tmp_path)
    samples = SpeechFolder(tmp_path, **SMALL).decode()
    options = BatchOptions(batch_size=4, shuffle=True, drop_last=True, seed=0)
    views = {"plain": [{"type": "ToTensor"}], "half": [{"type": "CenterCrop", "size": [16, 20]}]}
    data = Data("d", samples, views, options, torch.device("cpu"))
    batch = data.training_batch("p", 1, views)
    assert torch.equal(batch.views["plain"], samples.tensor()[batch.index])
    assert torch.equal(batch.views["half"], samples.tensor()[batch.index][:, :, 8:24])


def test_too_few_speakers(tmp_path: Path) -> None:
    _timit(tmp_path)
    message = (
        r"TRAIN: 1 of 3 speakers \(folders with \.wav files\) have the 63 frames of 10 ms that a window takes, "
        'and at least 2 are needed: take a smaller "window", or add files'
    )
    with pytest.raises(DataError, match=message):
        len(SpeechFolder(tmp_path, "TRAIN", num_mel_bands=20, window=63))
    with pytest.raises(DataError, match="0 of 3 speakers"):
        SpeechFolder(tmp_path, "TRAIN", num_mel_bands=20, window=128).decode()
    with pytest.raises(DataError, match="1 of 1 speakers"):
        len(SpeechFolder(tmp_path, "TEST", **SMALL))


def test_opening_reads_no_file_and_counting_no_signal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _timit(tmp_path)
    monkeypatch.setattr(LogMel, "spectrogram", None)
    assert len(SpeechFolder(tmp_path, **SMALL)) == 20
    monkeypatch.setattr(LogMel, "num_frames", None)
    assert SpeechFolder(tmp_path, **SMALL).sample_shape() == (1, 32, 20)


@pytest.mark.parametrize("content", [b"", b"no wav", None])
def test_broken_files_are_named(tmp_path: Path, content: bytes | None) -> None:
    _timit(tmp_path)
    path = tmp_path / "TRAIN/DR1/FDAW0/SA1.WAV"
    path.write_bytes(path.read_bytes()[:500] if content is None else content)
    with pytest.raises(DataError, match=rf"{path} .*replace it by a plain wav file, or remove it"):
        len(SpeechFolder(tmp_path, **SMALL))


def test_absence(tmp_path: Path) -> None:
    _timit(tmp_path)
    with pytest.raises(NotThereError, match=f"{tmp_path}/nowhere: no such folder\n"):
        open_dataset("SpeechFolder", {"root": "nowhere"}, tmp_path)
    with pytest.raises(NotThereError, match=f'{tmp_path}: no folder "VALID"\n'):
        open_dataset("SpeechFolder", {"root": ".", "split": "VALID"}, tmp_path)
    shutil.rmtree(tmp_path / "TEST/DR1/MWAR0")
    with pytest.raises(NotThereError, match=r'no \.wav file in "TEST"\n'):
        open_dataset("SpeechFolder", {"root": ".", "split": "TEST"}, tmp_path)
    shutil.rmtree(tmp_path / "TRAIN")
    with pytest.raises(NotThereError, match=r'no \.wav file\n.*correct "root"'):
        open_dataset("SpeechFolder", {"root": "."}, tmp_path)


@pytest.mark.parametrize(
    ("argument", "value", "text"),
    [
        ("window", 0, "at least 1, not 0"),
        ("hop_frames", 1.5, "at least 1, not 1.5"),
        ("num_mel_bands", True, "at least 1, not True"),
        ("sample_rate", 16, "at least 1000, not 16"),
        ("sample_rate", "16 kHz", "at least 1000, not '16 kHz'"),
    ],
)
def test_arguments_out_of_range(tmp_path: Path, argument: str, value: object, text: str) -> None:
    _timit(tmp_path)
    with pytest.raises(DataError, match=f'"{argument}" is an integer of {text}'):
        open_dataset("SpeechFolder", {"root": ".", argument: value}, tmp_path)


def test_too_many_bands(tmp_path: Path) -> None:
    _timit(tmp_path)
    with pytest.raises(DataError, match="300 mel bands are too many"):
        SpeechFolder(tmp_path, num_mel_bands=300, window=32).decode()
