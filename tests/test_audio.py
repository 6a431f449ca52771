import math
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from recombine.audio import LogMel
from recombine.errors import DataError
from tests.datasets.speech import sweep, write_wav

#: By librosa 0.11, of sweep(16123) in 16 bits: power_to_db(melspectrogram(...), top_db=80), then (dB + 80) / 95.
LIBROSA = {
    (0, 0): 0.8065306,
    (5, 7): 0.9428642,
    (50, 30): 0.4630293,
    (50, 31): 0.204939,
    (77, 98): 0.1449519,
    (100, 127): 0.3041812,
}
LIBROSA_MEAN = 0.2744261
#: By librosa 0.11, filters.mel(sr=16000, n_fft=512, n_mels=128), by band and point.
LIBROSA_FILTERS = {(0, 1): 0.028377542974, (40, 30): 0.004004734856, (80, 91): 0, (127, 254): 0.001741062811}


def slowly(signal: np.ndarray, rate: int, filters: np.ndarray) -> np.ndarray:
    """Return the spectrogram ``(F, M)`` of a signal, a frame and a band at a time."""
    hop, window = rate // 100, rate // 50
    points = next(2**power for power in range(20) if 2**power >= window)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    left = (points - window) // 2
    padded = np.concatenate([np.zeros(points // 2), signal, np.zeros(points // 2)])
    frames = []
    for start in range(0, len(padded) - points + 1, hop):
        powers = np.abs(np.fft.rfft(padded[start + left : start + left + window] * hann, points)) ** 2
        frames.append([sum(weight * power for weight, power in zip(band, powers, strict=True)) for band in filters])
    decibels = 10 * np.log10(np.maximum(frames, 1e-10))
    return (np.maximum(decibels, decibels.max() - 80) + 80) / 95


@pytest.mark.parametrize(("rate", "samples"), [(16000, 4999), (8000, 1600), (11025, 3000), (16000, 1)])
def test_spectrograms_are_what_a_slow_recomputation_gives(tmp_path: Path, rate: int, samples: int) -> None:
    log_mel = LogMel(rate, 20)
    signal = write_wav(tmp_path / "a.wav", sweep(samples, rate) + 0.1, rate)
    expected = slowly(signal, rate, log_mel.filters.numpy())
    found = log_mel.spectrogram(tmp_path / "a.wav")
    assert found.dtype == torch.float32
    assert len(found) == log_mel.num_frames(tmp_path / "a.wav") == 1 + samples // (rate // 100)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)


def test_spectrograms_are_those_of_librosa(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", sweep(16123))
    found = LogMel().spectrogram(tmp_path / "a.wav")
    assert tuple(found.shape) == (101, 128)
    assert {place: float(found[place]) for place in LIBROSA} == pytest.approx(LIBROSA, abs=1e-6)
    assert float(found.double().mean()) == pytest.approx(LIBROSA_MEAN, abs=1e-6)
    filters = LogMel().filters
    assert {place: float(filters[place]) for place in LIBROSA_FILTERS} == pytest.approx(LIBROSA_FILTERS, abs=1e-12)


@pytest.mark.parametrize(("rate", "samples", "bands"), [(16000, 16123, 128), (8000, 8000, 40), (22050, 9999, 80)])
def test_librosa_itself(tmp_path: Path, rate: int, samples: int, bands: int) -> None:
    librosa = pytest.importorskip("librosa")
    signal = write_wav(tmp_path / "a.wav", sweep(samples, rate), rate)
    log_mel = LogMel(rate, bands)
    powers = librosa.feature.melspectrogram(
        y=signal,
        sr=rate,
        n_fft=512 if rate > 8000 else 256,
        hop_length=rate // 100,
        win_length=rate // 50,
        n_mels=bands,
    )
    expected = (librosa.power_to_db(powers, ref=1.0, top_db=80) + 80) / 95
    np.testing.assert_allclose(log_mel.spectrogram(tmp_path / "a.wav").numpy(), expected.T, atol=1e-6)


def test_what_is_far_below_the_maximum_is_raised(tmp_path: Path) -> None:
    write_wav(tmp_path / "loud.wav", np.concatenate([sweep(8000), np.zeros(8000)]))
    loud = LogMel().spectrogram(tmp_path / "loud.wav")
    assert float(loud.min()) == pytest.approx(float(loud.max()) - 80 / 95)
    write_wav(tmp_path / "silence.wav", np.zeros(800))
    assert LogMel().spectrogram(tmp_path / "silence.wav").unique().tolist() == pytest.approx([-20 / 95])


def test_several_channels_become_their_mean(tmp_path: Path) -> None:
    first, second = sweep(3200), 0.5 * sweep(3200, start=700)
    stereo = write_wav(tmp_path / "stereo.wav", np.stack([first, second], axis=1))
    soundfile.write(tmp_path / "mono.wav", stereo.mean(axis=1), 16000, subtype="DOUBLE")
    found, expected = (LogMel().spectrogram(tmp_path / name) for name in ("stereo.wav", "mono.wav"))
    assert torch.equal(found, expected)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000])
def test_other_rates_are_resampled(tmp_path: Path, rate: int) -> None:
    write_wav(tmp_path / "other.wav", sweep(rate, rate), rate)
    write_wav(tmp_path / "same.wav", sweep(16000))
    found, expected = (LogMel(num_bands=40).spectrogram(tmp_path / name) for name in ("other.wav", "same.wav"))
    assert len(found) == LogMel().num_frames(tmp_path / "other.wav") == 101
    # The loudest band of each frame is the same; the file's ends and what lies above the old rate's half differ.
    assert torch.equal(found[5:-5].argmax(1), expected[5:-5].argmax(1))
    assert (found[5:-5].amax(1) - expected[5:-5].amax(1)).abs().max() < 0.005


@pytest.mark.parametrize("samples", [1, 159, 160, 161, 999, 1000, 12345])
@pytest.mark.parametrize("rate", [8000, 11025, 44100])
def test_headers_tell_the_number_of_frames(tmp_path: Path, samples: int, rate: int) -> None:
    write_wav(tmp_path / "a.wav", sweep(samples, rate), rate)
    frames = len(LogMel(num_bands=4).spectrogram(tmp_path / "a.wav"))
    assert frames == LogMel().num_frames(tmp_path / "a.wav") == 1 + math.ceil(samples * 16000 / rate) // 160


def test_sphere(tmp_path: Path) -> None:
    signal = write_wav(tmp_path / "riff.wav", sweep(4000))
    soundfile.write(tmp_path / "SA1.WAV", signal, 16000, format="NIST", subtype="PCM_16")
    content = (tmp_path / "SA1.WAV").read_bytes()
    assert content.startswith(b"NIST_1A")
    found, expected = (LogMel().spectrogram(tmp_path / name) for name in ("SA1.WAV", "riff.wav"))
    assert torch.equal(found, expected)
    (tmp_path / "SA1.WAV").write_bytes(content[:-100])
    _refused(tmp_path / "SA1.WAV", "is cut off: it announces 9024 bytes and has 8924; replace it")


@pytest.mark.parametrize("format_", ["WAV", "WAVEX", "RF64"])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_24", "PCM_32", "FLOAT", "ULAW"])
def test_other_kinds_of_wav(tmp_path: Path, format_: str, subtype: str) -> None:
    soundfile.write(tmp_path / "a.wav", sweep(1600), 16000, format=format_, subtype=subtype)
    assert tuple(LogMel().spectrogram(tmp_path / "a.wav").shape) == (11, 128)


def _refused(path: Path, message: str) -> None:
    """Both the header's reader and the signal's say so, with the file's name."""
    for read in (LogMel().num_frames, LogMel().spectrogram):
        with pytest.raises(DataError, match=message) as caught:
            read(path)
        assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read as a wav file: Format not recognised; replace it by a plain wav file, or remove it"),
        (b"no wav" * 100, "cannot be read as a wav file"),
        (b"RIFF", "cannot be read as a wav file"),
        (b"NIST_1A\n   1024\n", "cannot be read as a wav file"),
        (
            b"NIST_1A\n   1024\nchannel_count -i 1\nsample_count -i 4000\nsample_n_bytes -i 2\n"
            b"sample_coding -s26 pcm,embedded-shorten-v2.00\nend_head\n".ljust(1024)
            + b"ajkg",
            "(unknown coding|unimplemented format); replace it by a plain wav file",
        ),
    ],
)
def test_what_is_no_wav(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.wav").write_bytes(content)
    _refused(tmp_path / "a.wav", message)


def test_broken_files(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    write_wav(path, sweep(0))
    _refused(path, "holds no samples; replace it by a plain wav file, or remove it from the folder")
    write_wav(path, sweep(1000))
    content = path.read_bytes()
    for length in (len(content) - 1, len(content) // 2, 44):
        path.write_bytes(content[:length])
        _refused(path, f"is cut off: it announces 2044 bytes and has {length}; replace it")
    _refused(tmp_path / "absent.wav", "absent.wav cannot be read")
    soundfile.write(path, np.array([0.1, np.nan, 0.1]), 16000, subtype="FLOAT")
    with pytest.raises(DataError, match=r"a\.wav holds a sample that is not finite"):
        LogMel().spectrogram(path)


def test_a_length_that_was_unknown_is_that_of_the_file(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", sweep(1000))
    expected = LogMel().spectrogram(tmp_path / "a.wav")
    content = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "a.wav").write_bytes(content[:40] + b"\xff" * 4 + content[44:])
    assert torch.equal(LogMel().spectrogram(tmp_path / "a.wav"), expected)


def test_too_many_bands() -> None:
    with pytest.raises(DataError, match="400 mel bands are too many for 16000 samples a second"):
        _ = LogMel(16000, 400).filters


def test_without_the_library_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(
        DataError, match=r"^speech is read by soundfile, which is not installed: pip install soundfile$"
    ):
        LogMel().num_frames(tmp_path / "a.wav")
