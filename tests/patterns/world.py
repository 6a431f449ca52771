"""A small method with data, on which patterns are built from their blocks and run."""

import copy

import torch
from jsonschema import Draft202012Validator
from torch import nn

from recombine import registry, schemas
from recombine.assignment.base import StrategyContext
from recombine.assignment.centroid_similarity import CentroidSimilarity
from recombine.assignment.centroids import Centroids
from recombine.clock import Clock
from recombine.config import frozen
from recombine.layers import SetPooling
from recombine.mapping import SETS, Mapping
from recombine.method import Method
from recombine.normalize import Normalizer
from recombine.pattern_arguments import pattern_arguments
from recombine.randomness import generator
from recombine.step import CLASSES, Batch, Forward, Step, StepContext

SAMPLES, ELEMENTS, FEATURES, CLUSTERS, SEED = 24, 12, 3, 4, 7
SETS_OF_A_BATCH = 2


def spelt_out(block):
    """Return a pattern's block with the short identifier and all defaults, its options in the file's own names."""
    entry = next(entry for entry in registry.patterns().values() if block["pattern"] in (entry.id, *entry.aliases))
    return Normalizer().normalize(copy.deepcopy(block), [entry.subschema])


def schema_errors(block):
    """Return the errors of a pattern's block against its schema, defaults filled in."""
    block = spelt_out(block)
    reference = {"$ref": f"recombine:/{registry.patterns()[block['pattern']].schema_file}"}
    return list(Draft202012Validator(reference, registry=schemas.registry()).iter_errors(block))


class World:
    """An encoder 12-8-3, a decoder, a head, a classifier, a critic, a discriminator, centroids, and three views.

    Args:
        dtype: The type of all parameters and samples.
    """

    def __init__(self, dtype=torch.float64):
        with torch.random.fork_rng():
            torch.manual_seed(SEED)
            self.mappings = {mapping.name: mapping for mapping in _mappings()}
        encoder = self.mappings["encoder"]
        self.mappings["classifier"].prior = encoder
        for name in ("set_network", "count_head", "assignment_head"):
            self.mappings[name].prior, self.mappings[name].works_on = encoder, SETS
        centroids = Centroids(encoder, CLUSTERS, FEATURES)
        context = StrategyContext(
            self.mappings, encoder, CLUSTERS, FEATURES, SEED, centroids=centroids, uses_centroids=("phase",)
        )
        strategy = CentroidSimilarity(
            context,
            similarity_measure="student_t",
            gaussian_similarity_measure_inverse_temperature={"fixed_value": 1.0},
        )
        self.method = Method(list(self.mappings.values()), strategy, centroids).to(dtype).train()
        self.graph = None
        self.classes = torch.arange(SAMPLES) % 3
        draws = generator(SEED, "world")
        centroids.place(torch.randn(CLUSTERS, FEATURES, generator=draws, dtype=torch.float64).to(dtype))
        samples = torch.randn(SAMPLES, ELEMENTS, generator=draws, dtype=torch.float64)
        noise = torch.randn(2, SAMPLES, ELEMENTS, generator=draws, dtype=torch.float64) / 4
        self.views = {
            "plain": samples.to(dtype),
            "view_1": (samples + noise[0]).to(dtype),
            "view_2": (samples + noise[1]).to(dtype),
        }

    @property
    def centroids(self):
        """The positions of the centroids, (K, D)."""
        return self.method.centroids.positions

    def build(self, block):
        """Return the pattern that a block describes."""
        block = spelt_out(block)
        entry = registry.patterns()[block["pattern"]]
        arguments = pattern_arguments(entry.subschema, frozen(block), self.mappings)
        return entry.implementation()(**arguments)

    def step(self, index=range(8), iteration=0, *, centroids_changed=False, trained=None):
        """Return a fresh step over the samples ``index``, of a phase that trains some mappings; None: any."""
        index = torch.tensor(list(index))
        views = {name: view[index] for name, view in self.views.items()}
        num_sets = SETS_OF_A_BATCH if len(index) % SETS_OF_A_BATCH == 0 and len(index) > SETS_OF_A_BATCH else 1
        batch = Batch(index, views | {CLASSES: self.classes[index]}, num_sets)
        trained = None if trained is None else frozenset(trained)
        device = torch.device("cpu")
        context = StepContext(
            SEED, "data", device, self.full_pass, lambda: centroids_changed, self.graph, trained, same_class_share=share
        )
        return Step(self.method, batch, Clock("phase", iteration, 0, 3), context)

    def losses(self, pattern, **options):
        """Return the losses of a fresh step, with torch's global generator seeded."""
        step = self.step(**options)
        pattern.before_step(step)
        with torch.random.fork_rng():
            torch.manual_seed(SEED)
            return pattern.losses(step)

    def full_pass(self, compute):
        """Return ``compute`` over the plain view of all samples."""
        self.method.eval()
        with torch.no_grad():
            result = compute(Forward(self.method, Batch(torch.arange(SAMPLES), {"plain": self.views["plain"]})))
        self.method.train()
        return result


