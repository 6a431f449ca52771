import pytest

from tests.methods import found, found_with_data, small

PHASE = "/phases/0"
CRITERIA, FRACTION = f"{PHASE}/exit_criteria", f"{PHASE}/validation/fraction"
SCHEDULERS, PATTERNS, OPTIMIZERS = (
    f"{PHASE}/{key}" for key in ("optimizer_learning_rate_schedulers", "design_patterns", "optimizers")
)


def holding_out(fraction):
    """Return changes that hold out a share of the samples."""
    return {f"{PHASE}/validation": {"fraction": fraction}}


HELD_OUT = holding_out(0.2)
PLATEAU = {"type": "ReduceLROnPlateau", "optimizer_name": "Adam_0"}
STEP = {"type": "StepLR", "optimizer_name": "Adam_0", "step_size": 1}
AUTOENCODER = {"encoder_name": "encoder", "decoder_name": "decoder"}
TWICE = {PATTERNS: [{"pattern": "reconstruction", **AUTOENCODER}] * 2}
ADAM = {"type": "Adam", "lr": 0.01, "trained_mapping_names": ["encoder", "decoder"]}


def watching(metric, **more):
    """Return changes with a scheduler that watches something."""
    return {SCHEDULERS: [{**PLATEAU, "metric": metric, **more}]}


@pytest.mark.parametrize(
    "changes",
    [
        {**watching("validation_loss"), **HELD_OUT},
        {**watching("validation_reconstruction", interval=100, patience=35), **HELD_OUT},
        {**watching("validation_reconstruction_2", interval={"epochs": 2}), **TWICE, **HELD_OUT},
        {**watching("loss", interval=7)},
        HELD_OUT,
    ],
)
def test_what_is_there_can_be_watched(changes):
    assert found(small(changes)) == []


def test_a_word_that_nothing_is_called_is_an_error_with_the_nearest_one():
    place = f"{SCHEDULERS}/0/metric"
    assert found(small({**watching("validation_recnstruction"), **HELD_OUT})) == [
        f'error RC105 at {place}: "validation_recnstruction" is none of the words allowed here. Did you mean '
        '"validation_reconstruction"?'
    ]
    assert found(small(watching("los"))) == [
        f'error RC105 at {place}: "los" is none of the words allowed here. Did you mean "loss"?'
    ]
    assert found(small({**watching("validation_reconstruction_2"), **HELD_OUT}))[0].startswith(
        f"error RC105 at {place}"
    )
    assert found(small({CRITERIA: {"epochs": 1, "validation_lt": {"metric": "loss", "value": 1}}, **HELD_OUT})) == [
        f'error RC105 at {CRITERIA}/validation_lt/metric: "loss" is none of the words allowed here. Known here: '
        '"validation_loss", "validation_reconstruction".'
    ]


def test_held_out_samples_must_be_there_to_be_watched():
    assert found(small(watching("validation_loss"))) == [
        f"error RC406 at {SCHEDULERS}/0/metric: a loss on held-out samples is watched, and this phase holds none out. "
        'Add "validation".'
    ]
    assert found(small({CRITERIA: {"iterations": 5, "validation_lt": {"value": 1}}})) == [
        f'error RC102 at {PHASE}: the required key "validation" is missing: validation_lt looks at losses on held-out '
        'samples. Add "validation".'
    ]


def test_an_interval_is_no_argument_of_a_scheduler_inside_another():
    inside = {"type": "ConstantLR", "intervall": 3}
    chained = {"type": "ChainedScheduler", "optimizer_name": "Adam_0", "schedulers": [inside]}
    assert found(small({SCHEDULERS: [chained]})) == [
        f'error RC202 at {SCHEDULERS}/0/schedulers/0/intervall: ConstantLR takes no argument "intervall". Did you mean '
        '"interval"?'
    ]


# --- the criterion on the learning rate ---------------------------------------------------------------------------


def ending(bound, **more):
    """Return changes with a criterion on the learning rate."""
    return {CRITERIA: {"learning_rate_le": bound, **more}}


