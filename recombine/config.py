"""A method, frozen: every option present, every name checked, nothing changed after load.

The fields of these classes are the properties of the schema, where the defaults live as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from recombine.assignment.centroids import CentroidOptions
from recombine.clock import Interval
from recombine.subschemas import properties, resolve

Block = Mapping[str, Any]


@dataclass(frozen=True)
class MappingConfig:
    """A mapping as the method file describes it (``schema/mapping.json``), architectures spelt out as layers."""

    name: str
    type: str
    mirror_of: str | None
    output_non_linearity: Block | None
    layers: tuple[Block, ...]
    layer_initialization: tuple[Block, ...]
    pre_processing_functions: tuple[Block, ...]
    post_processing_functions: tuple[Block, ...]
    associated_feature_extractor_name: str | None
    softmax_layer_name: str | None
    prior_mapping_name: str | None
    works_on: str

    def __deepcopy__(self, memo: dict[int, Any]) -> "MappingConfig":
        """Return itself: networks hold on to their configuration, and are copied."""
        return self


@dataclass(frozen=True)
class DatasetConfig:
    """A dataset as the method file describes it (``schema/dataset.json``); constructor arguments in ``arguments``."""

    dataset: str
    name: str
    order: float
    enabled: bool
    phases: tuple[str, ...] | None
    batch_size: int
    num_clusters: int
    transforms: tuple[Block, ...]
    batch_augmentations: tuple[Block, ...]
    fuse: bool
    reinitialize_mappings: bool
    shuffle: bool
    drop_last: bool
    pin_memory: bool
    num_workers: int | None
    index_of_first_sample_to_use: int | None
    index_of_last_sample_to_use: int | None
    sets: Block | None
    arguments: Block


@dataclass(frozen=True)
class OptimizerConfig:
    """An optimizer as the method file describes it (``schema/optimizer.json``)."""

    type: str
    name: str
    trained_mapping_names: tuple[str, ...]
    group_name: str
    optimizes_centroids: bool
    arguments: Block


@dataclass(frozen=True)
class CycleConfig:
    """One entry of an optimizer cycle."""

    active_optimizer_names: tuple[str, ...]
    num_iterations: int


@dataclass(frozen=True)
class PhaseConfig:
    """A phase as the method file describes it (``schema/phase.json``)."""

    name: str
    order: float
    enabled: bool
    exit_criteria: Block
    performance_evaluation_interval: Interval | None
    sampling: Block | None
    validation: Block | None
    load_mapping_parameters: tuple[Block, ...]
    save_mapping_parameters: tuple[Block, ...]
    save_centroids: tuple[Block, ...]
    design_patterns: tuple[Block, ...]
    optimizers: tuple[OptimizerConfig, ...]
    optimizer_cycle: tuple[CycleConfig, ...]
    optimizer_learning_rate_schedulers: tuple[Block, ...]


@dataclass(frozen=True)
class ClaimConfig:
    """A published figure (``schema/claim.json``): a score in [-1, 1] on a dataset of the method, and where it stands.

    ``spread``, a standard deviation, and ``n``, the number of runs, are None where they were not published.
    """

    dataset: str
    metric: str
    mean: float
    spread: float | None
    n: int | None
    source: str


@dataclass(frozen=True)
class MethodConfig:
    """A whole method file.

    Attributes:
        name: The method's name.
        seed: The number from which all randomness of a run derives.
        device: A torch device, or ``cuda_if_available``.
        precision: How networks compute: ``float32``, ``tf32`` or ``bfloat16``.
        cuda_graphs: Whether a GPU repeats steps from recordings.
        mappings: The networks, in order of declaration.
        phases: Enabled phases, in ascending order.
        datasets: Enabled datasets, in ascending order.
        strategy: The cluster assignment strategy's own options, with its ``type``.
        centroids: The centroid options, or None where the method has no centroids.
        extractor: The name of the feature extractor that strategy and centroids work on.
        claims: Published figures that the method is to reproduce.
        folder: What relative paths are relative to.
        resolved: The file spelt out, as plain JSON values.
    """

    name: str
    seed: int
    device: str
    precision: str
    cuda_graphs: bool
    mappings: tuple[MappingConfig, ...]
    phases: tuple[PhaseConfig, ...]
    datasets: tuple[DatasetConfig, ...]
    strategy: Block
    centroids: CentroidOptions | None
    extractor: str
    claims: tuple[ClaimConfig, ...]
    folder: Path
    resolved: Block

    def phases_of(self, dataset: DatasetConfig) -> tuple[PhaseConfig, ...]:
        """Return the phases that run on a dataset, in order."""
        return tuple(phase for phase in self.phases if dataset.phases is None or phase.name in dataset.phases)

    def without_files(self) -> "MethodConfig":
        """Return the method without files of parameters and centroids to load, which an earlier run may be to leave."""
        phases = tuple(replace(phase, load_mapping_parameters=()) for phase in self.phases)
        centroids = self.centroids
        if centroids is not None and centroids.centroid_file_path is not None:
            noise = "random_uniform_noise"
            centroids = replace(centroids, centroid_file_path=None, centroid_initialization_strategy=noise)
        return replace(self, phases=phases, centroids=centroids)


Config = TypeVar("Config")


def method_config(method: Block, folder: Path) -> MethodConfig:
    """Freeze a completed method that no check found fault with."""
    strategy = method["cluster_assignment_strategy"]
    return MethodConfig(
        name=method["name"],
        seed=method["seed"],
        device=method["device"],
        precision=method["precision"],
        cuda_graphs=method["cuda_graphs"],
        mappings=tuple(_config(MappingConfig, mapping) for mapping in method["mappings"]),
        phases=_in_order(_phase(phase) for phase in method["phases"]),
        datasets=_in_order(_with_arguments(DatasetConfig, dataset) for dataset in method["datasets"]),
        strategy=frozen({key: value for key, value in strategy.items() if key not in centroid_keys()}),
        centroids=_centroids(strategy, folder) if strategy.get("use_centroids_during_phases") else None,
        extractor=strategy["associated_feature_extractor_name"],
        claims=tuple(_config(ClaimConfig, claim) for claim in method["claims"]),
        folder=folder,
        resolved=method,
    )


def centroid_keys() -> frozenset[str]:
    """Return the properties of a strategy that configure centroids."""
    return frozenset(properties([resolve("method.json", "common.json#/$defs/centroids")]))


def frozen(value: Any) -> Any:
    """Return ``value`` with objects read-only and lists as tuples, all the way down."""
    if isinstance(value, Mapping):
        return MappingProxyType({key: frozen(inner) for key, inner in value.items()})
    if isinstance(value, (list, tuple)):
        return tuple(frozen(inner) for inner in value)
    return value


def _config(cls: type[Config], block: Block, **given: Any) -> Config:
    names = [field.name for field in fields(cls) if field.name not in given]  # type: ignore[arg-type]
    return cls(**{name: frozen(block.get(name)) for name in names}, **given)


def _with_arguments(cls: type[Config], block: Block) -> Config:
    own = {field.name for field in fields(cls)} | {"description"}  # type: ignore[arg-type]
    arguments = {key: value for key, value in block.items() if key not in own}
    return _config(cls, block, arguments=frozen(arguments))


def _phase(block: Block) -> PhaseConfig:
    return _config(
        PhaseConfig,
        block,
        optimizers=tuple(_with_arguments(OptimizerConfig, optimizer) for optimizer in block["optimizers"]),
        optimizer_cycle=tuple(_config(CycleConfig, entry) for entry in block["optimizer_cycle"]),
    )


def _in_order(blocks: Any) -> tuple[Any, ...]:
    return tuple(sorted((block for block in blocks if block.enabled), key=_order))


def _order(block: Any) -> float:
    order: float = block.order
    return order


def _centroids(strategy: Block, folder: Path) -> CentroidOptions:
    path = strategy.get("centroid_file_path")
    return _config(CentroidOptions, strategy, centroid_file_path=folder / path if path else None)
