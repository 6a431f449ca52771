"""What a method file amounts to, without data and without training."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from recombine.config import DatasetConfig, MethodConfig
from recombine.data import Data
from recombine.errors import DataError, MappingError
from recombine.load import Loaded, load_file
from recombine.measure_plan import Measured, Order, measure
from recombine.method import Method
from recombine.overrides import Override
from recombine.places import Places
from recombine.plan_networks import Feeding, Given, NetworkPlan, Watch, plan_networks
from recombine.plan_phases import PhasePlan, plan_phases
from recombine.plan_samples import Look, Shape, look_of, set_size, view_shapes, whole_data
from recombine.plugin_packages import allowed
from recombine.preflight import Preflight, place_of, size_findings
from recombine.problems import Finding, Problem, has_errors
from recombine.randomness import global_generator
from recombine.rehearsal import rehearsal_data
from recombine.shape_checks import Trial, with_weights


@dataclass(frozen=True)
class DatasetPlan:
    """A method on one of its datasets.

    Attributes:
        name: The dataset's name.
        dataset: Its class.
        sample: Shape of one sample of the plain view.
        known_by: How that is known: ``data``, ``dataset`` (its class), ``transforms`` or ``--sample-shape``.
        num_samples: How many samples N are used, or None where the data was not at hand, or generates sets.
        set_size: How many samples a set has at most; None where there are no sets.
        networks: The mappings.
        phases: The phases in order.
    """

    name: str
    dataset: str
    sample: Shape
    known_by: str
    num_samples: int | None
    set_size: int | None
    networks: NetworkPlan
    phases: tuple[PhasePlan, ...]


@dataclass(frozen=True)
class MethodPlan:
    """What a method file amounts to.

    Attributes:
        file: The file.
        method: The method's name.
        datasets: Its datasets in order.
        overrides: The changes of the command line, in words.
        measured: What a few steps took, or None where nothing was measured.
    """

    file: str
    method: str
    datasets: tuple[DatasetPlan, ...]
    overrides: tuple[str, ...] = ()
    measured: Measured | None = None


@dataclass(frozen=True)
class Totals:
    """What several method files amount to together.

    Attributes:
        methods: How many were planned.
        invalid: How many were not, for what is wrong with them.
        phases: Phases on datasets.
        parameters: Numbers that all their parameters hold; those of a method on its first dataset.
        iterations: Iterations of the phases whose length is known.
        phases_of_unknown_length: How many phases these iterations leave out.
        seconds: Estimate of the time that they take one after the other, or None where that is not known of all.
        peak_bytes: The most memory that one of them takes, or None where nothing was measured.
    """

    methods: int
    invalid: int
    phases: int
    parameters: int
    iterations: int
    phases_of_unknown_length: int
    seconds: float | None = None
    peak_bytes: int | None = None


def totals_of(plans: Sequence[MethodPlan], invalid: int) -> Totals:
    """Return what plans amount to together."""
    lengths = [phase.iterations for plan in plans for dataset in plan.datasets for phase in dataset.phases]
    known = [length for length in lengths if length is not None]
    measured = [plan.measured for plan in plans if plan.measured is not None]
    seconds = [one.seconds for one in measured if one.seconds is not None]
    return Totals(
        len(plans),
        invalid,
        len(lengths),
        sum(plan.datasets[0].networks.parameters for plan in plans if plan.datasets),
        sum(known),
        len(lengths) - len(known),
        sum(seconds) if plans and len(seconds) == len(plans) else None,
        max((one.peak_bytes for one in measured), default=None),
    )


@dataclass(frozen=True)
class PlanOptions:
    """How methods are planned.

    Attributes:
        data_root: Where data is looked for first, or None.
        sample_shape: The shape of a stored sample where neither the dataset nor its data tells it, or None.
        measures: Whether to do a few steps of every phase.
    """

    data_root: Path | None = None
    sample_shape: Shape | None = None
    measures: bool = False


@dataclass(frozen=True)
class Planned:
    """What came of a method file.

    Attributes:
        plan: Its plan, or None where it has mistakes.
        problems: What was found.
        error: Why nothing could be measured, or None.
    """

    plan: MethodPlan | None
    problems: tuple[Problem, ...]
    error: str | None = None


def plan_file(file: Path, options: PlanOptions, overrides: tuple[Override, ...] = ()) -> Planned:
    """Return the plan of a method file, with some values changed."""
    plan, loaded = plan_method(load_file(file, overrides), options.data_root, options.sample_shape)
    if plan is None:
        return Planned(None, loaded.problems)
    plan = replace(plan, overrides=tuple(map(str, overrides)))
    if not options.measures:
        return Planned(plan, loaded.problems)
    answer = measure(Order(file, overrides, options.data_root, torch.get_num_threads(), tuple(allowed())))
    problems = tuple(dict.fromkeys((*loaded.problems, *answer.problems)))
    found = None if has_errors(problems) else replace(plan, measured=answer.measured)
    return Planned(found, problems, answer.error)


def plan_method(loaded: Loaded, data_root: Path | None, sample_shape: Shape | None) -> tuple[MethodPlan | None, Loaded]:
    """Return the plan of a checked method, or None where it has mistakes, and the method with what was found.

    Args:
        loaded: The method.
        data_root: Where data is looked for first, or None.
        sample_shape: The shape of a stored sample where neither the dataset nor its data tells it, or None.
    """
    if loaded.config is None:
        return None, loaded
    planner = _Planner(loaded.config, data_root, sample_shape)
    plans = tuple(planner.plans())
    loaded = loaded.with_findings(planner.found)
    if has_errors(loaded.problems):
        return None, loaded
    return MethodPlan(loaded.source, planner.config.name, plans), loaded


@dataclass
class _Planner:
    """Plans a method, dataset after dataset.

    Attributes:
        config: The method.
        data_root: Where data is looked for first, or None.
        sample_shape: The shape of a stored sample where nothing else tells it, or None.
        found: What is wrong with the method.
        seen: What patterns gave to mappings so far, by the shape of a sample: a dataset may be there to be scored only.
    """

    config: MethodConfig
    data_root: Path | None
    sample_shape: Shape | None
    found: list[Finding] = field(default_factory=list)
    seen: dict[Shape, dict[str, Given]] = field(default_factory=dict)

    def plans(self) -> Sequence[DatasetPlan]:
        """Return the plans of the datasets with which nothing is wrong.

        Networks are tried without weights. What fails so is tried again with weights: mistakes are those that are found
        then, in the words of the checks before a run.
        """
        with global_generator(self.config.seed, "plan"):
            return list(self._plans())

    def _plans(self) -> Iterator[DatasetPlan]:
        for dataset in self.config.datasets:
            look = self._look(dataset)
            if look is None:
                continue
            trial = Trial(self.config, dataset, look.samples)
            warnings = trial.findings()
            if warnings is not None:
                self.found += warnings
                yield from self._planned(dataset, look, trial.method, trial.data)
                continue
            preflight = Preflight(self.config.without_files(), self.data_root, Places(self.config.folder, ()), {})
            preflight.samples[dataset.name] = look.samples
            method, found = with_weights(preflight, dataset)
            self.found += found
            if method is not None and not found:
                yield from self._planned(dataset, look, method, rehearsal_data(dataset, look.samples, self.config.seed))

    def _look(self, dataset: DatasetConfig) -> Look | None:
        """Return what the samples of a dataset look like; None where that is not known or not right."""
        place = place_of(self.config, "datasets", dataset.name)
        try:
            look = look_of(dataset, self.config.folder, self.data_root, self.sample_shape)
        except DataError as error:
            self.found.append(Finding("RC501", str(error), "", place))
            return None
        found = []
        if look.samples.set_generator is not None and dataset.sets is None:
            message = f'dataset "{dataset.name}" generates sets, and has no samples of its own'
            found.append(Finding("RC502", message, 'Add "sets".', place))
        if look.count is not None and dataset.sets is None:
            found += size_findings(dataset, look.count, place)
        self.found += found
        return None if found else look

    def _planned(self, dataset: DatasetConfig, look: Look, method: Method, few: Data) -> Iterator[DatasetPlan]:
        """Yield the plan of a dataset, unless something is wrong with it after all."""
        phases, watch = self.config.phases_of(dataset), Watch()
        sample = view_shapes(dataset, look.samples)[0]
        try:
            with watch.over(method.mappings.values()):
                planned = tuple(plan_phases(phases, method, few, whole_data(dataset, look)))
            size = set_size(dataset)
            seen = self.seen.setdefault(sample, {})
            seen |= watch.seen
            feeding = Feeding(sample, size, dataset.num_clusters, seen)
            networks = plan_networks(self.config, feeding)
        except DataError as error:
            place = place_of(self.config, "datasets", dataset.name)
            self.found.append(Finding("RC502", str(error), "", place))
        except MappingError as error:
            place = place_of(self.config, "mappings", error.mapping)
            self.found.append(Finding("RC503", str(error), "", place))
        else:
            known = look.source, look.count
            yield DatasetPlan(dataset.name, dataset.dataset, sample, *known, size, networks, planned)
