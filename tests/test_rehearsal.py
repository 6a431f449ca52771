from pathlib import Path

import pytest
import torch

from recombine import rehearsal
from recombine.build import build_method, build_objectives, load_samples
from recombine.load import load_dict, load_file
from recombine.places import Places
from recombine.plan_samples import made_samples
from recombine.preflight import Preflight
from recombine.rehearsal import optimizer_findings, phase_findings, rehearsal_data, rehearse_objective
from tests.methods import found_with_data, rich, small

PHASE, PATTERN, OPTIMIZER = "/phases/0", "/phases/0/design_patterns/0", "/phases/0/optimizers/0"
SCHEDULERS = "/phases/0/optimizer_learning_rate_schedulers"
BENCH = Path(__file__).resolve().parent.parent / "bench"
#: What writes on the same group as the small method's own optimizer, but has nothing to do with its loss.
IDLE = {
    "name": "idle",
    "type": "design_pattern_specific",
    "layers": [{"type": "Linear", "in_features": 1, "out_features": 1}],
}


def prepared(method):
    """Return the first phase, the networks and a small batch of a method."""
    config = load_dict(method).require()
    (dataset,) = config.datasets
    data = rehearsal_data(dataset, load_samples(dataset, config.folder, None), config.seed)
    return config.phases[0], build_method(config, dataset.num_clusters, data.sample_shape()), data


def names_of(parameters, networks):
    """Return the names of the mappings to which parameters belong."""
    owners = {p: name for name, mapping in networks.mappings.items() for p in mapping.parameters()}
    return {owners[parameter] for parameter in parameters}


def layer_wise(*pairs):
    """Return the small method with layer-wise pretraining of pairs of layers."""
    block = {
        "pattern": "layer_wise_pretraining",
        "encoder_name": "encoder",
        "decoder_name": "decoder",
        "dropout_rate": 0.1,
        "encoder_decoder_layer_pairs": [
            {"encoder_layer_names": encoder, "decoder_layer_names": decoder, "train_for_iterations": 3}
            for encoder, decoder in pairs
        ],
    }
    inner = {"type": "Linear", "name": "inner", "in_features": 3, "out_features": 8}
    outer = {"type": "Linear", "name": "outer", "in_features": 8, "out_features": 64}
    return small({PATTERN: block, "/mappings/1/layers": [inner, outer]})


def test_a_rehearsal_sees_a_few_samples_of_every_view():
    _, _, data = prepared(rich())
    assert (data.num_samples, data.batches_per_epoch) == (8, 1)
    assert sorted(data.training_batch("x", 0, ["plain", "view_1"]).views) == ["plain", "view_1"]


def test_each_loss_tells_what_it_depends_on():
    phase, networks, data = prepared(rich())
    reconstruction, adversarial = build_objectives(phase, networks)
    reached = rehearse_objective(reconstruction, phase, networks, data)
    assert names_of(reached["reconstruction"], networks) == {"encoder", "decoder"}
    reached = rehearse_objective(adversarial, phase, networks, data)
    assert names_of(reached["adversarial_interpolation.critic"], networks) == {"critic"}
    assert names_of(reached["adversarial_interpolation.autoencoder"], networks) >= {"encoder", "decoder"}


def test_a_rehearsal_moves_nothing():
    phase, networks, data = prepared(rich())
    before = {name: value.clone() for name, value in networks.named_parameters()}
    assert list(phase_findings(phase, networks, data, PHASE)) == []
    assert all(torch.equal(before[name], value) for name, value in networks.named_parameters())
    assert all(value.grad is None for value in networks.parameters())


def test_patterns_are_tried_at_every_stage():
    good = layer_wise((["hidden", "ReLU_2"], ["outer"]), (["Linear_3"], ["inner"]))
    assert found_with_data(good) == []
    (found,) = found_with_data(layer_wise((["hidden", "ReLU_2"], ["outer"]), (["Linear_3"], ["outer"])))
    assert found.startswith(
        'error RC503 at /mappings/1/layers/1: the pattern "layer_wise_pretraining" cannot work on these networks'
    )
    phase, networks, data = prepared(good)
    (objective,) = build_objectives(phase, networks)
    reached = rehearse_objective(objective, phase, networks, data)["layer_wise_pretraining"]
    assert len(reached) == 8


