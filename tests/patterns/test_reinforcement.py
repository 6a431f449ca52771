import inspect
from itertools import product

import pytest
import torch

from recombine.checks import needs_of
from recombine.errors import NetworkError
from recombine.patterns.reinforcement import Reinforcement
from tests.patterns.world import GivenAssignments, assert_finite_with_gradient, saturated, schema_errors, spelt_out

DISTANCE = "threshold_on_feature_representation_distance_to_centroid"
SOFT = "threshold_on_soft_assignment_to_cluster"
L2_WEIGHT = "l2_distance_of_feature_representation_to_centroid"
GAUSSIAN = "gaussian_kernel_based_similarity_of_feature_representation_to_centroid"
SOFT_WEIGHT = "soft_assignment_of_sample_to_cluster"
SAMPLE_SELECTIONS = ["all_samples", DISTANCE, SOFT]
CLUSTER_SELECTIONS = ["all_clusters", "nearest_centroid", "argmax_of_soft_assignments"]
WEIGHTS = ["unit", L2_WEIGHT, GAUSSIAN, SOFT_WEIGHT]
REPRESENTATIONS = [
    ("original_sample", "centroid_processed_by_decoder", "l2"),
    ("decoder_reconstructed_sample", "centroid_processed_by_decoder", "l2"),
    ("feature_representation", "centroid", "l2"),
    ("soft_assignments", "pseudolabel", "l2"),
    ("soft_assignments", "pseudolabel", "cross_entropy"),
    ("original_sample", "centroid_processed_by_decoder", "euclidean"),
    ("decoder_reconstructed_sample", "centroid_processed_by_decoder", "euclidean"),
    ("feature_representation", "centroid", "euclidean"),
    ("soft_assignments", "pseudolabel", "euclidean"),
]
OPTIONS = [name for name in inspect.signature(Reinforcement).parameters]
BLOCK = {
    "pattern": "reinforcement",
    "loss_type": "l2",
    "sample_selection_criterion": "all_samples",
    "cluster_selection_criterion": "all_clusters",
    "sample_representation": "feature_representation",
    "cluster_representation": "centroid",
}
K_MEANS_LOSS = BLOCK | {"loss_type": "euclidean", "cluster_selection_criterion": "nearest_centroid"}
RUNNING = {"centroid_update": "running_means"}
MAPPINGS = {"associated_encoder_name": "encoder", "associated_decoder_name": "decoder"}
THRESHOLDS = {DISTANCE: 1.5, SOFT: 0.27}


def block_of(representation, clusters, samples, weight, **others):
    sample, cluster, loss = representation
    return BLOCK | {
        "sample_representation": sample,
        "cluster_representation": cluster,
        "loss_type": loss,
        "cluster_selection_criterion": clusters,
        "sample_selection_criterion": samples,
        "sample_cluster_pair_loss_weighting_term": weight,
        **MAPPINGS,
        **THRESHOLDS,
        **others,
    }


class Slowly:
    """The same loss, pair by pair."""

    def __init__(self, world, block):
        self.block = block
        self.encoder, self.decoder = world.mappings["encoder"], world.mappings["decoder"]
        view = block.get("batch_augmentation_name", "plain")
        self.x = world.views[view][:8]
        self.mu = world.centroids
        self.z = self.encoder(self.x)
        classifier = world.mappings.get(block.get("classifier_name"))
        self.q = world.step().log_probs(view, classifier).exp()
        self.d = [[((z - mu) ** 2).sum() for mu in self.mu] for z in self.z]

    def loss(self):
        pairs = [pair for pair in product(range(8), range(4)) if self.selected(*pair)]
        return sum((self.weight(*pair) * self.pair_loss(*pair) for pair in pairs), self.q.sum() * 0) / 8

    def selected(self, i, k):
        by_cluster = {
            "all_clusters": True,
            "nearest_centroid": self.d[i][k] == min(self.d[i]),
            "argmax_of_soft_assignments": self.q[i, k] == self.q[i].max(),
        }
        by_sample = {
            "all_samples": True,
            DISTANCE: self.d[i][k] ** 0.5 < THRESHOLDS[DISTANCE],
            SOFT: self.q[i, k] >= THRESHOLDS[SOFT],
        }
        chosen = self.block["cluster_selection_criterion"], self.block["sample_selection_criterion"]
        return by_cluster[chosen[0]] and by_sample[chosen[1]]

    def weight(self, i, k):
        kernel = [torch.exp(-distance) for distance in self.d[i]]
        return {
            "unit": 1,
            L2_WEIGHT: self.d[i][k],
            GAUSSIAN: kernel[k] / sum(kernel),
            SOFT_WEIGHT: self.q[i, k],
        }[self.block["sample_cluster_pair_loss_weighting_term"]]

    def pair_loss(self, i, k):
        if self.block["loss_type"] == "cross_entropy":
            return -torch.log(self.q[i, k])
        label = torch.zeros(4, dtype=torch.float64)
        label[k] = 1
        sample = {
            "original_sample": self.x[i],
            "decoder_reconstructed_sample": self.decoder(self.z)[i],
            "feature_representation": self.z[i],
            "soft_assignments": self.q[i],
        }[self.block["sample_representation"]]
        cluster = {
            "centroid": self.mu[k],
            "centroid_processed_by_decoder": self.decoder(self.mu)[k],
            "pseudolabel": label,
        }[self.block["cluster_representation"]]
        squared = ((sample - cluster) ** 2).sum()
        return squared.sqrt() if self.block["loss_type"] == "euclidean" else squared