def share():
    """Return the share of pairs of samples of a set that are of the same class."""
    return 0.3


def _mappings():
    encoder = [
        ("encoder_1", nn.Linear(ELEMENTS, 8)),
        ("encoder_relu_1", nn.ReLU()),
        ("encoder_2", nn.Linear(8, FEATURES)),
    ]
    decoder = [
        ("decoder_2", nn.Linear(FEATURES, 8)),
        ("decoder_relu_2", nn.ReLU()),
        ("decoder_1", nn.Linear(8, ELEMENTS)),
    ]
    classifier = [("classifier_1", nn.Linear(FEATURES, CLUSTERS)), ("classifier_softmax", nn.Softmax(1))]
    return [
        Mapping("encoder", "feature_extractor", encoder),
        Mapping("decoder", "design_pattern_specific", decoder),
        Mapping("head", "design_pattern_specific", [("head_1", nn.Linear(FEATURES, 5))]),
        Mapping("classifier", "feature_space_classifier", classifier, softmax_layer="classifier_softmax"),
        Mapping("critic", "design_pattern_specific", [("critic_1", nn.Linear(ELEMENTS, 1))]),
        Mapping("set_network", "design_pattern_specific", [("set_1", nn.Linear(FEATURES, 6))]),
        Mapping("count_head", "design_pattern_specific", [("pool", SetPooling()), ("count", nn.Linear(6, 3))]),
        Mapping("assignment_head", "design_pattern_specific", [("assign", nn.Linear(FEATURES, 1 + 2 + 3))]),
        Mapping("discriminator", "design_pattern_specific", [("discriminator_1", nn.Linear(ELEMENTS, 1))]),
    ]


class GivenAssignments:
    """Stands for a step of which only the log soft assignments matter.

    Args:
        views: Log soft assignments ``(B, K)`` by view.
        whole: What a full pass gives, ``(N, K)``.
        iteration: The iteration of the phase.
    """

    centroids_changed = False

    def __init__(self, whole=None, iteration=0, **views):
        self.views = views
        self.whole = whole
        self.clock = Clock("phase", iteration, 0, 1)
        self.index = torch.arange(len(next(iter(views.values()))))

    def log_probs(self, view="plain", classifier=None):
        """Return what was given for the view."""
        assert classifier is None
        return self.views[view]

    def full_pass(self, compute):
        """Return what was given for the whole dataset, as a tensor of the caller's own."""
        return compute(GivenAssignments(plain=self.whole)).detach().clone()


def saturated(rows, clusters, log_prob=-1e4):
    """Return log soft assignments ``(B, K)`` that are certain: 0 for cluster 0 or 1 in turn, else ``log_prob``."""
    log_probs = torch.full((rows, clusters), log_prob)
    log_probs[torch.arange(rows), torch.arange(rows) % 2] = 0
    return log_probs.requires_grad_()


def assert_finite_with_gradient(losses, leaf):
    """Assert that the losses are finite, and their gradient in ``leaf`` as well."""
    total = sum(losses.values())
    (gradient,) = torch.autograd.grad(total, leaf)
    assert torch.isfinite(total)
    assert torch.isfinite(gradient).all()
