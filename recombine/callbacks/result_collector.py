"""What a run says of each of its datasets."""

from pathlib import Path
from typing import Any

from recombine.callbacks.base import Callback, Scored
from recombine.config import MethodConfig
from recombine.dataset_folders import dataset_folders
from recombine.dataset_result import DatasetResult, dataset_result, read_dataset_result


class ResultCollector(Callback):
    """Writes the assignments of each dataset as soon as it is scored, so that a later failure loses nothing.

    Args:
        folder: The run's folder.
        config: The method.
        data: The digests of samples and labels, by dataset name.

    Attributes:
        datasets: The results by dataset name.
        parameters: SHA-256 of the networks with which the last dataset was scored, or None before that.
    """

    key = "results"

    def __init__(self, folder: Path, config: MethodConfig, data: dict[str, dict[str, str | None]]) -> None:
        self.folder = folder
        self._folders = dataset_folders([dataset.name for dataset in config.datasets])
        self._data = data
        self.datasets: dict[str, DatasetResult] = {}
        self.parameters: str | None = None

    @property
    def summaries(self) -> dict[str, dict[str, Any]]:
        """What ``result.json`` says of each dataset."""
        return {name: {**self._digests(name), **result.summary()} for name, result in self.datasets.items()}

    def state_dict(self) -> dict[str, Any]:
        """Return what is known of the datasets that are scored."""
        return {"datasets": self.summaries, "parameters": self.parameters}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Read what was written of the datasets that are scored."""
        found = state["datasets"]
        self.datasets = {name: read_dataset_result(self.folder, name, found[name]) for name in found}
        self.parameters = state["parameters"]

    def dataset_scored(self, scored: Scored) -> None:
        """Write the assignments."""
        name = scored.dataset.name
        self.datasets[name] = dataset_result(scored, self.folder / self._folders[name])
        self.parameters = scored.parameters

    def _digests(self, name: str) -> dict[str, str | None]:
        return {f"{kind}_digest": digest for kind, digest in self._data[name].items()}