def assert_equal_with_gradients(world, block):
    found, expected = world.losses(world.build(block))["reinforcement"], Slowly(world, block).loss()
    torch.testing.assert_close(found, expected)
    parameters = list(world.method.parameters())
    gradients = [torch.autograd.grad(loss, parameters, materialize_grads=True) for loss in (found, expected)]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("samples", SAMPLE_SELECTIONS)
@pytest.mark.parametrize("clusters", CLUSTER_SELECTIONS)
@pytest.mark.parametrize("representation", REPRESENTATIONS, ids="-".join)
def test_every_combination_equals_the_sum_over_pairs(world, representation, clusters, samples, weight):
    block = block_of(representation, clusters, samples, weight)
    assert schema_errors(block) == []
    assert_equal_with_gradients(world, block)


def test_the_thresholds_of_these_tests_select_some_pairs_only(world):
    for criterion in (DISTANCE, SOFT):
        slow = Slowly(world, block_of(REPRESENTATIONS[0], "all_clusters", criterion, "unit"))
        assert 4 < sum(bool(slow.selected(i, k)) for i in range(8) for k in range(4)) < 28


@pytest.mark.parametrize("representation", REPRESENTATIONS, ids="-".join)
def test_works_on_another_view_with_a_classifier(world, representation):
    others = {"batch_augmentation_name": "view_1", "classifier_name": "classifier"}
    assert_equal_with_gradients(world, block_of(representation, CLUSTER_SELECTIONS[2], SOFT, SOFT_WEIGHT, **others))


def test_deep_k_means_pinned(world):
    with torch.no_grad():
        world.centroids.copy_(torch.eye(4, 3, dtype=torch.float64))
        for parameter in world.mappings["encoder"].parameters():
            parameter.zero_()
    # Features are 0: squared distances (1, 1, 1, 0), q = (1/2, 1/2, 1/2, 1) / 2.5.
    block = BLOCK | {"sample_cluster_pair_loss_weighting_term": SOFT_WEIGHT}
    assert world.losses(world.build(block))["reinforcement"].item() == pytest.approx(0.6)
    block = BLOCK | {"sample_selection_criterion": DISTANCE, DISTANCE: 1}
    assert world.losses(world.build(block))["reinforcement"].item() == 0
    block = BLOCK | {"sample_selection_criterion": DISTANCE, DISTANCE: 1.001}
    assert world.losses(world.build(block))["reinforcement"].item() == pytest.approx(3)
    block = block_of(REPRESENTATIONS[4], "all_clusters", SOFT, "unit") | {SOFT: 0.39}
    assert world.losses(world.build(block))["reinforcement"].item() == pytest.approx(0.9162907318741551)


def at_origin(world, positions):
    """Put the centroids at ``positions (K, D)``, and all features to 0."""
    with torch.no_grad():
        world.centroids.copy_(positions)
        for parameter in world.mappings["encoder"].parameters():
            parameter.zero_()


