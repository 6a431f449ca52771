import torch

from recombine.build import build_method, load_samples
from recombine.load import load_dict
from recombine.plan_phases import ends_in_words, iterations_of, named, owners, plan_phases, turns_of
from recombine.rehearsal import rehearsal_data
from tests.methods import rich, small
from tests.set_methods import OF_DIGITS

PHASE = "/phases/0"
CYCLE = [
    {"active_optimizer_names": ["Adam_0"], "num_iterations": 3},
    {"active_optimizer_names": ["rival"], "num_iterations": 1},
    {"active_optimizer_names": ["Adam_0", "rival"], "num_iterations": 2},
]
IDLE = {
    "name": "unused",
    "type": "design_pattern_specific",
    "layers": [{"type": "Linear", "in_features": 1, "out_features": 1}],
}


def prepared(method):
    """Return the configuration, the networks and a small batch of a method."""
    config = load_dict(method).require()
    (dataset,) = config.datasets
    data = rehearsal_data(dataset, load_samples(dataset, config.folder, None), config.seed)
    networks = build_method(config, dataset.num_clusters, data.sample_shape())
    if networks.centroids is not None:
        networks.centroids.place(torch.rand(networks.centroids.positions.shape))
    return config, networks, data


def plans(method):
    """Return the phases of a method, planned."""
    config, networks, data = prepared(method)
    return list(plan_phases(config.phases, networks, data, None))


def test_losses_reach_what_they_depend_on_and_optimizers_move_what_is_theirs():
    pretraining, finetuning = plans(rich())
    reached = {loss.name: loss.reaches for loss in pretraining.losses}
    assert reached == {
        "reconstruction": ("encoder", "decoder"),
        "adversarial_interpolation.autoencoder": ("encoder", "decoder", "critic"),
        "adversarial_interpolation.critic": ("critic",),
    }
    moved = {loss.name: [(one.optimizer, one.trains) for one in loss.steppings] for loss in pretraining.losses}
    assert moved == {
        "reconstruction": [("SGD_0", ("encoder", "decoder"))],
        "adversarial_interpolation.autoencoder": [("SGD_0", ("encoder", "decoder"))],
        "adversarial_interpolation.critic": [("rival", ("critic",))],
    }
    target = finetuning.losses[1]
    assert target.reaches == target.steppings[0].trains == ("encoder", "centroids")


def test_weights_and_schedules_are_told():
    schedule = {"start_at_iteration": 5, "warm_up_iterations": 7}
    block = f"{PHASE}/design_patterns/0"
    (phase,) = plans(small({f"{block}/loss_weight": 0.5, f"{block}/loss_weight_schedule": schedule}))
    (loss,) = phase.losses
    assert (loss.weight, loss.start_at_iteration, loss.warm_up_iterations) == (0.5, 5, 7)
    assert (loss.group, loss.views) == ("default", ("plain",))


def test_optimizers_take_turns():
    rival = {"type": "SGD", "name": "rival", "trained_mapping_names": ["decoder"]}
    changes = {f"{PHASE}/optimizers/0/trained_mapping_names": ["encoder"], f"{PHASE}/optimizers/1": rival}
    (phase,) = plans(small({**changes, f"{PHASE}/optimizer_cycle": CYCLE}))
    assert phase.cycle == 6
    assert [(one.name, one.iterations) for one in phase.optimizers] == [
        ("Adam_0", ((0, 2), (4, 5))),
        ("rival", ((3, 5),)),
    ]
    (loss,) = phase.losses
    assert [(one.optimizer, one.trains, one.iterations) for one in loss.steppings] == [
        ("Adam_0", ("encoder",), ((0, 2), (4, 5))),
        ("rival", ("decoder",), ((3, 5),)),
    ]


