"""Small wav files."""

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def sweep(samples: int, rate: int = 16000, start: float = 200) -> NDArray[np.float64]:
    """Return a tone that rises from ``start`` Hz, and one that comes and goes, ``(samples,)``."""
    time = np.arange(samples) / rate
    return 0.3 * np.sin(2 * np.pi * (start * time + 300 * time**2)) + 0.05 * np.sin(6000 * np.pi * time) * np.sin(
        6 * time
    )


def write_wav(path: Path, signal: NDArray[np.float64], rate: int = 16000) -> NDArray[np.float64]:
    """Write a signal ``(samples,)`` or ``(samples, channels)`` in 16 bits, and return what the file holds."""
    whole = np.round(signal * 2**15).astype(np.int16)
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((whole.shape[1] if whole.ndim > 1 else 1, 2, rate, len(whole), "NONE", ""))
        file.writeframes(whole.tobytes())
    return whole / 2**15
