"""Speech in wav files as spectrograms in decibels, with bands that are equally wide to the ear."""

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recombine.errors import DataError

#: Of Slaney's scale: up to the 15th mel, a mel is 200/3 Hz; from there on, 27 mels are a factor of 6.4.
_STRAIGHT_MELS, _STRAIGHT_HERTZ, _STEP = 15, 1000, math.log(6.4) / 27
_HOPS_PER_SECOND, _WINDOWS_PER_SECOND = 100, 50
_LEAST_POWER, _DYNAMIC_RANGE, _GREATEST_LEVEL = 1e-10, 80, 15
_RIFF_START, _CHUNK_START, _HEADER = 12, 8, 1024
#: What those who write into a pipe give as a length, as they do not know it.
_UNKNOWN_LENGTH = 2**31 - 2**16
_REMEDY = "replace it by a plain wav file, or remove it from the folder"


@dataclass(frozen=True)
class LogMel:
    """How speech becomes a spectrogram: one frame every 10 ms.

    A Hann window of 20 ms moves over the signal, with zeros before the start and behind the end, so that a frame's
    middle is at a multiple of 10 ms. The spectrum of each has as many points as the next power of two: 512 of 320
    samples at 16 kHz. Its powers are summed by triangular filters of equal area on Slaney's mel scale, which
    ``librosa.feature.melspectrogram`` takes as well, and become decibels relative to 1. What is more than 80 dB
    below the file's maximum is raised to that. At last, v = (dB + 80) / 95: about [0, 1] for speech.

    Attributes:
        sample_rate: Samples per second, in Hz, that the signal is brought to.
        num_bands: Number of mel bands M, from 0 Hz to half the sample rate.
    """

    sample_rate: int = 16000
    num_bands: int = 128

    @property
    def hop(self) -> int:
        """Samples from one frame to the next."""
        return self.sample_rate // _HOPS_PER_SECOND

    @property
    def _window(self) -> int:
        return self.sample_rate // _WINDOWS_PER_SECOND

    @property
    def _points(self) -> int:
        return 1 << (self._window - 1).bit_length()

    @cached_property
    def filters(self) -> Tensor:
        """The weight of each point of a spectrum in each band, ``(M, points / 2 + 1)``, float64.

        Raises:
            DataError: Some band lies between two points of the spectrum.
        """
        half = self.sample_rate / 2
        corners = _hertz(np.linspace(0, _mels(half), self.num_bands + 2))[:, None]
        points = np.linspace(0, half, self._points // 2 + 1)
        rising = (points - corners[:-2]) / (corners[1:-1] - corners[:-2])
        falling = (corners[2:] - points) / (corners[2:] - corners[1:-1])
        weights = np.minimum(rising, falling).clip(0) * 2 / (corners[2:] - corners[:-2])
        if not weights.any(axis=1).all():
            raise DataError(
                f"{self.num_bands} mel bands are too many for {self.sample_rate} samples a second: "
                "some hold no frequency of the spectrum; take fewer"
            )
        return torch.from_numpy(weights)

    def num_frames(self, path: Path) -> int:
        """Return the number of frames F of a file, from its header; raises what :meth:`spectrogram` raises."""
        with _opened(path) as file:
            frames, rate = int(file.frames), int(file.samplerate)
        return 1 + -(-frames * self.sample_rate // rate) // self.hop

    def spectrogram(self, path: Path) -> Tensor:
        """Return the spectrogram of a file, ``(F, M)``, float32.

        Several channels become their mean. Another sample rate is changed by a polyphase filter.

        Raises:
            DataError: The file is absent, empty, cut off, no wav, or what it holds is not finite; or the package that
                reads it is absent.
        """
        signal = torch.from_numpy(_resampled(*_signal(path), self.sample_rate))
        spectrum = torch.stft(
            signal,
            self._points,
            self.hop,
            self._window,
            torch.hann_window(self._window, dtype=torch.float64),
            pad_mode="constant",
            return_complex=True,
        )
        decibels = 10 * (self.filters @ spectrum.abs().square()).clamp(min=_LEAST_POWER).log10()
        decibels = decibels.clamp(min=decibels.max() - _DYNAMIC_RANGE)
        return ((decibels + _DYNAMIC_RANGE) / (_DYNAMIC_RANGE + _GREATEST_LEVEL)).float().T.contiguous()


def _hertz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    straight = mels * (_STRAIGHT_HERTZ / _STRAIGHT_MELS)
    bent: NDArray[np.float64] = np.where(
        mels < _STRAIGHT_MELS, straight, _STRAIGHT_HERTZ * np.exp((mels - _STRAIGHT_MELS) * _STEP)
    )
    return bent


def _mels(hertz: float) -> float:
    if hertz < _STRAIGHT_HERTZ:
        return hertz * _STRAIGHT_MELS / _STRAIGHT_HERTZ
    return _STRAIGHT_MELS + math.log(hertz / _STRAIGHT_HERTZ) / _STEP


def _signal(path: Path) -> tuple[NDArray[np.float64], int]:
    """Return the signal of a file ``(samples,)``, in [-1, 1], and its sample rate in Hz."""
    with _opened(path) as file:
        signal, announced, rate = file.read(dtype="float64", always_2d=True).mean(axis=1), file.frames, file.samplerate
    if len(signal) != announced:
        raise DataError(f"{path} is cut off: it announces {announced} samples and has {len(signal)}; {_REMEDY}")
    if not np.isfinite(signal).all():
        raise DataError(f"{path} holds a sample that is not finite; {_REMEDY}")
    return signal, rate


def _resampled(signal: NDArray[np.float64], rate: int, wanted: int) -> NDArray[np.float64]:
    if rate == wanted:
        return signal
    from scipy.signal import resample_poly  # here, as it takes long to import and is seldom needed

    common = math.gcd(rate, wanted)
    resampled: NDArray[np.float64] = resample_poly(signal, wanted // common, rate // common)
    return resampled


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a file of at least one sample; DataError for what is wrong with it, also while it is read."""
    library = _library()
    try:
        with library.SoundFile(path) as file:
            _check_length(path)
            if file.frames == 0:
                raise DataError(f"{path} holds no samples; {_REMEDY}")
            yield file
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    except library.LibsndfileError as error:
        reason = error.error_string.rstrip(".") or "unknown coding"
        raise DataError(f"{path} cannot be read as a wav file: {reason}; {_REMEDY}") from error


def _library() -> Any:
    try:
        import soundfile
    except (ImportError, OSError) as error:
        raise DataError("speech is read by soundfile, which is not installed: pip install soundfile") from error
    return soundfile


def _check_length(path: Path) -> None:
    """Raise DataError where a file is shorter than it announces: the library takes what there is without a word."""
    size = path.stat().st_size
    end = _announced_end(path)
    if end > size:
        raise DataError(f"{path} is cut off: it announces {end} bytes and has {size}; {_REMEDY}")


def _announced_end(path: Path) -> int:
    """Return where the samples of a RIFF or NIST SPHERE file end, in bytes, or 0 where it does not say."""
    with path.open("rb") as file:
        head = file.read(_RIFF_START)
        if head.startswith(b"NIST_1A"):
            return _announced_by_nist(head + file.read(_HEADER - _RIFF_START))
        if not head.startswith(b"RIFF"):
            return 0
        while len(chunk := file.read(_CHUNK_START)) == _CHUNK_START:
            length = int.from_bytes(chunk[4:], "little")
            if chunk.startswith(b"data"):
                return file.tell() + length if length < _UNKNOWN_LENGTH else 0
            file.seek(length + length % 2, 1)
    return 0


def _announced_by_nist(header: bytes) -> int:
    fields = {name: int(value) for name, value in re.findall(rb"^(\w+) -i (\d+)", header, re.MULTILINE)}
    sizes = [fields.get(name, 0) for name in (b"sample_count", b"channel_count", b"sample_n_bytes")]
    return _HEADER + math.prod(sizes)
