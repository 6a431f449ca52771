"""What needs the data and the networks to be checked, before anything is trained.

Datasets are opened, networks are built, and every pattern goes through one small batch: sizes that do not fit, files
that are absent and settings that the data cannot meet are found here and not hours later.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from recombine.assignment import centroids as centroid_source
from recombine.build import build_data, build_method, build_objectives, load_samples
from recombine.clock import Clock
from recombine.config import DatasetConfig, MethodConfig, PhaseConfig
from recombine.criteria import ORACLE_CRITERIA
from recombine.data import Data
from recombine.datasets.base import Samples
from recombine.errors import DataError, NetworkError, ParameterFileError, RecombineError
from recombine.evaluate import full_pass
from recombine.factory import FactoryError
from recombine.method import Method
from recombine.objective import Objective
from recombine.optim import OptimizerSet
from recombine.parameter_files import check_parameters
from recombine.places import Places
from recombine.problems import Finding
from recombine.step import PLAIN_VIEW, Forward, Step, StepContext

_REHEARSAL_SAMPLES = 8


@dataclass
class Preflight:
    """The checks of one method that need its data.

    Attributes:
        config: The method.
        data_root: Where datasets are looked for first, or None.
        places: Where the method may write.
        cache: Decoded datasets that methods of a batch share, by what identifies them.
    """

    config: MethodConfig
    data_root: Path | None
    places: Places
    cache: dict[str, Samples]

    def __post_init__(self) -> None:
        """Start without findings and without samples."""
        self.samples: dict[str, Samples] = {}
        self.findings: list[Finding] = []

    def check(self) -> list[Finding]:
        """Return everything that keeps the method from running on this machine with this data."""
        for dataset in self.config.datasets:
            self._open(dataset)
        for phase in self.config.phases:
            self._check_saving(phase)
        method: Method | None = None
        for dataset in self.config.datasets:
            if dataset.name in self.samples:
                method = self._rehearse(dataset, method)
        return self.findings

    def _open(self, dataset: DatasetConfig) -> None:
        place = f"/datasets/{position(self.config, 'datasets', dataset.name)}"
        first, last = dataset.index_of_first_sample_to_use, dataset.index_of_last_sample_to_use
        asked = (dataset.dataset, sorted(dataset.arguments.items()), first, last)
        key = repr((asked, self.config.folder, self.data_root))
        try:
            samples = self.cache.get(key) or load_samples(dataset, self.config.folder, self.data_root)
        except DataError as error:
            self.findings.append(Finding("RC501", f'dataset "{dataset.name}": {error}', "", place))
            return
        self.cache[key] = self.samples[dataset.name] = samples
        self.findings += size_findings(dataset, len(samples), place)
        if samples.labels is None:
            self.findings += _label_findings(self.config, dataset)

    def _check_saving(self, phase: PhaseConfig) -> None:
        place = f"/phases/{position(self.config, 'phases', phase.name)}"
        for key in ("save_mapping_parameters", "save_centroids"):
            for i, block in enumerate(getattr(phase, key)):
                try:
                    self.places.to_write(block["path_to_file_or_dir"])
                except ParameterFileError as error:
                    self.findings.append(Finding("RC505", str(error), "", f"{place}/{key}/{i}/path_to_file_or_dir"))

    def _rehearse(self, dataset: DatasetConfig, method: Method | None) -> Method | None:
        place = f"/datasets/{position(self.config, 'datasets', dataset.name)}"
        try:
            data = rehearsal_data(dataset, self.samples[dataset.name], self.config.seed)
            shape = data.sample_shape(PLAIN_VIEW)
        except DataError as error:
            self.findings.append(Finding("RC502", f'dataset "{dataset.name}": {error}', "", place))
            return method
        try:
            if method is None or dataset.reinitialize_mappings:
                method = build_method(self.config, dataset.num_clusters, shape)
            full_pass(method, data, lambda forward: forward.features(method.mappings[self.config.extractor]))
        except (RecombineError, FactoryError) as error:
            self.findings.append(Finding("RC503", str(error), "", "/mappings"))
            return method
        for phase in self.config.phases_of(dataset):
            self.findings += self._rehearse_phase(phase, method, data)
        self.findings += classifier_findings(self.config, dataset, method, data)
        return method

    def _rehearse_phase(self, phase: PhaseConfig, method: Method, data: Data) -> Iterator[Finding]:
        place = f"/phases/{position(self.config, 'phases', phase.name)}"
        yield from self._parameter_findings(phase, method, place)
        if method.centroids is not None and phase.name in self._centroid_phases():
            method.centroids.place(torch.rand(method.centroids.positions.shape))
        enabled = [i for i, block in enumerate(phase.design_patterns) if block["enabled"]]
        for i, objective in zip(enabled, build_objectives(phase, method), strict=True):
            try:
                rehearse_objective(objective, phase, method, data)
            except (RecombineError, RuntimeError, ValueError, IndexError) as error:
                message = f'the pattern "{objective.name}" cannot work on these networks: {error}'
                yield Finding("RC503", message, "", f"{place}/design_patterns/{i}")
        try:
            OptimizerSet(phase, method)
        except NetworkError as error:
            yield Finding("RC402", str(error), "", f"{place}/optimizers")
        except FactoryError as error:
            yield Finding("RC204", error.message, error.remedy, f"{place}/optimizers")

    def _centroid_phases(self) -> tuple[str, ...]:
        return self.config.centroids.use_centroids_during_phases if self.config.centroids is not None else ()

    def _parameter_findings(self, phase: PhaseConfig, method: Method, place: str) -> Iterator[Finding]:
        for i, block in enumerate(phase.load_mapping_parameters):
            path = self.config.folder / block["path_to_file"]
            if path.is_file() or not self._is_written(path, phase):
                try:
                    check_parameters(method.mappings[block["mapping_name"]], path)
                except ParameterFileError as error:
                    yield Finding("RC504", str(error), "", f"{place}/load_mapping_parameters/{i}/path_to_file")
        options = self.config.centroids
        if options is not None and options.centroid_file_path is not None and method.centroids is not None:
            try:
                centroid_source.read_positions(options.centroid_file_path, tuple(method.centroids.positions.shape))
            except ParameterFileError as error:
                yield Finding("RC504", str(error), "", "/cluster_assignment_strategy/centroid_file_path")

    def _is_written(self, path: Path, phase: PhaseConfig) -> bool:
        """Tell whether an earlier phase of the method saves parameters to ``path``, or into its folder."""
        earlier = [other for other in self.config.phases if other.order < phase.order]
        blocks = [block for other in earlier for block in other.save_mapping_parameters]
        saved = [self.config.folder / block["path_to_file_or_dir"] for block in blocks]
        return any(own.resolve() in (path.resolve(), path.resolve().parent) for own in saved)


def position(config: MethodConfig, key: str, name: str) -> int:
    """Return where the block called ``name`` stands in the file's list ``key``."""
    names = [block["name"] for block in config.resolved[key]]
    return names.index(name)