@pytest.mark.parametrize("bound", [1e-9, {"optimizer_name": "Adam_0", "value": 1e-9}])
def test_a_rate_that_no_scheduler_lowers_never_ends_a_phase(bound):
    reason = 'no scheduler lowers the learning rate of optimizer "Adam_0"'
    assert found(small(ending(bound))) == [
        f'error RC401 at {CRITERIA}: the phase could never end: {reason}. Add "iterations" or "epochs".'
    ]
    assert found(small(ending(bound, iterations=5))) == [
        f"warning RC407 at {CRITERIA}/learning_rate_le: the criterion never holds: {reason}."
    ]
    assert found(small({**ending(bound, iterations=5), SCHEDULERS: [PLATEAU]})) == []


def test_a_rate_that_stays_above_the_bound_never_ends_a_phase():
    changes = {**ending(1e-9), SCHEDULERS: [{**PLATEAU, "min_lr": 1e-6}]}
    assert found(small(changes)) == [
        f'error RC401 at {CRITERIA}: the phase could never end: the learning rate of optimizer "Adam_0" stays at or '
        'above 1e-06. Add "iterations" or "epochs".'
    ]
    assert "may never end" in found(small({**ending(1e-5), SCHEDULERS: [{**PLATEAU, "min_lr": 1e-6}]}))[0]


@pytest.mark.parametrize(
    ("criteria", "ways"),
    [
        ({"learning_rate_le": 1e-9}, "a loss or a learning rate falls as far as that"),
        ({"validation_lt": {"value": 0}}, "a loss or a learning rate falls as far as that"),
        (
            {"learning_rate_le": 1e-9, "performance_evaluation_acc_gt": 0.5},
            "a score is reached or a loss or a learning rate falls as far as that",
        ),
    ],
)
def test_a_phase_that_may_never_end_is_a_warning(criteria, ways):
    changes = {CRITERIA: criteria, SCHEDULERS: [STEP], f"{PHASE}/performance_evaluation_interval": 1, **HELD_OUT}
    strategy = {"type": "centroid_similarity", "use_centroids_during_phases": ["training"]}
    assert found(small({**changes, "/cluster_assignment_strategy": strategy})) == [
        f'warning RC401 at {CRITERIA}: the phase ends only if {ways}, and may never end. Consider "iterations" or '
        '"epochs" as well.'
    ]


def test_it_must_be_clear_whose_rate_is_meant():
    place = f"{CRITERIA}/learning_rate_le"
    two = {OPTIMIZERS: [ADAM, ADAM], SCHEDULERS: [STEP]}
    assert found(small({**ending(1e-9, epochs=1), **two})) == [
        f"error RC106 at {place}: the phase has 2 optimizers, and the learning rate of one of them is meant. Write "
        '{"optimizer_name": "Adam_0", "value": 1e-09}, for example.'
    ]
    assert found(small({**ending({"optimizer_name": "Adam_0", "value": 1e-9}, epochs=1), **two})) == []
    assert found(small({**ending({"optimizer_name": "Adam_2", "value": 1e-9}, epochs=1), **two})) == [
        f'error RC301 at {place}/optimizer_name: there is no optimizer of this phase called "Adam_2". Did you mean '
        '"Adam_1"?'
    ]
    assert found(small({**ending(1e-9, epochs=1), OPTIMIZERS: [], PATTERNS: []})) == [
        f"error RC404 at {place}: the phase has no optimizer, and so no learning rate."
    ]
    assert found(small(ending(0)))[0].startswith(f"error RC104 at {place}: 0 is out of range")


def test_a_phase_that_would_end_before_it_begins_is_an_error():
    warm_up = {"type": "LinearLR", "optimizer_name": "Adam_0", "start_factor": 0.001}
    changes = {**ending(1e-4, epochs=1), SCHEDULERS: [STEP, warm_up]}
    assert found_with_data(small(changes)) == [
        f"error RC104 at {CRITERIA}/learning_rate_le: the phase would end before its first iteration: the learning "
        'rate 1e-05 of optimizer "Adam_0" is at or below 0.0001. Write a smaller number.'
    ]
    assert found_with_data(small({**ending(1e-4, epochs=1), SCHEDULERS: [STEP]})) == []