def test_the_k_means_loss_is_the_distance_to_the_nearest_centroid(world):
    at_origin(world, torch.tensor([[3.0, 4, 0], [0, 6, 8], [20, 0, 0], [0, 0, 7]], dtype=torch.float64))
    assert world.losses(world.build(K_MEANS_LOSS))["reinforcement"].item() == pytest.approx(5)
    squared = K_MEANS_LOSS | {"loss_type": "l2"}
    assert world.losses(world.build(squared))["reinforcement"].item() == pytest.approx(25)


@pytest.mark.parametrize("weight", ["unit", SOFT_WEIGHT])
@pytest.mark.parametrize("clusters", ["all_clusters", "nearest_centroid"])
def test_gradients_are_those_of_finite_differences_also_on_a_centroid(world, clusters, weight):
    changes = {"cluster_selection_criterion": clusters, "sample_cluster_pair_loss_weighting_term": weight}
    pattern, parameters = world.build(K_MEANS_LOSS | changes), on_a_centroid(world)
    assert torch.autograd.gradcheck(lambda *_: world.losses(pattern)["reinforcement"], parameters)


def test_on_a_centroid_nothing_is_pulled(world):
    parameters = on_a_centroid(world)
    loss = world.losses(world.build(K_MEANS_LOSS))["reinforcement"]
    assert loss.item() == 0
    assert not any(gradient.any() for gradient in torch.autograd.grad(loss, parameters))


def on_a_centroid(world):
    """Put all features on the first centroid; return the bias that they equal, and the centroids."""
    bias, positions = world.mappings["encoder"].layer("encoder_2").bias, world.centroids
    at_origin(world, torch.tensor([[1.0, 2, 0], [0, 0, 1], [-3, 5, 1], [4, -4, 2]], dtype=torch.float64))
    with torch.no_grad():
        bias.copy_(positions[0])
    return bias, positions


def test_the_threshold_on_distances_is_not_squared(world):
    with torch.no_grad():
        world.centroids.copy_(2 * torch.eye(4, 3, dtype=torch.float64))
        for parameter in world.mappings["encoder"].parameters():
            parameter.zero_()
    # Distances (2, 2, 2, 0); their squares would not be below 3.
    block = BLOCK | {"sample_selection_criterion": DISTANCE, DISTANCE: 3}
    assert world.losses(world.build(block))["reinforcement"].item() == pytest.approx(12)


def test_no_pair_selected_is_zero_with_gradient_zero(world):
    block = BLOCK | {"sample_selection_criterion": DISTANCE, DISTANCE: 1e-6}
    loss = world.losses(world.build(block))["reinforcement"]
    (gradient,) = torch.autograd.grad(loss, world.centroids)
    assert loss.item() == 0
    assert not gradient.any()


def test_the_decoder_gets_centroids_in_the_shape_of_features(world):
    block = block_of(REPRESENTATIONS[1], "all_clusters", "all_samples", "unit")
    expected = world.losses(world.build(block))["reinforcement"]
    world.mappings["encoder"].post_processing.append(as_image)
    world.mappings["decoder"].pre_processing.append(as_vector)
    torch.testing.assert_close(world.losses(world.build(block))["reinforcement"], expected)


def test_refuses_decoded_centroids_of_another_size(world):
    block = block_of(REPRESENTATIONS[0], "all_clusters", "all_samples", "unit", associated_decoder_name="head")
    with pytest.raises(NetworkError, match='mapping "head".* has 5 elements per sample instead of 12'):
        world.losses(world.build(block))


@pytest.mark.parametrize("clusters", [CLUSTER_SELECTIONS[0], CLUSTER_SELECTIONS[2]])
@pytest.mark.parametrize("samples", ["all_samples", SOFT])
@pytest.mark.parametrize("weight", ["unit", SOFT_WEIGHT])
@pytest.mark.parametrize("loss", ["l2", "euclidean", "cross_entropy"])
def test_saturated_assignments_stay_finite(clusters, samples, weight, loss):
    options = spelt_out(block_of(("soft_assignments", "pseudolabel", loss), clusters, samples, weight))
    fields = {name: options.get(name) for name in OPTIONS}
    log_probs = saturated(2, 3)
    pattern = Reinforcement(**fields | {"batch_augmentation": "plain"})
    assert_finite_with_gradient(pattern.losses(GivenAssignments(plain=log_probs)), log_probs)