def size_findings(dataset: DatasetConfig, num_samples: int, place: str) -> Iterator[Finding]:
    """Yield what the number of samples N does not allow."""
    if dataset.num_clusters > num_samples:
        message = f"{dataset.num_clusters} clusters are asked for, but there are only {num_samples} samples"
        yield Finding("RC502", message, f"Write at most {num_samples}.", f"{place}/num_clusters")
    if dataset.batch_size > num_samples:
        message = f"the batch size {dataset.batch_size} is larger than the dataset, which has {num_samples} samples"
        yield Finding("RC502", message, f"Write at most {num_samples}.", f"{place}/batch_size")
    rest = num_samples % dataset.batch_size
    if rest and dataset.drop_last and not dataset.shuffle and dataset.phases != ():
        message = f"the last {rest} of {num_samples} samples are never trained on: they make no whole batch"
        yield Finding("RC506", message, 'Set "shuffle" to true or "drop_last" to false.', f"{place}/batch_size", True)


def _label_findings(config: MethodConfig, dataset: DatasetConfig) -> Iterator[Finding]:
    for phase in config.phases_of(dataset):
        if all(name in ORACLE_CRITERIA for name in phase.exit_criteria):
            place = f"/phases/{position(config, 'phases', phase.name)}/exit_criteria"
            message = f'the phase could never end on dataset "{dataset.name}", which has no labels to score against'
            yield Finding("RC401", message, 'Add "iterations" or "epochs".', place)


def rehearsal_data(dataset: DatasetConfig, samples: Samples, seed: int) -> Data:
    """Return the first few samples of a dataset as a dataset of one batch."""
    size = min(_REHEARSAL_SAMPLES, dataset.batch_size, len(samples))
    small = replace(dataset, batch_size=size, shuffle=False)
    return build_data(small, samples.subset(0, size - 1), seed, torch.device("cpu"))


def rehearse_objective(objective: Objective, phase: PhaseConfig, method: Method, data: Data) -> None:
    """Compute a pattern's losses on a small batch at the start of each of its stages, and their gradients."""
    context = StepContext(data.options.seed, data.name, data.device, lambda compute: full_pass(method, data, compute))
    batch = data.training_batch(phase.name, 0, objective.views)
    for start in objective.pattern.stage_starts():
        clock = Clock(phase.name, start, 0, 1)
        step = Step(method.train(), batch, clock, context)
        objective.pattern.before_step(step)
        for name, loss in objective.pattern.losses(step).items():
            if loss.ndim != 0:
                raise NetworkError(f'the loss "{name}" has the shape {tuple(loss.shape)} and is no single number')


def classifier_findings(config: MethodConfig, dataset: DatasetConfig, method: Method, data: Data) -> Iterator[Finding]:
    """Yield the classifiers whose outputs are not one number per cluster."""
    batch = next(data.evaluation_batches(_REHEARSAL_SAMPLES))
    method.eval()
    for i, block in enumerate(config.resolved["mappings"]):
        mapping = method.mappings[block["name"]]
        if mapping.is_classifier:
            with torch.no_grad():
                width = Forward(method, batch).logits(mapping).flatten(1).shape[1]
            if width != dataset.num_clusters:
                wanted = f'dataset "{dataset.name}" has {dataset.num_clusters} clusters'
                message = f'classifier "{mapping.name}" gives {width} outputs, but {wanted}'
                yield Finding("RC503", message, f"Make its last layer {dataset.num_clusters} wide.", f"/mappings/{i}")
