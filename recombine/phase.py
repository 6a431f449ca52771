"""A phase at work: its objectives, its optimizers, and what it needs on entry."""

from collections.abc import Iterator
from collections.abc import Mapping as Dictionary
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor

from recombine.assignment import centroids as centroid_source
from recombine.assignment.centroids import CentroidOptions
from recombine.build import build_objectives
from recombine.callbacks.base import PhaseView
from recombine.clock import Clock
from recombine.config import DatasetConfig, MethodConfig, PhaseConfig
from recombine.criteria import Performance, Validation, Watched
from recombine.data import Data
from recombine.errors import DivergedError
from recombine.evaluate import evaluate_by, features, full_pass
from recombine.held_out import validate
from recombine.mapping import Mapping
from recombine.metrics import clustering_accuracy
from recombine.neighbor_cache import IN_MEMORY, NeighborCache
from recombine.neighbor_graph import neighborhoods_of
from recombine.objective import DivergenceWatch, Objective
from recombine.optim import LOSS, LossKey, OptimizerSet
from recombine.parameter_files import load_parameters
from recombine.randomness import derive
from recombine.recording import Recorder, StepRunner
from recombine.selection import Evaluated
from recombine.state import RunState
from recombine.step import Forward, StepContext
from recombine.view_plan import ViewPlan, plan_views

_BY_NEIGHBORHOODS = "by_neighborhoods"


