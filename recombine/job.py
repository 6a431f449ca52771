"""A method ready to run, and what makes it the same run as another."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from recombine.config import MethodConfig
from recombine.datasets.base import Samples
from recombine.identity import Identity, config_hash
from recombine.places import Places
from recombine.run_folder import RunDescription


@dataclass(frozen=True)
class Job:
    """A method ready to run.

    Attributes:
        source: The method file, or ``<dict>``.
        config: The method.
        samples: Its decoded datasets by name.
        places: Where it may write.
        overrides: The changes of the command line, in words; the seed and the device of every run are not among them.
        inputs: SHA-256 of each file that it reads beside its data, by the path in the configuration.
    """

    source: str
    config: MethodConfig
    samples: dict[str, Samples]
    places: Places
    overrides: tuple[str, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The method file with the changes of the command line."""
        return " ".join([self.source, *self.overrides])

    @cached_property
    def data(self) -> dict[str, dict[str, str | None]]:
        """What identifies each dataset, by name."""
        return {name: {"samples": found.digest, "labels": found.labels_digest} for name, found in self.samples.items()}

    @cached_property
    def identity(self) -> Identity:
        """What the run is."""
        return Identity(config_hash(self.config.resolved), self.data, self.inputs, self.config.seed)

    @property
    def description(self) -> RunDescription:
        """What identifies the run."""
        folder = self.config.folder.absolute()
        return RunDescription(self.config.name, self.source, self.overrides, folder, self.identity)

    def with_seed(self, seed: int) -> "Job":
        """Return the same method with another seed."""
        config = replace(self.config, seed=seed, resolved={**self.config.resolved, "seed": seed})
        return replace(self, config=config)


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