@pytest.mark.parametrize(("threshold", "expected"), [(1.0, 0), (0.5, 0.34657359027997264)])
def test_soft_assignments_that_equal_the_threshold_are_selected(threshold, expected):
    log_probs = torch.tensor([[0.5, 0.25, 0.25], [1.0, 1e-300, 1e-300]], dtype=torch.float64).log()
    options = spelt_out(block_of(REPRESENTATIONS[4], "all_clusters", SOFT, "unit") | {SOFT: threshold})
    fields = {name: options.get(name) for name in OPTIONS}
    pattern = Reinforcement(**fields | {"batch_augmentation": "plain"})
    assert pattern.losses(GivenAssignments(plain=log_probs))["reinforcement"].item() == pytest.approx(expected)


def run_means(world, pattern, indices):
    """Let the centroids follow batches of the samples ``indices``; return them, and the counts of the pattern."""
    for index in indices:
        pattern.after_step(world.step(index))
    return world.centroids.detach().clone(), pattern.state_dict()["counts"].tolist()


def means_slowly(world, indices, count):
    """Do the same sample by sample: a batch is assigned, then each centroid takes its samples in, one at a time."""
    positions, counts = [row.clone() for row in world.centroids.detach()], [count] * 4
    features = world.mappings["encoder"](world.views["plain"]).detach()
    for index in indices:
        nearest = [min(range(4), key=lambda k, i=i: (features[i] - positions[k]).norm().item()) for i in index]
        for i, k in zip(index, nearest, strict=True):
            counts[k] += 1
            positions[k] = positions[k] + (features[i] - positions[k]) / counts[k]
    return torch.stack(positions), counts


@pytest.mark.parametrize("count", [0, 1, 100])
def test_running_means_equal_those_sample_by_sample(world, count):
    indices = [range(8), [20, 3, 3, 11], range(8, 24), [5]]
    expected = means_slowly(world, indices, count)
    pattern = world.build(K_MEANS_LOSS | RUNNING | {"centroid_update_initial_count": count})
    positions, counts = run_means(world, pattern, indices)
    torch.testing.assert_close(positions, expected[0])
    assert counts == expected[1]
    assert count in counts  # a centroid that is nearest to none stays


def test_running_means_from_nothing_are_the_means(world):
    with torch.no_grad():
        world.centroids[1:] = 1e3
    pattern = world.build(K_MEANS_LOSS | RUNNING | {"centroid_update_initial_count": 0})
    positions, counts = run_means(world, pattern, [range(8), range(8, 24)])
    torch.testing.assert_close(positions[0], world.mappings["encoder"](world.views["plain"]).detach().mean(0))
    assert counts == [24, 0, 0, 0]
    assert (positions[1:] == 1e3).all()


def test_running_means_start_at_a_hundred_samples(world):
    assert spelt_out(K_MEANS_LOSS | RUNNING)["centroid_update_initial_count"] == 100
    assert sum(run_means(world, world.build(K_MEANS_LOSS | RUNNING), [range(8)])[1]) == 4 * 100 + 8


def test_running_means_take_the_view_of_the_pattern_in_evaluation_mode(world):
    world.mappings["encoder"].layers.insert(2, torch.nn.Dropout(0.9))
    world.mappings["encoder"].layer_names.insert(2, "dropout")
    world.mappings["encoder"].train()
    block = K_MEANS_LOSS | RUNNING | {"centroid_update_initial_count": 0, "batch_augmentation_name": "view_1"}
    with torch.no_grad():
        world.centroids[1:] = 1e3
    positions, _ = run_means(world, world.build(block), [range(8)])
    assert all(module.training for module in world.mappings["encoder"].modules())
    expected = world.mappings["encoder"].eval()(world.views["view_1"][:8]).detach().mean(0)
    torch.testing.assert_close(positions[0], expected)


def test_running_means_go_on_from_their_state(world):
    pattern, resumed = (world.build(K_MEANS_LOSS | RUNNING) for _ in range(2))
    assert pattern.state_dict() == {}
    run_means(world, pattern, [range(8)])
    before = world.centroids.detach().clone()
    resumed.load_state_dict(pattern.state_dict())
    expected = run_means(world, pattern, [range(8, 16)])
    with torch.no_grad():
        world.centroids.copy_(before)
    found = run_means(world, resumed, [range(8, 16)])
    assert torch.equal(found[0], expected[0])
    assert found[1] == expected[1]


