"""A phase at work: its objectives, its optimizers, and what it needs on entry."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from recombine.assignment import centroids as centroid_source
from recombine.build import build_objectives
from recombine.callbacks.base import PhaseView
from recombine.clock import Clock
from recombine.config import DatasetConfig, MethodConfig, PhaseConfig
from recombine.data import Data
from recombine.evaluate import features, full_pass
from recombine.mapping import Mapping
from recombine.objective import DivergenceWatch, Objective
from recombine.optim import OptimizerSet
from recombine.parameter_files import load_parameters
from recombine.state import RunState
from recombine.step import Forward, StepContext


@dataclass(frozen=True)
class Phase:
    """A phase of a method on one dataset.

    Attributes:
        method_config: The whole method.
        config: The phase.
        data: The dataset.
        objectives: The patterns with their weights.
        optimizers: What trains.
        views: Every view that some pattern reads.
        watch: Notes a loss that is no number.
        state: The changing part of the run.
    """

    method_config: MethodConfig
    config: PhaseConfig
    data: Data
    objectives: list[Objective]
    optimizers: OptimizerSet
    views: frozenset[str]
    watch: DivergenceWatch
    state: RunState

    def context(self) -> StepContext:
        """Return what all steps of the phase share."""
        return StepContext(
            self.method_config.seed,
            self.data.name,
            self.data.device,
            self.full_pass,
            lambda: self.state.centroids_changed,
        )

    def full_pass(self, compute: Callable[[Forward], Tensor]) -> Tensor:
        """Return ``compute`` over the whole dataset, ``(N, ...)``."""
        return full_pass(self.state.method, self.data, compute)

    def features_of(self, mapping: Mapping) -> Tensor:
        """Return a mapping's output on the whole dataset, ``(N, D)``."""
        return features(self.state.method, self.data, mapping.name)

    def view(self, dataset: DatasetConfig) -> PhaseView:
        """Return the phase as callbacks see it."""
        patterns = tuple((objective.name, objective.pattern) for objective in self.objectives)
        return PhaseView(self.config, dataset, self.data.num_samples, longest(self.config, self.data), patterns)

    def update_centroids(self) -> None:
        """Recalculate the centroids if this iteration is due for it, and tell the patterns."""
        options = self.method_config.centroids
        if options is None or self.config.name not in options.use_centroids_during_phases:
            return
        centroids = self.state.method.require_centroids()
        self.state.centroids_changed = centroid_source.recalculate(
            centroids,
            options,
            lambda: self.features_of(centroids.extractor),
            self.method_config.seed,
            self.state.clock.iteration,
        )


def enter_phase(method_config: MethodConfig, config: PhaseConfig, data: Data, state: RunState) -> Phase:
    """Load parameters, build the phase, place the centroids, and set the clock to the start of the phase."""
    for block in config.load_mapping_parameters:
        load_parameters(state.method.mappings[block["mapping_name"]], method_config.folder / block["path_to_file"])
    state.clock = Clock(config.name, 0, 0, data.batches_per_epoch)
    state.previous_clusters = None
    state.loss_sum = None
    objectives = build_objectives(config, state.method)
    phase = Phase(
        method_config,
        config,
        data,
        objectives,
        OptimizerSet(config, state.method),
        frozenset(view for objective in objectives for view in objective.views),
        DivergenceWatch(data.device),
        state,
    )
    _place_centroids(phase)
    return phase


def _place_centroids(phase: Phase) -> None:
    options, method = phase.method_config.centroids, phase.state.method
    if options is None or phase.config.name not in options.use_centroids_during_phases:
        return
    centroids = method.require_centroids()
    if not centroids.is_initialized:
        seed = phase.method_config.seed
        centroid_source.initialize(centroids, options, lambda: phase.features_of(centroids.extractor), seed)


def longest(config: PhaseConfig, data: Data) -> int | None:
    """Return the number of iterations after which a phase ends at the latest, or None."""
    bounds = []
    if "iterations" in config.exit_criteria:
        bounds.append(int(config.exit_criteria["iterations"]))
    if "epochs" in config.exit_criteria:
        bounds.append(int(config.exit_criteria["epochs"]) * data.batches_per_epoch)
    return min(bounds) if bounds else None
