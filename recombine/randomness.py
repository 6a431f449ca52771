"""Named random generators: every draw belongs to (seed, purpose, key) and to nothing else.

Stopping, resuming, logging or evaluating more often therefore changes no draw.
"""

import functools
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_SEED_BYTES = 8
_SEED_BITS = 63


def derive(seed: int, purpose: str, *key: str | int) -> int:
    """Return the 63-bit seed that belongs to ``purpose`` and ``key`` under the run's ``seed``."""
    text = "\x1f".join([str(seed), purpose, *map(str, key)])
    digest = hashlib.sha256(text.encode()).digest()[:_SEED_BYTES]
    return int.from_bytes(digest, "big") & ((1 << _SEED_BITS) - 1)


def generator(seed: int, purpose: str, *key: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a fresh generator on ``device`` that belongs to ``purpose`` and ``key``."""
    return torch.Generator(device).manual_seed(derive(seed, purpose, *key))


@contextmanager
def global_generator(seed: int, purpose: str, *key: str | int) -> Iterator[None]:
    """Seed torch's global generators for what can use no other (torch.nn.init, dropout), then restore them.

    Those of CUDA devices are restored if CUDA is in use already; to ask them otherwise would start it.
    """
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()  # type: ignore[no-untyped-call]
    with torch.random.fork_rng(devices):
        seed_global(seed, purpose, *key)
        yield


def seed_global(seed: int, purpose: str, *key: str | int) -> None:
    """Seed torch's global generators with what belongs to ``purpose`` and ``key``; for good, unlike the above."""
    derived = derive(seed, purpose, *key)
    if torch.cuda.is_initialized() or _has_other_accelerator():  # type: ignore[no-untyped-call]
        torch.manual_seed(derived)
    else:
        # torch.manual_seed would also note the seed, and the whole stack, for a CUDA that may never start: 1 ms a time.
        torch.default_generator.manual_seed(derived)


@functools.cache
def _has_other_accelerator() -> bool:
    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return found is not None and found.type != "cuda"
