"""What needs the data and the networks to be checked, before anything is trained.

Datasets are opened, networks are built, and every pattern goes through one small batch: sizes that do not fit, files
that are absent and settings that the data cannot meet are found here and not hours later.
"""

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from recombine import factory, registry
from recombine.assignment import centroids as centroid_source
from recombine.build import build_mapping, build_method, load_samples
from recombine.checks import can_hold
from recombine.config import Block, DatasetConfig, MethodConfig, PhaseConfig
from recombine.criteria import ORACLE_CRITERIA
from recombine.data import Data
from recombine.datasets.base import Samples
from recombine.errors import DataError, MappingError, ParameterFileError
from recombine.evaluate import evaluation_mode
from recombine.factory import REFUSALS
from recombine.job import file_digest
from recombine.memory import needed_for, physical_memory
from recombine.method import Method
from recombine.neighbor_checks import neighbor_findings
from recombine.parameter_files import check_parameters
from recombine.places import Places
from recombine.problems import Finding
from recombine.randomness import generator, global_generator
from recombine.rehearsal import phase_findings, rehearsal_data
from recombine.set_preflight import sampled_set_findings, set_network_findings
from recombine.split import num_held_out, split_problem
from recombine.step import PLAIN_VIEW, Forward

_PERFORMANCE = "performance_evaluation_"