def test_optimizers_of_groups_take_turns_on_their_own_losses():
    cycle = [
        {"active_optimizer_names": ["rival"], "num_iterations": 2},
        {"active_optimizer_names": ["SGD_0"], "num_iterations": 1},
    ]
    phase = plans(rich({f"{PHASE}/optimizer_cycle": cycle}))[0]
    assert (phase.cycle, [(one.group, one.iterations) for one in phase.optimizers]) == (
        3,
        [("autoencoder", ((2, 2),)), ("critic", ((0, 1),))],
    )
    assert {loss.name: [(one.optimizer, one.iterations) for one in loss.steppings] for loss in phase.losses} == {
        "reconstruction": [("SGD_0", ((2, 2),))],
        "adversarial_interpolation.autoencoder": [("SGD_0", ((2, 2),))],
        "adversarial_interpolation.critic": [("rival", ((0, 1),))],
    }


def test_a_loss_without_weight_stays_in_the_plan():
    (phase,) = plans(small({f"{PHASE}/design_patterns/0/loss_weight": 0}))
    (loss,) = phase.losses
    assert (loss.weight, loss.reaches, len(loss.steppings)) == (0, ("encoder", "decoder"), 1)


def test_what_a_loss_reaches_at_any_stage_counts():
    pairs = [
        {"encoder_layer_names": [encoder], "decoder_layer_names": [decoder], "train_for_iterations": 3}
        for encoder, decoder in (("hidden", "outer"), ("Linear_3", "inner"))
    ]
    names = {"encoder_name": "encoder", "decoder_name": "decoder"}
    block = {"pattern": "layer_wise_pretraining", **names, "dropout_rate": 0.1, "encoder_decoder_layer_pairs": pairs}
    inner = {"type": "Linear", "name": "inner", "in_features": 3, "out_features": 8}
    outer = {"type": "Linear", "name": "outer", "in_features": 8, "out_features": 64}
    (phase,) = plans(small({f"{PHASE}/design_patterns/0": block, "/mappings/1/layers": [inner, outer]}))
    (loss,) = phase.losses
    assert (loss.reaches, phase.optimizers[0].idle) == (("encoder", "decoder"), ())


def test_losses_of_sets_reach_the_heads_that_they_use():
    (phase,) = plans(OF_DIGITS)
    assert {loss.name: loss.reaches for loss in phase.losses} == {
        "cluster_count": ("encoder", "network", "count_head"),
        "pairwise_clustering": ("encoder", "network", "count_head", "assignment_head"),
    }


def test_without_a_cycle_all_step_in_every_iteration():
    config, _, _ = prepared(small())
    assert turns_of(config.phases[0], "Adam_0") == ((0, 0),)


def test_what_an_optimizer_holds_for_nothing_is_told():
    changes = {"/mappings/2": IDLE, f"{PHASE}/optimizers/0/trained_mapping_names": ["encoder", "decoder", "unused"]}
    (phase,) = plans(small(changes))
    assert (phase.optimizers[0].holds, phase.optimizers[0].idle) == (("encoder", "decoder", "unused"), ("unused",))


def test_phases_follow_each_other_as_far_as_their_length_is_known():
    first, second = plans(rich())
    assert (first.first_iteration, first.iterations, first.ends) == (0, None, "1 epoch")
    assert (second.first_iteration, second.iterations) == (None, 3)
    assert second.ends == "3 iterations or performance_evaluation_acc_gt 0.99"
    config, networks, data = prepared(rich())
    assert [iterations_of(phase, data) for phase in config.phases] == [1, 3]
    (first, second) = plan_phases(config.phases, networks, data, data)
    assert (first.iterations, second.first_iteration) == (1, 1)


def test_criteria_that_are_objects_are_written_out():
    criteria = {"iterations": 1200, "learning_rate_le": 1e-6}
    config, _, _ = prepared(small({f"{PHASE}/exit_criteria": criteria}))
    assert ends_in_words(config.phases[0]) == "1,200 iterations or learning_rate_le 1e-06"


def test_every_parameter_has_an_owner():
    _, networks, _ = prepared(rich())
    found = owners(networks)
    assert set(found) == set(networks.parameters())
    assert named(list(networks.mappings["critic"].parameters()), found) == ("critic",)
    assert named([networks.centroids.positions], found) == ("centroids",)
