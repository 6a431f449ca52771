"""Named random generators: every draw belongs to (seed, purpose, key) and to nothing else.

Stopping, resuming, logging or evaluating more often therefore changes no draw.
"""

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
    """Seed torch's global generators for what can use no other (torch.nn.init, dropout), then restore them."""
    with torch.random.fork_rng():
        torch.manual_seed(derive(seed, purpose, *key))
        yield