def test_without_running_means_the_centroids_stay(world):
    before = world.centroids.detach().clone()
    pattern = world.build(K_MEANS_LOSS)
    pattern.after_step(world.step())
    assert torch.equal(world.centroids, before)
    assert pattern.state_dict() == {}


def test_an_initial_count_goes_with_running_means_only():
    assert errors_of(centroid_update_initial_count=3) == [("not", "centroid_update_initial_count")]
    assert errors_of(centroid_update_initial_count=3, **RUNNING) == []
    assert errors_of(centroid_update_initial_count=-1, **RUNNING) == [("minimum", "centroid_update_initial_count")]


def test_options_are_frozen(world):
    with pytest.raises(AttributeError):
        world.build(BLOCK).loss_type = "cross_entropy"


def errors_of(**changes):
    block = {key: value for key, value in (BLOCK | changes).items() if value is not None}
    return [(error.validator, "/".join(map(str, error.path))) for error in schema_errors(block)]


@pytest.mark.parametrize("cluster", ["centroid", "pseudolabel"])
@pytest.mark.parametrize("sample", ["original_sample", "decoder_reconstructed_sample"])
def test_sample_space_goes_with_decoded_centroids_only(sample, cluster):
    found = errors_of(sample_representation=sample, cluster_representation=cluster, **MAPPINGS)
    assert found == [("const", "cluster_representation")]


@pytest.mark.parametrize("cluster", ["centroid_processed_by_decoder", "pseudolabel"])
def test_features_go_with_centroids_only(cluster):
    assert errors_of(cluster_representation=cluster) == [("const", "cluster_representation")]


@pytest.mark.parametrize("cluster", ["centroid_processed_by_decoder", "centroid"])
def test_soft_assignments_go_with_pseudolabels_only(cluster):
    found = errors_of(sample_representation="soft_assignments", cluster_representation=cluster)
    assert found == [("const", "cluster_representation")]


def test_cross_entropy_goes_with_pseudolabels_only():
    assert errors_of(loss_type="cross_entropy") == [("not", "loss_type")]
    assert errors_of(
        loss_type="cross_entropy",
        sample_representation="original_sample",
        cluster_representation="centroid_processed_by_decoder",
        **MAPPINGS,
    ) == [("not", "loss_type")]


@pytest.mark.parametrize("criterion", [DISTANCE, SOFT])
def test_thresholds_are_required_where_they_are_used(criterion):
    assert errors_of(sample_selection_criterion=criterion) == [("required", "")]
    assert errors_of(sample_selection_criterion=criterion, **{criterion: 0.5}) == []


def test_decoder_and_encoder_are_required_where_they_are_used():
    decoded = {"cluster_representation": "centroid_processed_by_decoder"}
    assert errors_of(sample_representation="original_sample", **decoded) == [("required", "")]
    assert errors_of(sample_representation="decoder_reconstructed_sample", **decoded) == [("required", "")] * 2


@pytest.mark.parametrize("threshold", [-0.1, 1.1])
def test_soft_assignments_are_between_0_and_1(threshold):
    assert [path for _, path in errors_of(**{SOFT: threshold})] == [SOFT]


@pytest.mark.parametrize(
    ("changes", "needs"),
    [
        ({}, {"centroids"}),
        ({"sample_cluster_pair_loss_weighting_term": SOFT_WEIGHT}, {"centroids", "soft_assignments"}),
        ({"centroid_update": "running_means"}, {"centroids", "centroids_that_it_may_move"}),
        (
            {"sample_representation": "soft_assignments", "cluster_representation": "pseudolabel"},
            {"soft_assignments"},
        ),
        (
            {
                "sample_representation": "soft_assignments",
                "cluster_representation": "pseudolabel",
                "classifier_name": "classifier",
            },
            set(),
        ),
        (
            {
                "sample_representation": "soft_assignments",
                "cluster_representation": "pseudolabel",
                "cluster_selection_criterion": "nearest_centroid",
            },
            {"centroids", "soft_assignments"},
        ),
    ],
)
def test_needs(changes, needs):
    assert needs_of(spelt_out(BLOCK | changes)) == needs


def as_image(x):
    return x.reshape(-1, 1, 3)


def as_vector(x):
    assert x.shape[1:] == (1, 3)
    return x.flatten(1)