# --- the samples --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fraction", "words"),
    [
        (0.001, "a fraction of 0.001 of 60 samples holds out none; a larger fraction holds out some"),
        (
            0.9,
            "holding out 54 of 60 samples leaves 6 to train on, and a batch has 20; a smaller fraction or batch_size "
            "leaves more",
        ),
    ],
)
def test_a_share_that_leaves_nothing_is_an_error_before_the_run(fraction, words):
    assert found_with_data(small({**holding_out(fraction), "/datasets/0/shuffle": True})) == [
        f'error RC502 at {FRACTION}: dataset "Digits": {words}.'
    ]


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 2])
def test_a_share_is_between_none_and_all(fraction):
    (text,) = found(small(holding_out(fraction)))
    assert text.startswith(f"error RC104 at {FRACTION}: {fraction} is out of range")


def test_the_last_batch_of_the_held_out_samples_must_suffice_for_the_patterns():
    rivals = {"pattern": "adversarial_interpolation", **AUTOENCODER, "discriminator_name": "judge"}
    rivals |= {f"{name}_loss_optimizer_group_name": name for name in ("autoencoder", "discriminator")}
    judge = {"name": "judge", "type": "design_pattern_specific", "layers": [{"type": "Flatten"}]}
    judge["layers"].append({"type": "Linear", "in_features": 64, "out_features": 1})
    changes = {
        **holding_out(21 / 60),
        "/mappings/2": judge,
        PATTERNS: [rivals],
        OPTIMIZERS: [
            ADAM | {"group_name": "autoencoder"},
            ADAM | {"group_name": "discriminator", "trained_mapping_names": ["judge"]},
        ],
        "/datasets/0/shuffle": True,
    }
    assert found_with_data(small(changes)) == [
        f'error RC405 at {FRACTION}: the last batch of the samples that are held out of dataset "Digits" has 1, but '
        'the pattern "adversarial_interpolation" needs at least 2. Hold out another share.'
    ]
    assert found_with_data(small({**changes, **holding_out(22 / 60)})) == []


def test_the_tail_that_never_trains_is_that_of_the_samples_which_are_not_held_out():
    tail = (
        "warning RC506 at /datasets/0/batch_size: the last 8 of 48 samples are never trained on: they make no whole "
        'batch. Set "shuffle" to true or "drop_last" to false.'
    )
    assert found_with_data(small(HELD_OUT)) == [tail]
    assert found_with_data(small({**HELD_OUT, "/datasets/0/batch_size": 24})) == []


def test_patience_needs_a_validation():
    assert found(small({CRITERIA: {"patience": 3}})) == [
        f'error RC102 at {PHASE}: the required key "validation" is missing: patience looks at losses on held-out '
        'samples. Add "validation".'
    ]


@pytest.mark.parametrize("patience", [4, 5, 15001])
def test_patience_spans_at_least_an_interval(patience):
    changes = {CRITERIA: {"patience": patience}, f"{PHASE}/validation": {"fraction": 0.2, "interval": 4}}
    assert found(small(changes)) == []


def test_patience_below_the_interval_is_an_error():
    place = f"{CRITERIA}/patience"
    held = {f"{PHASE}/validation": {"fraction": 0.2, "interval": 4}}
    assert found(small({CRITERIA: {"patience": 3}, **held})) == [
        f"error RC106 at {place}: the phase would end 3 iterations after its first validation, before there is "
        'another. Write at least 4, the "interval" of "validation".'
    ]
    assert found(small({CRITERIA: {"patience": 0}, **held})) == [
        f"error RC104 at {place}: 0 is out of range. The value must be at least 1."
    ]


def test_what_the_best_validation_is_judged_by_must_be_there():
    place = f"{PHASE}/validation/metric"
    held = {"fraction": 0.2, "restore_best": True}
    assert found(small({f"{PHASE}/validation": {**held, "metric": "validation_reconstruction"}})) == []
    assert found(small({f"{PHASE}/validation": {**held, "metric": "validation_reconstrution"}})) == [
        f'error RC105 at {place}: "validation_reconstrution" is none of the words allowed here. Did you mean '
        '"validation_reconstruction"?'
    ]
    assert found(small({f"{PHASE}/validation": {**held, "metric": "loss"}})) == [
        f'error RC105 at {place}: "loss" is none of the words allowed here. Known here: "validation_loss", '
        '"validation_reconstruction".'
    ]
    assert found(small({f"{PHASE}/validation": {**held, "restore_best": "yes"}})) == [
        f'error RC103 at {PHASE}/validation/restore_best: true or false is expected here, not "yes".'
    ]
