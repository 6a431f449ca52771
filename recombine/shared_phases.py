"""Phases that runs have in common: trained by the first, taken over by the others.

A phase is shared by runs that agree on everything that its outcome depends on: networks, strategy, seed, data, all
phases up to it, and what the bits depend on (device, threads, versions). So a sweep over the finetuning pretrains once.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recombine.checkpoint import CheckpointError, read, write
from recombine.config import DatasetConfig, MethodConfig
from recombine.identity import RESULTS_VERSION, identity_part
from recombine.state import Place

_ASIDE = ("name", "phases", "datasets")
_SCHEDULE = ("order", "enabled", "phases")


@dataclass(frozen=True)
class SharedPhases:
    """The phases that a run may take from others, and leaves for them.

    Attributes:
        folder: Where they lie, one file each.
        keys: What the state after a phase depends on, as a SHA-256, by the place of the run after it: the numbers of
            datasets and phases that are done.
        tell: Takes what the log is to say of files that are passed over.
        reads: Whether phases are taken from other runs; else they are only left for them.
    """

    folder: Path
    keys: Mapping[tuple[int, int], str]
    tell: Callable[[str], None]
    reads: bool = True

    def find(self, place: Place) -> dict[str, Any] | None:
        """Return what a run left after the phase that comes next at ``place``, or None."""
        key = self.keys.get((place.datasets_done, place.phases_done + 1))
        if key is None or not self.reads:
            return None
        for file in sorted(self.folder.glob(f"{key}_*.pt")):
            try:
                return read(file, key)
            except CheckpointError as error:
                self.tell(f"{file.name} is passed over: {error}")
        return None

    def keep(self, place: Place, content: Mapping[str, Any]) -> None:
        """Leave the state after the phase that was the last at ``place``, unless a sound one is there.

        Raises:
            OSError: It cannot be written.
        """
        key = self.keys.get((place.datasets_done, place.phases_done))
        if key is None:
            return
        path = write(self.folder, key, key, content)
        for file in self.folder.glob(f"{key}_*.pt"):
            if file != path:
                file.unlink(missing_ok=True)


def phase_keys(config: MethodConfig, data: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[tuple[int, int], str]:
    """Return what the state after each phase of a run depends on, as a SHA-256, by datasets and phases that are done.

    The last phase of the last dataset is left out: no other run has anything to do after it.

    Args:
        config: The method.
        data: What identifies each dataset, by name, as JSON values.
        facts: What else the outcome depends on, as JSON values: files that are read, device, threads, versions.
    """
    method = identity_part(config.resolved)
    base = {key: value for key, value in method.items() if key not in _ASIDE}
    history: list[Any] = [{"version": RESULTS_VERSION, "seed": config.seed, "method": base, **facts}]
    keys = {}
    for done, dataset in enumerate(config.datasets):
        history.append([_block(method["datasets"], dataset), data[dataset.name]])
        for position, phase in enumerate(config.phases_of(dataset)):
            history.append(next(_without(block) for block in method["phases"] if block["name"] == phase.name))
            keys[done, position + 1] = _digest(history)
    if keys:
        keys.pop(max(keys))
    return keys


def _block(blocks: Any, dataset: DatasetConfig) -> dict[str, Any]:
    return next(_without(block) for block in blocks if block["name"] == dataset.name)


def _without(block: Mapping[str, Any]) -> dict[str, Any]:
    """Return a block without what says when it runs, which the order of the history says."""
    return {key: value for key, value in block.items() if key not in _SCHEDULE}


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