def test_an_optimizer_whose_mappings_no_loss_depends_on_trains_nothing():
    changes = {"/mappings/2": IDLE, "/phases/0/optimizers/1": {"type": "SGD", "trained_mapping_names": ["idle"]}}
    assert found_with_data(small(changes)) == [
        'error RC402 at /phases/0/optimizers/1: optimizer "SGD_1" trains nothing: no loss of its group depends on its '
        "mappings. Name other mappings, or remove it."
    ]


def test_a_loss_whose_mappings_no_optimizer_of_its_group_trains_is_not_minimised():
    changes = {"/mappings/2": IDLE, f"{OPTIMIZER}/trained_mapping_names": ["idle"]}
    assert found_with_data(small(changes)) == [
        f'error RC403 at {PATTERN}: no optimizer of group "default" trains anything that the loss "reconstruction" '
        f"depends "
        'on. Name its mappings in "trained_mapping_names".'
    ]
    changes = {"/phases/0/optimizers/1/trained_mappings": ["head"]}
    assert found_with_data(rich(changes)) == [
        'error RC403 at /phases/0/design_patterns/1: no optimizer of group "critic" trains anything that the loss '
        '"adversarial_interpolation.critic" depends on. Name its mappings in "trained_mapping_names".'
    ]


def test_a_loss_of_weight_zero_is_still_a_loss():
    assert found_with_data(small({f"{PATTERN}/loss_weight": 0})) == []


def test_centroids_alone_are_something_to_train():
    strategy = {"type": "centroid_similarity", "use_centroids_during_phases": ["training"]}
    block = {"pattern": "target_distribution", "target_distribution_recalculation_interval": 1}
    optimizer = {"type": "SGD", "optimizes_centroids": True}
    assert (
        found_with_data(small({"/cluster_assignment_strategy": strategy, PATTERN: block, OPTIMIZER: optimizer})) == []
    )


def test_each_optimizer_and_scheduler_is_tried_by_itself():
    changes = {
        SCHEDULERS: [
            {"type": "StepLR", "optimizer_name": "SGD_1", "step_size": 0},
            {"type": "ExponentialLR", "optimizer_name": "SGD_1", "gamma": 0.9},
            {"type": "ReduceLROnPlateau", "optimizer_name": "Adam_0", "mode": "up"},
            {"type": "ReduceLROnPlateau", "optimizer_name": "Adam_0", "patience": 2},
            {
                "type": "SequentialLR",
                "optimizer_name": "Adam_0",
                "schedulers": [{"type": "ConstantLR"}, {"type": "ExponentialLR", "gamma": 0.9}],
                "milestones": [2],
            },
        ],
        "/phases/0/optimizers/1": {"type": "SGD", "trained_mapping_names": ["encoder"]},
    }
    phase, networks, _ = prepared(small(changes))
    found = [(finding.pointer, finding.message) for finding in optimizer_findings(phase, networks, PHASE)]
    assert found == [
        (f"{SCHEDULERS}/0", "StepLR refuses its arguments: integer modulo by zero"),
        (f"{SCHEDULERS}/2", "ReduceLROnPlateau refuses its arguments: mode up is unknown!"),
    ]


def test_the_schedulers_of_a_broken_optimizer_are_not_blamed():
    empty = {"name": "empty", "type": "design_pattern_specific"}
    changes = {
        "/mappings/2": empty,
        f"{OPTIMIZER}/trained_mapping_names": ["empty"],
        SCHEDULERS: [{"type": "StepLR", "optimizer_name": "Adam_0", "step_size": 1}],
    }
    assert [text.split(": ")[0] for text in found_with_data(small(changes))] == [f"error RC402 at {OPTIMIZER}"]


@pytest.mark.parametrize("name", ["every_pattern", "every_set_pattern"])
def test_a_loss_is_computed_from_what_gets_gradients_of_it(name, monkeypatch):
    config = load_file(BENCH / f"{name}.json").require()
    compared = []
    by_gradients = rehearsal._reached

    def by_both(loss, method):
        found = set(by_gradients(loss, method))
        assert rehearsal._leaves(loss).intersection(method.parameters()) == found
        compared.append(len(found))
        return iter(found)

    monkeypatch.setattr(rehearsal, "_reached", by_both)
    for dataset in config.datasets:
        preflight = Preflight(config, None, Places(config.folder, ()), {})
        preflight.samples[dataset.name] = made_samples(dataset, config.folder)
        assert preflight.rehearse(dataset, None)[1] == []
    assert len(compared) >= 10
    assert min(compared) > 0
