"""Speech: a folder for each speaker, with wav files in it."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from recombine.audio import LogMel
from recombine.datasets.base import NotThereError, OwnDataset, Samples
from recombine.errors import DataError
from recombine.mapped import gathered

_SUFFIX = ".wav"
_LEAST = {"sample_rate": 1000, "num_mel_bands": 1, "window": 1, "hop_frames": 1}
#: Beyond these a few seconds of speech would fill the memory.
_GREATEST = {"sample_rate": 200_000, "num_mel_bands": 1000}
_FEWEST_SPEAKERS = 2


@dataclass(frozen=True)
class _Speaker:
    """A folder with wav files, sorted by name."""

    folder: Path
    files: tuple[Path, ...]


class SpeechFolder(OwnDataset):
    """Windows of the log-mel spectrograms of speakers, float32 ``(N, 1, T, M)``; the label is the speaker.

    A speaker is a folder, at any depth, that holds wav files itself: ``<root>/<split>/<dialect>/<speaker>/*.wav`` in
    TIMIT. Speakers are sorted by name. The spectrograms of a speaker's files (see :class:`recombine.audio.LogMel`)
    follow one another in the order of the files' names, and windows are cut from that one long spectrogram: no window
    has two speakers. Speakers who have less than a window are left out. Files are RIFF or NIST SPHERE, as in TIMIT; of
    ``SA1.WAV`` and ``SA1.WAV.wav``, which is the same converted, the second is taken.

    Meier, Elezi, Amirian, Dürr and Stadelmann (2018), "Learning neural models for end-to-end clustering", draw windows
    at any position; here they start every ``hop_frames`` frames, and 1 gives all of them. Windows that overlap are
    copies: at the defaults each takes 64 KiB, and all of TIMIT, 5.4 hours, about 7 GiB. What does not fit into the
    memory budget goes to a temporary file.

    Args:
        root: The folder.
        split: A folder below it, such as ``"TRAIN"``; None: everything below ``root``.
        sample_rate: What signals of another rate are resampled to, in Hz, at least 1,000.
        num_mel_bands: Number of mel bands M.
        window: Length T of a window in frames of 10 ms; 128 are 1.28 s.
        hop_frames: Frames from the start of a window to the start of the next.

    Raises:
        NotThereError: There is no such folder, or no wav file below it.
        DataError: An argument is out of its range, a file cannot be read, or fewer than two speakers have a window.
    """

    def __init__(
        self,
        root: Path,
        split: str | None = None,
        sample_rate: int = 16000,
        num_mel_bands: int = 128,
        window: int = 128,
        hop_frames: int = 16,
    ) -> None:
        given = {
            "sample_rate": sample_rate,
            "num_mel_bands": num_mel_bands,
            "window": window,
            "hop_frames": hop_frames,
        }
        for name, value in given.items():
            if not isinstance(value, int) or isinstance(value, bool) or value < _LEAST[name]:
                raise DataError(f'"{name}" is an integer of at least {_LEAST[name]}, not {value!r}')
            if value > _GREATEST.get(name, value):
                raise DataError(f'"{name}" is an integer of at most {_GREATEST[name]}, not {value}')
        self._root = root if split is None else root / str(split)
        self._log_mel = LogMel(sample_rate, num_mel_bands)
        self._window, self._hop = window, hop_frames
        if not self._root.is_dir():
            raise NotThereError("no such folder" if split is None else f'no folder "{split}"')
        self._found = _speakers(self._root)
        if not self._found:
            raise NotThereError(f"no {_SUFFIX} file" + (f' in "{split}"' if split is not None else ""))

    def __len__(self) -> int:
        """Return the number of windows N, which the files' headers tell."""
        return sum(self._counts.values())

    def sample_shape(self) -> tuple[int, ...]:
        """Return ``(1, T, M)``."""
        return (1, self._window, self._log_mel.num_bands)

    def decode(self) -> Samples:
        """Return all windows, speaker by speaker."""
        counts = torch.tensor(list(self._counts.values()))
        labels = torch.arange(len(counts)).repeat_interleave(counts)
        return Samples(gathered(self._windows(), len(self)), labels, _names(list(self._counts), self._root))

    @cached_property
    def _counts(self) -> dict[_Speaker, int]:
        """The number of windows of each speaker who has any."""
        counts = {speaker: self._count(speaker) for speaker in self._found}
        counts = {speaker: count for speaker, count in counts.items() if count > 0}
        if len(counts) < _FEWEST_SPEAKERS:
            speakers = f"{len(counts)} of {len(self._found)} speakers (folders with {_SUFFIX} files)"
            raise DataError(
                f"{self._root}: {speakers} have the {self._window} frames of 10 ms that a window takes, "
                f'and at least {_FEWEST_SPEAKERS} are needed: take a smaller "window", or add files'
            )
        return counts

    def _count(self, speaker: _Speaker) -> int:
        frames = sum(self._log_mel.num_frames(path) for path in speaker.files)
        return max(0, (frames - self._window) // self._hop + 1)

    def _windows(self) -> Iterator[Tensor]:
        """Yield all windows, each ``(1, T, M)``."""
        for speaker, count in self._counts.items():
            spectrogram = torch.cat([self._log_mel.spectrogram(path) for path in speaker.files])
            for start in range(0, count * self._hop, self._hop):
                yield spectrogram[None, start : start + self._window]


def _speakers(root: Path) -> list[_Speaker]:
    """Return the folders at and below ``root`` that hold wav files, sorted by name; links in a circle end it not."""
    speakers, seen = [], set()
    for folder, below, names in os.walk(root, followlinks=True):
        place = os.path.realpath(folder)
        if place in seen:
            below.clear()
            continue
        seen.add(place)
        wavs = [name for name in names if name.lower().endswith(_SUFFIX) and not name.startswith(".")]
        converted = {name.lower()[: -len(_SUFFIX)] for name in wavs}
        files = tuple(Path(folder, name) for name in sorted(wavs) if name.lower() not in converted)
        speakers += [_Speaker(Path(folder), files)] if files else []
    return sorted(speakers, key=_place)


def _place(speaker: _Speaker) -> tuple[str, Path]:
    return speaker.folder.name, speaker.folder


def _names(speakers: list[_Speaker], root: Path) -> tuple[str, ...]:
    """Return the names of the folders, or their paths below ``root`` where two folders have one name."""
    names = tuple(speaker.folder.name for speaker in speakers)
    if len(set(names)) == len(names):
        return names
    return tuple(speaker.folder.relative_to(root).as_posix() for speaker in speakers)