@dataclass(frozen=True)
class Phase:
    """A phase of a method on one dataset.

    Attributes:
        method_config: The whole method.
        config: The phase.
        data: The dataset.
        objectives: The patterns with their weights.
        optimizers: What trains.
        plan: Which views go through a network as one batch.
        context: What all steps share.
        watch: Notes a loss that is no number.
        runner: Does the numbers of a step.
        state: The changing part of the run.
    """

    method_config: MethodConfig
    config: PhaseConfig
    data: Data
    objectives: list[Objective]
    optimizers: OptimizerSet
    plan: ViewPlan
    context: StepContext
    watch: DivergenceWatch
    runner: StepRunner
    state: RunState

    @property
    def centroid_options(self) -> CentroidOptions | None:
        """How centroids are placed, or None where the phase does not use any."""
        options = self.method_config.centroids
        return options if options is not None and self.config.name in options.use_centroids_during_phases else None

    def view(self, dataset: DatasetConfig) -> PhaseView:
        """Return the phase as callbacks see it."""
        patterns = tuple((objective.name, objective.pattern) for objective in self.objectives)
        iterations = longest(self.config, self.data)
        sizes = self.data.num_samples, iterations
        held_out = self.data.num_held_out
        return PhaseView(self.config, dataset, *sizes, patterns, self.has_diverged, self.runner.notes, held_out)

    def features_of(self, mapping: Mapping) -> Tensor:
        """Return a mapping's output on the whole dataset, ``(N, D)``."""
        return features(self.state.method, self.data, mapping.name)

    def place_centroids(self) -> None:
        """Give the centroids their first positions, if the phase uses them and none did before."""
        options = self.centroid_options
        if options is None:
            return
        centroids = self.state.method.require_centroids()
        if not centroids.is_initialized:
            points = partial(self.features_of, centroids.extractor)
            with self._placing_divergence():
                centroid_source.initialize(centroids, options, points, self._centroid_seed)

    def find_neighbors(self) -> None:
        """Find which samples go into batches together, if the phase makes batches by neighbourhoods."""
        sampling = self.config.sampling
        if sampling is None or sampling["type"] != _BY_NEIGHBORHOODS:
            return
        name = sampling.get("mapping_name")
        whole = partial(full_pass, self.state.method, self.data)
        points = whole(_samples) if name is None else self.features_of(self.state.method.mappings[name])
        cache = self.context.neighbors if name is None else IN_MEMORY
        found = neighborhoods_of(points, self.data.parts, sampling["num_neighbors"], sampling["search"], cache)
        self.data.neighbors = found.indices.cpu()

    def update_centroids(self) -> None:
        """Recalculate the centroids if this iteration is due for it, and tell the patterns."""
        options = self.centroid_options
        if options is None:
            return
        centroids, clock = self.state.method.require_centroids(), self.state.clock
        points = partial(self.features_of, centroids.extractor)
        with self._placing_divergence():
            changed = centroid_source.recalculate(centroids, options, points, self._centroid_seed, clock)
        self.state.centroids_changed = changed

    def evaluate(self) -> Performance | None:
        """Assign and score the whole dataset; None, and nothing to remember, where nothing is assigned yet."""
        self.check_divergence()
        state = self.state
        with self._placing_divergence():
            assigner = state.method.assignment.at_evaluation(self.features_of)
            if assigner is None:
                return None
            evaluation = evaluate_by(assigner, state.method, self.data)
        before, ratio = state.previous_clusters, None
        if before is not None:
            ratio = reassigned(before, evaluation.clusters, assigner.keeps_numbers)
        state.method.assignment.record(evaluation.candidates)
        state.previous_clusters = evaluation.clusters
        state.performance = Performance(evaluation.scores, ratio, evaluation.label_free)
        place = state.clock
        state.history.append(Evaluated(place.phase, place.iteration, evaluation.scores, evaluation.label_free))
        return state.performance

    def validate_if_due(self) -> Validation | None:
        """Compute the losses on the samples that the phase holds out, if it is time; nothing of the training changes.

        Returns:
            The losses; None where it is not time, or no pattern has a loss at this time.

        Raises:
            DivergedError: A loss is NaN or infinite.
        """
        options, state = self.config.validation, self.state
        if options is None or not state.clock.is_due(options["interval"]):
            return None
        self.check_divergence()
        with self._placing_divergence():
            found = validate(state.method, self.data, self.objectives, state.clock, self.context)
        state.note_validation(found, options)
        return found

    def watched(self) -> Watched:
        """Return what exit criteria look at."""
        state = self.state
        return Watched(state.performance, state.validation, self.optimizers.rates, state.lowest)

    def step_schedulers(self) -> None:
        """Step the learning rate schedulers whose interval is over.

        Raises:
            RecombineError: A scheduler has come to its end before the phase.
        """
        due = self.optimizers.due(self.state.clock)
        losses = self.state.interval_losses.taken({key for key, _ in due})
        for key, scheduler in due:
            scheduler.step(self._known(key, losses))

    def _known(self, key: LossKey, losses: Dictionary[LossKey, float]) -> dict[str, float]:
        """Return what a scheduler may watch at the end of an interval; a validation from before it is no news."""
        performance, validation = self.state.performance, self.state.validation
        known = {LOSS: losses[key]} if key in losses else {}
        if performance is not None and performance.scores is not None:
            known |= performance.scores.as_dict()
        if validation is not None and validation.iteration > self.state.clock.iteration - key[1]:
            known |= validation.metrics()
        return known

    def finish(self) -> None:
        """Take the parameters that the phase is to end with, and refresh the strategy."""
        self.check_divergence()
        if self.state.best_parameters is not None:
            self.state.restore_best()
            self.runner.notes.append(f"The parameters that are kept are the best: {self.state.lowest}")
        with self._placing_divergence():
            self.state.method.assignment.finish_phase(self.config.name, self.features_of)

    def state_dict(self) -> dict[str, Any]:
        """Return what the phase remembers beside the state of the run."""
        return {
            "optimizers": self.optimizers.state_dict(),
            "patterns": {objective.name: objective.pattern.state_dict() for objective in self.objectives},
            "runner": self.runner.state_dict(),
            "neighbors": self.data.neighbors,
        }

    def load_state_dict(self, saved: Dictionary[str, Any]) -> None:
        """Take up what :meth:`state_dict` returned, after the state of the run; it was saved before any divergence."""
        self.optimizers.load_state_dict(saved["optimizers"])
        for objective in self.objectives:
            objective.pattern.load_state_dict(saved["patterns"][objective.name])
        self.runner.load_state_dict(saved["runner"])
        self.data.neighbors = saved.get("neighbors")  # absent from checkpoints of earlier versions
        self.watch.skip(self.state.clock.iteration)

    def has_diverged(self) -> bool:
        """Tell whether some loss of the phase was NaN or infinite; waits for the device."""
        return self.watch.first() is not None

    def check_divergence(self) -> None:
        """Raise DivergedError if some loss of the phase was NaN or infinite; waits for the device."""
        first = self.watch.first()
        if first is not None:
            reason = f"a loss became NaN or infinite in {self._place(first)}"
            raise DivergedError(f"{reason}; a smaller learning rate or weight often helps")

    @contextmanager
    def _placing_divergence(self) -> Iterator[None]:
        try:
            yield
        except DivergedError as error:
            raise DivergedError(f"{error} (after {self._place(self.state.clock.iteration)})") from error

    def _place(self, iteration: int) -> str:
        return f'iteration {iteration} of phase "{self.config.name}" on dataset "{self.data.name}"'

    @property
    def _centroid_seed(self) -> int:
        return derive(self.method_config.seed, "centroids", self.data.name, self.config.name)