@dataclass
class Preflight:
    """The checks of one method that need its data.

    Attributes:
        config: The method.
        data_root: Where datasets are looked for first, or None.
        places: Where the method may write.
        cache: Decoded datasets that methods of a batch share, by what identifies them.

    After :meth:`check`, ``samples`` holds the decoded datasets by name, and ``inputs`` the SHA-256 of each file that
    the method reads beside them.
    """

    config: MethodConfig
    data_root: Path | None
    places: Places
    cache: dict[str, Samples]

    def __post_init__(self) -> None:
        """Start without samples, and with no file read or written."""
        self.samples: dict[str, Samples] = {}
        self.inputs: dict[str, str] = {}
        self._written: list[tuple[Path, bool]] = []

    def check(self) -> list[Finding]:
        """Return everything that keeps the method from running on this machine with this data."""
        findings = [finding for phase in self.config.phases for finding in self._saving_findings(phase)]
        method: Method | None = None
        with global_generator(self.config.seed, "preflight"):
            for dataset in self.config.datasets:
                found = list(self._open(dataset))
                found += self.view_findings(dataset) if _only_warnings(found) else ()
                if _only_warnings(found):
                    method, more = self.rehearse(dataset, method)
                    found += more
                findings += found
        return findings

    def _open(self, dataset: DatasetConfig) -> Iterator[Finding]:
        place = place_of(self.config, "datasets", dataset.name)
        first, last = dataset.index_of_first_sample_to_use, dataset.index_of_last_sample_to_use
        asked = (dataset.dataset, sorted(dataset.arguments.items()), first, last)
        key = repr((asked, self.config.folder, self.data_root))
        try:
            samples = self.cache.get(key) or load_samples(dataset, self.config.folder, self.data_root)
        except DataError as error:
            yield Finding("RC501", str(error), "", place)
            return
        self.cache[key] = self.samples[dataset.name] = samples
        phases = self.config.phases_of(dataset)
        if dataset.sets is not None:
            yield from sampled_set_findings(dataset, samples, phases, place)
            return
        if samples.set_generator is not None:
            message = f'dataset "{dataset.name}" generates sets, and has no samples of its own'
            yield Finding("RC502", message, 'Add "sets".', place)
            return
        yield from size_findings(dataset, len(samples), place)
        yield from tail_findings(dataset, {_num_trained(phase, len(samples)) for phase in phases}, place)
        for phase in phases:
            yield from _split_findings(self.config, phase, dataset, len(samples))
            where = place_of(self.config, "phases", phase.name)
            yield from neighbor_findings(phase, dataset, _num_trained(phase, len(samples)), where)
            yield from _rest_findings(phase, dataset, _num_trained(phase, len(samples)), place)
            if samples.labels is None:
                yield from _label_findings(self.config, phase, dataset)

    def view_findings(self, dataset: DatasetConfig) -> Iterator[Finding]:
        """Yield the views whose transforms cannot work on the samples."""
        place = place_of(self.config, "datasets", dataset.name)
        blocks = [(PLAIN_VIEW, "transforms", dataset.transforms)]
        for i, block in enumerate(dataset.batch_augmentations):
            blocks.append((block["name"], f"batch_augmentations/{i}/transforms", block["transforms"]))
        for name, key, transforms in blocks:
            alone = replace(dataset, transforms=transforms, batch_augmentations=())
            try:
                rehearsal_data(alone, self.samples[dataset.name], self.config.seed).sample_shape()
            except DataError as error:
                message = str(error).replace(f'view "{PLAIN_VIEW}"', f'view "{name}"', 1)
                yield Finding("RC502", message, "", f"{place}/{key}")
            except REFUSALS as error:
                message = f'the transforms of view "{name}" cannot work on the samples: {error}'
                yield Finding("RC502", message, "", f"{place}/{key}")

    def _saving_findings(self, phase: PhaseConfig) -> Iterator[Finding]:
        for key in ("save_mapping_parameters", "save_centroids"):
            for i, block in enumerate(getattr(phase, key)):
                try:
                    self.places.check(block["path_to_file_or_dir"], replaces=not block["keep_old_files"])
                except ParameterFileError as error:
                    place = f"{place_of(self.config, 'phases', phase.name)}/{key}/{i}/path_to_file_or_dir"
                    yield Finding("RC505", str(error), "", place)

    def rehearse(self, dataset: DatasetConfig, method: Method | None) -> tuple[Method | None, list[Finding]]:
        """Return the method that the dataset leaves behind, and what is wrong with its networks on this dataset."""
        data = rehearsal_data(dataset, self.samples[dataset.name], self.config.seed)
        too_large = list(self._memory_findings())
        if too_large:
            return None, too_large
        if method is None or dataset.reinitialize_mappings:
            try:
                method = build_method(self.config, dataset.num_clusters, data.sample_shape())
            except MappingError as error:
                return None, self._build_findings() or [self._misfit(error)]
            except RuntimeError as error:
                reason = str(error).split("\n")[0]
                message = f"the centroids of {dataset.num_clusters} clusters cannot be allocated: {reason}"
                place = place_of(self.config, "datasets", dataset.name)
                return None, [Finding("RC508", message, "Write fewer clusters.", f"{place}/num_clusters")]
        found = list(self._network_findings(dataset, method, data)) or list(set_network_findings(method, data))
        if not found:
            for phase in self.config.phases_of(dataset):
                found += self._rehearse_phase(phase, method, data)
        return method, found

    def _memory_findings(self) -> Iterator[Finding]:
        """Yield the mappings whose parameters alone need more memory than there is, before any is allocated."""
        memory, sizes = physical_memory(), list[int]()
        configs = {config.name: config for config in self.config.mappings}
        for config in self.config.mappings:
            # A mirror image is about as large as what it mirrors.
            like = config if config.mirror_of is None else configs[config.mirror_of]
            with torch.device("meta"):
                layers = [factory.build_layer(block) for block in like.layers]
            sizes.append(sum(needed_for([*layer.parameters(), *layer.buffers()]) for layer in layers))
            if sizes[-1] > memory:
                place = place_of(self.config, "mappings", config.name)
                needs = f'mapping "{config.name}" needs {sizes[-1] / 2**30:.0f} GiB for its parameters alone'
                yield _too_large(needs, "Make its layers smaller.", place)
        if max(sizes) <= memory < sum(sizes):
            needs = f"the mappings together need {sum(sizes) / 2**30:.0f} GiB for their parameters alone"
            yield _too_large(needs, "Make layers smaller.", "/mappings")

    def _build_findings(self) -> list[Finding]:
        """Return what keeps mappings from being built, each for itself; mirror images hang on others."""
        findings = []
        for config in self.config.mappings:
            try:
                if config.mirror_of is None:
                    build_mapping(config, self.config.seed)
            except MappingError as error:
                findings.append(self._misfit(error))
        return findings

    def _misfit(self, error: MappingError) -> Finding:
        """Return the finding of an error at the place of its mapping, or of its layer."""
        config = next(mapping for mapping in self.config.mappings if mapping.name == error.mapping)
        names = [block["name"] for block in config.layers]
        layer = f"/layers/{names.index(error.layer)}" if error.layer in names else ""
        return Finding("RC503", str(error), "", place_of(self.config, "mappings", error.mapping) + layer)

    def _network_findings(self, dataset: DatasetConfig, method: Method, data: Data) -> Iterator[Finding]:
        """Yield what is wrong with the outputs of the extractor and of the classifiers."""
        forward = Forward(method, next(data.evaluation_batches(data.num_samples)))
        with evaluation_mode(method):
            for mapping in method.mappings.values():
                try:
                    if mapping.name == self.config.extractor:
                        forward.features(mapping)
                    if mapping.is_classifier:
                        yield from self._width_findings(dataset, mapping.name, forward.logits(mapping).flatten(1))
                except MappingError as error:
                    yield self._misfit(error)

    def _width_findings(self, dataset: DatasetConfig, name: str, logits: Tensor) -> Iterator[Finding]:
        width, wanted = logits.shape[1], dataset.num_clusters
        if width != wanted:
            message = f'classifier "{name}" gives {width} outputs, but dataset "{dataset.name}" has {wanted} clusters'
            yield Finding(
                "RC503", message, f"Make its last layer {wanted} wide.", place_of(self.config, "mappings", name)
            )

    def _rehearse_phase(self, phase: PhaseConfig, method: Method, data: Data) -> Iterator[Finding]:
        place = place_of(self.config, "phases", phase.name)
        yield from self._parameter_findings(phase, method, place)
        self._written += [
            (_real(self.config.folder / block["path_to_file_or_dir"]), block["keep_old_files"])
            for block in (*phase.save_mapping_parameters, *phase.save_centroids)
        ]
        options = self.config.centroids
        if method.centroids is not None and options is not None and phase.name in options.use_centroids_during_phases:
            draws = generator(self.config.seed, "preflight", "centroids")
            method.centroids.place(torch.rand(method.centroids.positions.shape, generator=draws))
        yield from phase_findings(phase, method, data, place)

    def _parameter_findings(self, phase: PhaseConfig, method: Method, place: str) -> Iterator[Finding]:
        for i, block in enumerate(phase.load_mapping_parameters):
            path = self.config.folder / block["path_to_file"]
            if not self._is_written(path):
                try:
                    check_parameters(method.mappings[block["mapping_name"]], path)
                    self.inputs[block["path_to_file"]] = file_digest(path)
                except ParameterFileError as error:
                    yield Finding("RC504", str(error), "", f"{place}/load_mapping_parameters/{i}/path_to_file")
        path = self.config.centroids.centroid_file_path if self.config.centroids is not None else None
        if path is not None and method.centroids is not None and not self._is_written(path):
            try:
                centroid_source.read_positions(path, tuple(method.centroids.positions.shape))
                self.inputs["centroid_file_path"] = file_digest(path)
            except ParameterFileError as error:
                yield Finding("RC504", str(error), "", "/cluster_assignment_strategy/centroid_file_path")

    def _is_written(self, path: Path) -> bool:
        """Tell whether an earlier phase of the method writes ``path``, or may: the names in folders are not known."""
        resolved = _real(path)
        return any(
            own in (resolved, resolved.parent) and not (keeps_old and os.path.isfile(resolved))
            for own, keeps_old in self._written
        )


