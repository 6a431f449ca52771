"""A method of a few units on made images, trained in milliseconds."""

import copy
from dataclasses import dataclass, field
from pathlib import Path

import torch

from recombine.build import build_data
from recombine.callbacks.base import Callback
from recombine.callbacks.text_log import TextLog
from recombine.datasets.base import Samples
from recombine.datasets.pointsets import PointSets
from recombine.engines.single import SingleDevice
from recombine.load import load_dict
from recombine.loop import Run, new_state, run_dataset, run_method
from recombine.state import Origin

PIXELS, CLASSES = 6, 3

METHOD = {
    "name": "tiny",
    "device": "cpu",
    "mappings": [
        {
            "name": "encoder",
            "type": "feature_extractor",
            "layers": [
                {"type": "Flatten"},
                {"type": "Linear", "name": "first", "in_features": PIXELS, "out_features": 4},
                {"type": "ReLU"},
                {"type": "Linear", "name": "last", "in_features": 4, "out_features": 2},
            ],
        },
        {
            "name": "decoder",
            "type": "design_pattern_specific",
            "layers": [{"type": "Linear", "in_features": 2, "out_features": PIXELS}],
        },
    ],
    "phases": [
        {
            "name": "training",
            "order": 0,
            "exit_criteria": {"iterations": 5},
            "design_patterns": [
                {"pattern": "reconstruction", "encoder_name": "encoder", "decoder_name": "decoder"},
            ],
            "optimizers": [{"type": "SGD", "lr": 0.01, "trained_mapping_names": ["encoder", "decoder"]}],
        },
    ],
    "cluster_assignment_strategy": {
        "type": "centroid_similarity",
        "use_centroids_during_phases": ["training"],
        "centroid_initialization_strategy": "random_feature_representations",
    },
    "datasets": [{"dataset": "Digits", "name": "made", "batch_size": 5, "num_clusters": CLASSES, "shuffle": True}],
}


def made(count=23, seed=0, shape=(1, 2, 3)):
    """Return ``count`` images of three classes: each class has two bright pixels of its own."""
    draws = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % CLASSES
    images = torch.randint(0, 60, (count, torch.Size(shape).numel()), generator=draws)
    images[torch.arange(count), 2 * labels] += 150
    images[torch.arange(count), 2 * labels + 1] += 150
    return Samples(images.to(torch.uint8).reshape(count, *shape), labels)


def made_for(dataset):
    """Return made images, or for sets of points what makes those."""
    return PointSets().decode() if dataset.dataset == "PointSets" else made()


def method(**changes):
    """Return a copy of the method; ``phase``, ``strategy`` and ``dataset`` update the only one of each."""
    changed = copy.deepcopy(METHOD)
    changed["phases"][0] |= changes.pop("phase", {})
    changed["datasets"][0] |= changes.pop("dataset", {})
    changed["mappings"] += changes.pop("more_mappings", [])
    return changed | changes


@dataclass
class Trained:
    """What a run left behind.

    Attributes:
        state: The state at the end.
        scored: The final word on each dataset.
        log: The lines of the text log.
        lengths: Iterations of each phase that ended, in order.
        reasons: Why they ended.
    """

    state: object = None
    scored: list = field(default_factory=list)
    log: list = field(default_factory=list)
    lengths: list = field(default_factory=list)
    reasons: list = field(default_factory=list)

    @property
    def method(self):
        """The trained networks."""
        return self.state.method

    def bits(self):
        """Return everything trained, by name, as tensors."""
        tensors = {name: value.clone() for name, value in self.method.state_dict().items() if torch.is_tensor(value)}
        evaluation = self.scored[-1].evaluation
        if evaluation is None:
            return tensors
        return tensors | {"clusters": evaluation.clusters, "confidence": evaluation.confidence}


class _Recorder(Callback):
    def __init__(self, trained):
        self.trained = trained

    def phase_started(self, phase, state):
        self.trained.state = state

    def phase_ended(self, phase, state, reason):
        self.trained.lengths.append(state.clock.iteration)
        self.trained.reasons.append(reason)


def config_of(description):
    """Return the frozen configuration of a valid method."""
    return load_dict(description).require()


def train(description, callbacks=(), samples=None, folder=Path(), engine=None):
    """Train a method; ``samples`` holds its data by dataset name, the made images where absent."""
    config = config_of(description)
    data = {dataset.name: made_for(dataset) for dataset in config.datasets} | (samples or {})
    trained = Trained()
    everyone = [_Recorder(trained), TextLog(trained.log.append), *callbacks]
    trained.scored = run_method(Run(config, data, engine or SingleDevice(config.device), everyone, folder))
    return trained


def train_unobserved(description):
    """Train a method of one dataset without a single callback."""
    config = config_of(description)
    (dataset,) = config.datasets
    run = Run(config, {dataset.name: made()}, SingleDevice(config.device), (), Path())
    data = build_data(dataset, run.samples[dataset.name], config.seed, run.engine.device)
    with torch.random.fork_rng():
        state = new_state(run, Origin(dataset.num_clusters, data.sample_shape()))
        return Trained(state, [run_dataset(run, dataset, data, state)])


def same(first, second):
    """Tell whether two dicts of tensors hold the same bits."""
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