def training_data(config: PhaseConfig, data: Data) -> Data:
    """Return a dataset as a phase trains on it: without samples that it holds out, in batches as it makes them."""
    if config.validation is not None:
        data = data.validating(config.validation)
    if config.sampling is not None and config.sampling["type"] == _BY_NEIGHBORHOODS:
        data = data.by_neighborhoods(config.sampling["neighbors_per_seed"])
    return data


def enter_phase(
    method_config: MethodConfig,
    config: PhaseConfig,
    data: Data,
    state: RunState,
    recorder: Recorder | None = None,
    neighbors: NeighborCache = IN_MEMORY,
) -> Phase:
    """Load parameters, build the phase, place the centroids, and set the clock to the start of the phase.

    Args:
        method_config: The whole method.
        config: The phase.
        data: The dataset as :func:`training_data` returns it.
        state: The changing part of the run.
        recorder: Records steps, or None where the device cannot.
        neighbors: Finds nearest neighbours, or knows them from before.
    """
    for block in config.load_mapping_parameters:
        load_parameters(state.method.mappings[block["mapping_name"]], method_config.folder / block["path_to_file"])
    state.enter_phase(Clock(config.name, 0, 0, data.batches_per_epoch))
    phase = build_phase(method_config, config, data, state, recorder, neighbors)
    phase.place_centroids()
    phase.find_neighbors()
    return phase


def build_phase(
    method_config: MethodConfig,
    config: PhaseConfig,
    data: Data,
    state: RunState,
    recorder: Recorder | None = None,
    neighbors: NeighborCache = IN_MEMORY,
) -> Phase:
    """Build a phase around a state that has entered it; for the arguments see :func:`enter_phase`."""
    objectives = build_objectives(config, state.method)
    optimizers, watch = OptimizerSet(config, state.method), DivergenceWatch(data.device)
    return Phase(
        method_config,
        config,
        data,
        objectives,
        optimizers,
        plan_views(config, objectives, state.method, data),
        _context(method_config.seed, config, data, state, neighbors),
        watch,
        StepRunner(state.method, optimizers, watch, recorder),
        state,
    )


def _context(seed: int, config: PhaseConfig, data: Data, state: RunState, neighbors: NeighborCache) -> StepContext:
    over_all = partial(full_pass, state.method, data)
    trained = frozenset(name for optimizer in config.optimizers for name in optimizer.trained_mapping_names)
    return StepContext(
        seed,
        data.name,
        data.device,
        over_all,
        lambda: state.centroids_changed,
        data.graph,
        trained,
        neighbors,
        data.parts,
        data.same_class_share,
    )


def _samples(forward: Forward) -> Tensor:
    """Return the plain view of a batch, ``(B, D)``."""
    return forward.view().flatten(1)


def reassigned(before: Tensor, after: Tensor, keeps_numbers: bool) -> float:
    """Return the share of samples that changed cluster, in [0, 1].

    Args:
        before: Clusters at the evaluation before, ``(N,)``, int64, on the CPU.
        after: Clusters now, likewise.
        keeps_numbers: Whether a cluster has the number that it had before. Where not, clusters are matched one-to-one
            so that the fewest samples changed.
    """
    if keeps_numbers:
        return float((before != after).double().mean())
    return 1 - clustering_accuracy(before.numpy(), after.numpy())


def longest(config: PhaseConfig, data: Data) -> int | None:
    """Return the number of iterations after which a phase ends at the latest, or None."""
    bounds = []
    if "iterations" in config.exit_criteria:
        bounds.append(int(config.exit_criteria["iterations"]))
    if "epochs" in config.exit_criteria:
        bounds.append(int(config.exit_criteria["epochs"]) * data.batches_per_epoch)
    return min(bounds) if bounds else None