def _real(path: Path) -> Path:
    """Return a path with symbolic links resolved; those in a circle, which Path.resolve calls an error, stay."""
    return Path(os.path.realpath(path))


def _too_large(needs: str, remedy: str, place: str) -> Finding:
    message = f"{needs}, and this machine has {physical_memory() / 2**30:.0f} GiB of memory"
    return Finding("RC508", message, remedy, place)


def _only_warnings(findings: Sequence[Finding]) -> bool:
    return all(finding.is_warning for finding in findings)


def place_of(config: MethodConfig, key: str, name: str) -> str:
    """Return the pointer of the block called ``name`` in the file's list ``key``."""
    names = [block["name"] for block in config.resolved[key]]
    return f"/{key}/{names.index(name)}"


def size_findings(dataset: DatasetConfig, num_samples: int, place: str) -> Iterator[Finding]:
    """Yield what the number of samples N does not allow."""
    if dataset.num_clusters > num_samples:
        message = f"{dataset.num_clusters} clusters are asked for, but there are only {num_samples} samples"
        yield Finding("RC502", message, f"Write at most {num_samples}.", f"{place}/num_clusters")
    if dataset.batch_size > num_samples:
        message = f"the batch size {dataset.batch_size} is larger than the dataset, which has {num_samples} samples"
        yield Finding("RC502", message, f"Write at most {num_samples}.", f"{place}/batch_size")


def tail_findings(dataset: DatasetConfig, sizes: Collection[int], place: str) -> Iterator[Finding]:
    """Yield that the last samples make no whole batch; ``sizes`` are the numbers of samples that phases train on."""
    for size in sorted(sizes):
        rest = size % dataset.batch_size
        if rest and size > rest and dataset.drop_last and not dataset.shuffle:
            message = f"the last {rest} of {size} samples are never trained on: they make no whole batch"
            remedy = 'Set "shuffle" to true or "drop_last" to false.'
            yield Finding("RC506", message, remedy, f"{place}/batch_size", True)


def _num_trained(phase: PhaseConfig, num_samples: int) -> int:
    held_out = 0 if phase.validation is None else num_held_out(num_samples, phase.validation["fraction"])
    return num_samples - held_out


def _rest_findings(phase: PhaseConfig, dataset: DatasetConfig, num_samples: int, place: str) -> Iterator[Finding]:
    rest = num_samples % dataset.batch_size
    for name, smallest in _demanding_patterns(phase, rest):
        if not dataset.drop_last:
            message = (
                f"the last batch of an epoch has {rest} of {num_samples} samples, but the pattern "
                f'"{name}" needs at least {smallest}'
            )
            yield Finding("RC405", message, 'Set "drop_last" to true.', f"{place}/drop_last")


def _split_findings(
    config: MethodConfig, phase: PhaseConfig, dataset: DatasetConfig, num_samples: int
) -> Iterator[Finding]:
    """Yield why a phase cannot hold out its share of a dataset's samples, or cannot validate on them."""
    if phase.validation is None or dataset.batch_size > num_samples:
        return
    place = f"{place_of(config, 'phases', phase.name)}/validation/fraction"
    problem = split_problem(num_samples, phase.validation["fraction"], dataset.batch_size)
    if problem is not None:
        yield Finding("RC502", f'dataset "{dataset.name}": {problem}', "", place)
        return
    rest = num_held_out(num_samples, phase.validation["fraction"]) % dataset.batch_size
    for name, smallest in _demanding_patterns(phase, rest):
        message = f'the last batch of the samples that are held out of dataset "{dataset.name}" has {rest}, but the '
        yield Finding("RC405", f'{message}pattern "{name}" needs at least {smallest}', "Hold out another share.", place)


def _demanding_patterns(phase: PhaseConfig, size: int) -> Iterator[tuple[str, int]]:
    """Yield the patterns of a phase for which a batch of some samples is too small, and the least that they need."""
    for block in phase.design_patterns:
        smallest = registry.patterns()[block["pattern"]].smallest_batch
        if block["enabled"] and 0 < size < smallest:
            yield block["pattern"], smallest


def _label_findings(config: MethodConfig, phase: PhaseConfig, dataset: DatasetConfig) -> Iterator[Finding]:
    criteria = phase.exit_criteria
    if all(name in ORACLE_CRITERIA or not _may_hold(name, criteria) for name in criteria):
        message = f'the phase could never end on dataset "{dataset.name}", which has no labels to score against'
        place = f"{place_of(config, 'phases', phase.name)}/exit_criteria"
        yield Finding("RC401", message, 'Add "iterations" or "epochs".', place)


def _may_hold(name: str, criteria: Block) -> bool:
    return not name.startswith(_PERFORMANCE) or can_hold(name, criteria[name])
