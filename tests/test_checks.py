import pytest

from recombine.checks import can_hold, losses_of, needs_of, semantic_findings
from recombine.complete import complete
from recombine.normalize import Normalizer
from recombine.subschemas import root_schema
from tests.methods import found, rich, small

STRATEGY, DATASET, CRITERIA = "/cluster_assignment_strategy", "/datasets/0", "/phases/0/exit_criteria"
PHASE, PATTERN, OPTIMIZER = "/phases/0", "/phases/0/design_patterns/0", "/phases/0/optimizers/0"
LAST, LAST_OPTIMIZER = "/phases/1", "/phases/1/optimizers/0"
CENTROIDS = {"type": "centroid_similarity", "use_centroids_during_phases": ["training"]}
CLASSIFIER = {
    "name": "c",
    "type": "feature_space_classifier",
    "layers": [{"type": "Linear", "in_features": 3, "out_features": 4}],
}
SCORED = {f"{PHASE}/performance_evaluation_interval": 1}
HOPELESS = {"value": 0.5, "iterations": 3}


def spelt_out(method):
    """Return a method with everything filled in."""
    value = Normalizer().normalize(method, [root_schema()])
    complete(value)
    return value


def test_good_methods_have_no_contradictions():
    assert semantic_findings(spelt_out(small())) == []
    assert semantic_findings(spelt_out(rich())) == []


@pytest.mark.parametrize(
    ("criteria", "reason"),
    [
        ({"performance_evaluation_acc_gt": 1}, "no score can ever pass its criteria"),
        (
            {"performance_evaluation_nmi_gt": 1, "performance_evaluation_ari_gt": 1.0},
            "no score can ever pass its criteria",
        ),
        ({"performance_evaluation_cluster_reassignment_ratio_lt": 0}, "no score can ever pass its criteria"),
        (
            {"performance_evaluation_acc_lt_after_iterations": {**HOPELESS, "value": 0}},
            "no score can ever pass its criteria",
        ),
        (
            {"performance_evaluation_ari_lt_after_iterations": {**HOPELESS, "value": -0.5}},
            "no score can ever pass its criteria",
        ),
        ({"performance_evaluation_acc_gt": 0.9}, "no assignments are made in it that could be scored"),
    ],
)
def test_a_phase_that_could_never_end_is_an_error(criteria, reason):
    assert found(small({CRITERIA: criteria, **SCORED})) == [
        f'error RC401 at {CRITERIA}: the phase could never end: {reason}. Add "iterations" or "epochs".'
    ]


def test_a_phase_without_any_criterion_or_evaluation_is_an_error_as_well():
    assert found(small({CRITERIA: {}})) == [
        f"error RC104 at {CRITERIA}: at least 1 key must stand here: without a criterion the phase could never end."
    ]
    assert found(small({CRITERIA: {"performance_evaluation_nmi_gt": 0.5}})) == [
        f'error RC102 at {PHASE}: the required key "performance_evaluation_interval" is missing: exit criteria on '
        'performance look at evaluations. Add "performance_evaluation_interval".'
    ]


@pytest.mark.parametrize(
    "criteria",
    [
        {"performance_evaluation_acc_gt": 0.999},
        {"performance_evaluation_ari_gt": -1},
        {"performance_evaluation_cluster_reassignment_ratio_lt": 0.001},
        {"performance_evaluation_ari_lt_after_iterations": {**HOPELESS, "value": 0}},
        {"performance_evaluation_acc_gt": 1, "performance_evaluation_nmi_gt": 0.5},
    ],
)
def test_a_phase_that_may_never_end_is_a_warning(criteria):
    method = small({STRATEGY: CENTROIDS, CRITERIA: criteria, **SCORED})
    assert found(method) == [
        f"warning RC401 at {CRITERIA}: the phase ends only if a score is reached, and may never end. "
        'Consider "iterations" or "epochs" as well.'
    ]


@pytest.mark.parametrize("bound", [{"iterations": 1}, {"epochs": 1}])
def test_a_bounded_phase_ends(bound):
    assert found(small({CRITERIA: {**bound, "performance_evaluation_acc_gt": 1}, **SCORED})) == []


@pytest.mark.parametrize(
    ("criterion", "value", "holds"),
    [
        ("performance_evaluation_acc_gt", 0, True),
        ("performance_evaluation_acc_gt", 1, False),
        ("performance_evaluation_cluster_reassignment_ratio_lt", 0.1, True),
        ("performance_evaluation_nmi_lt_after_iterations", {"value": 0, "iterations": 1}, False),
        ("performance_evaluation_ari_lt_after_iterations", {"value": -0.4, "iterations": 1}, True),
    ],
)
def test_whether_a_score_can_pass_a_criterion(criterion, value, holds):
    assert can_hold(criterion, value) is holds


def second_phase(**changes):
    """Return a phase that only evaluates, after the small method's own."""
    criteria = {"performance_evaluation_cluster_reassignment_ratio_lt": 0.1}
    return {"name": "second", "order": 1, "exit_criteria": criteria, "performance_evaluation_interval": 1, **changes}


def test_scores_exist_after_the_phase_that_clusters_and_not_before():
    assert [text.split()[0] for text in found(small({LAST: second_phase()}))] == ["warning"]
    before = small({LAST: second_phase(order=-1)})
    assert "no assignments are made in it" in found(before)[0]
    with_equal_order = small({LAST: second_phase(order=0)})
    assert [text.split()[0] for text in found(with_equal_order)] == ["warning"]


def test_scores_exist_before_where_evaluations_cluster():
    clustering = {f"{STRATEGY}/classical_clustering_in_feature_space_at_evaluations_num_restarts": 1}
    assert [text.split()[0] for text in found(small({LAST: second_phase(order=-1), **clustering}))] == ["warning"]


def test_scores_exist_from_the_first_phase_with_centroids():
    later = {**CENTROIDS, "use_centroids_during_phases": ["second"]}
    assert [text.split()[0] for text in found(small({STRATEGY: later, LAST: second_phase()}))] == ["warning"]
    earlier = small(
        {
            STRATEGY: later,
            LAST: second_phase(exit_criteria={"epochs": 1}),
            CRITERIA: {"performance_evaluation_acc_gt": 0.5},
            **SCORED,
        }
    )
    assert f"error RC401 at {CRITERIA}: the phase could never end: no assignments are made in it" in found(earlier)[0]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {f"{OPTIMIZER}/trained_mapping_names": []},
            f'RC402 at {OPTIMIZER}: optimizer "Adam_0" trains nothing. Name mappings in "trained_mapping_names".',
        ),
        (
            {f"{PHASE}/optimizers": []},
            f"RC403 at {PATTERN}/loss_optimizer_group_name: no optimizer of this phase minimises the loss "
            f'"reconstruction": '
            'it belongs to group "default". Groups with optimizers: none.',
        ),
        (
            {f"{PATTERN}/enabled": False},
            f'RC402 at {OPTIMIZER}/group_name: optimizer "Adam_0" trains nothing: no loss of this phase belongs to its '
            'group "default". Groups with losses: none.',
        ),
        (
            {
                f"{PHASE}/optimizers/1": {"type": "SGD", "trained_mapping_names": ["encoder"]},
                f"{PHASE}/optimizer_cycle": [{"active_optimizer_names": ["Adam_0"], "num_iterations": 2}],
            },
            f'RC402 at {PHASE}/optimizers/1: optimizer "SGD_1" trains nothing: it is never active in '
            f'"optimizer_cycle". '
            "Name it there, or remove it.",
        ),
        (
            {f"{OPTIMIZER}/optimizes_centroids": True},
            f'RC404 at {OPTIMIZER}/optimizes_centroids: optimizer "Adam_0" optimizes centroids, but this phase has '
            f"none. "
            'Name "training" in "use_centroids_during_phases" of the strategy.',
        ),
        (
            {
                f"{OPTIMIZER}/optimizes_centroids": True,
                STRATEGY: {**CENTROIDS, "centroid_recalculation_strategy": "fixed_centroids"},
            },
            f'RC106 at {OPTIMIZER}/optimizes_centroids: optimizer "Adam_0" optimizes centroids, but the strategy keeps '
            'them fixed. Set "centroid_recalculation_strategy" to "recalculation_by_design_pattern".',
        ),
        (
            {f"{PHASE}/save_centroids": {"saving_interval": 1, "path_to_file_or_dir": "x", "keep_old_files": True}},
            f"RC404 at {PHASE}/save_centroids: the method has no centroids to save. Configure centroids in the "
            f"strategy, "
            'or remove "save_centroids".',
        ),
    ],
)
def test_optimizers_and_losses_find_each_other(changes, problem):
    assert found(small(changes)) == [f"error {problem}"]


def test_groups_that_do_not_meet_are_one_mistake():
    assert found(small({f"{OPTIMIZER}/group_name": "b"})) == [
        f"error RC403 at {PATTERN}/loss_optimizer_group_name: no optimizer of this phase minimises the loss "
        '"reconstruction": it belongs to group "default". Groups with optimizers: b.',
    ]


def test_an_optimizer_whose_group_has_no_loss_trains_nothing():
    more = {"type": "SGD", "name": "idle", "trained_mapping_names": ["encoder"], "group_name": "b"}
    method = small({})
    method["phases"][0]["optimizers"].append(more)
    assert found(method) == [
        'error RC402 at /phases/0/optimizers/1/group_name: optimizer "idle" trains nothing: no loss of this phase '
        'belongs to its group "b". Groups with losses: default.',
    ]


def test_rivals_in_one_group_are_a_warning():
    pointer = "/phases/0/design_patterns/1"
    changes = {
        f"{pointer}/critic_loss_optimizer_group_name": "autoencoder",
        "/phases/0/optimizers/1/group_name": "autoencoder",
    }
    assert found(rich(changes)) == [
        f"warning RC106 at {pointer}: losses of the pattern that pull against each other belong to one group, "
        '"autoencoder". Give "autoencoder_loss_optimizer_group_name", "critic_loss_optimizer_group_name" different '
        "values."
    ]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({f"{DATASET}/enabled": False}, 'RC404 at /datasets: no dataset is enabled. Set "enabled" of one to true.'),
        (
            {f"{DATASET}/index_of_first_sample_to_use": 60},
            f"RC104 at {DATASET}/index_of_first_sample_to_use: the first sample to use (60) comes after the last (59).",
        ),
        (
            {"/mappings/0/prior_mapping_name": "decoder", "/mappings/1/prior_mapping_name": "encoder"},
            'RC404 at /mappings/0: the mappings feed each other in a circle: "encoder" <- "decoder" <- "encoder".',
        ),
        (
            {"/mappings/1/prior_mapping_name": "decoder"},
            'RC404 at /mappings/1: the mappings feed each other in a circle: "decoder" <- "decoder".',
        ),
        (
            {STRATEGY: {"type": "classifier"}},
            f"RC404 at {STRATEGY}/type: the strategy needs a classifier, but no mapping is one. Declare a mapping of "
            f"type "
            '"feature_space_classifier" or "sample_space_classifier".',
        ),
        (
            {
                "/mappings/2": CLASSIFIER,
                STRATEGY: {
                    "type": "classifier",
                    "classifier_selection_criterion": "name",
                    "classifier_name": "encoder",
                },
            },
            f'RC404 at {STRATEGY}/classifier_name: mapping "encoder" is no classifier, but of type '
            f'"feature_extractor". '
            'Classifiers here: "c".',
        ),
        (
            {"/mappings/0/type": "design_pattern_specific"},
            f"RC404 at {STRATEGY}/type: the strategy works on features, but no mapping is a feature extractor. "
            'Declare one of type "feature_extractor".',
        ),
        (
            {
                "/mappings/0/type": "design_pattern_specific",
                "/mappings/2": CLASSIFIER,
                STRATEGY: {"type": "classifier"},
            },
            'RC404 at /mappings/2/type: classifier "c" works on features, but no mapping is a feature extractor. '
            'Declare one of type "feature_extractor".',
        ),
        (
            {f"{PHASE}/enabled": False},
            f"RC404 at {STRATEGY}/classical_clustering_in_feature_space_after_phase: no enabled dataset runs phase "
            '"training", so that there would never be assignments.',
        ),
        (
            {f"{DATASET}/phases": [], STRATEGY: CENTROIDS},
            f'RC404 at {STRATEGY}/use_centroids_during_phases: no enabled dataset runs phase "training", so that there '
            "would never be centroids.",
        ),
        (
            {
                "/datasets/1": {
                    "dataset": "Digits",
                    "name": "b",
                    "batch_size": 9,
                    "num_clusters": 5,
                    "reinitialize_mappings": False,
                    "shuffle": True,
                }
            },
            "RC404 at /datasets/1/num_clusters: the mappings are kept from a dataset with 4 clusters, but this one has "
            'another number. Write 4, or set "reinitialize_mappings" to true.',
        ),
    ],
)
def test_the_parts_of_a_method_fit_together(changes, problem):
    assert found(small(changes)) == [f"error {problem}"]


def test_a_circle_beside_a_chain_that_leads_into_it_is_one_problem():
    third = {"name": "third", "type": "design_pattern_specific", "prior_mapping_name": "encoder"}
    changes = {
        "/mappings/0/prior_mapping_name": "decoder",
        "/mappings/1/prior_mapping_name": "encoder",
        "/mappings/2": third,
    }
    assert len(found(small(changes))) == 1


def test_a_classifier_that_is_named_without_effect_is_a_warning():
    strategy = {"type": "classifier", "classifier_name": "c"}
    assert found(small({"/mappings/2": CLASSIFIER, STRATEGY: strategy})) == [
        f'warning RC407 at {STRATEGY}/classifier_name: "classifier_name" has no effect unless '
        '"classifier_selection_criterion" is "name".'
    ]


@pytest.mark.parametrize(
    ("block", "strategy", "problem"),
    [
        (
            {"pattern": "assignment_entropy"},
            {},
            f"RC404 at {PATTERN}/pattern: the pattern needs soft assignments, but the strategy assigns hard, after a "
            'phase. Give "classifier_name", or give the strategy centroids by "use_centroids_during_phases".',
        ),
        (
            {"pattern": "assignment_entropy"},
            {f"{STRATEGY}/use_centroids_during_phases": ["second"]},
            f'RC404 at {PATTERN}/pattern: the pattern needs centroids, and phase "training" has none. Name the phase '
            'in "use_centroids_during_phases" of the strategy.',
        ),
        ({"pattern": "assignment_entropy"}, {f"{STRATEGY}/use_centroids_during_phases": ["training"]}, None),
        (
            {"pattern": "assignment_entropy", "classifier_name": "encoder"},
            {},
            f'RC404 at {PATTERN}/classifier_name: mapping "encoder" is no classifier, but of type "feature_extractor". '
            'Classifiers here: "c".',
        ),
        (
            {"pattern": "assignment_entropy"},
            {STRATEGY: {**CENTROIDS, "use_centroids_during_phases": ["second"]}},
            f'RC404 at {PATTERN}/pattern: the pattern needs centroids, and phase "training" has none. Name the phase '
            f"in "
            '"use_centroids_during_phases" of the strategy.',
        ),
        ({"pattern": "assignment_entropy", "classifier_name": "c"}, {}, None),
        ({"pattern": "assignment_entropy"}, {STRATEGY: CENTROIDS}, None),
    ],
)
def test_patterns_get_what_they_need(block, strategy, problem):
    changes = {PATTERN: block, "/mappings/2": CLASSIFIER, LAST: second_phase(exit_criteria={"epochs": 1}), **strategy}
    assert found(small(changes)) == ([] if problem is None else [f"error {problem}"])


@pytest.mark.parametrize(
    ("strategy", "optimizes", "problem"),
    [
        (CENTROIDS, False, None),
        (
            {**CENTROIDS, "centroid_recalculation_strategy": "fixed_centroids"},
            False,
            f"error RC106 at {PATTERN}/centroid_update: the pattern moves the centroids, but the strategy has "
            '"fixed_centroids" for that. Set "centroid_recalculation_strategy" to "recalculation_by_design_pattern".',
        ),
        (
            CENTROIDS,
            True,
            f'warning RC106 at {PATTERN}/centroid_update: both the pattern and optimizer "Adam_0" move the centroids. '
            'Set "optimizes_centroids" to false, or "centroid_update" to "none".',
        ),
        (
            {**small()["cluster_assignment_strategy"]},
            False,
            f'error RC404 at {PATTERN}/pattern: the pattern needs centroids, and phase "training" has none. '
            'Name the phase in "use_centroids_during_phases" of the strategy.',
        ),
    ],
)
def test_nobody_else_moves_the_centroids_that_a_pattern_moves(strategy, optimizes, problem):
    block = {
        "pattern": "reinforcement",
        "loss_type": "l2",
        "sample_selection_criterion": "all_samples",
        "cluster_selection_criterion": "nearest_centroid",
        "sample_representation": "feature_representation",
        "cluster_representation": "centroid",
        "centroid_update": "running_means",
    }
    changes = {PATTERN: block, STRATEGY: strategy, f"{OPTIMIZER}/optimizes_centroids": optimizes}
    changes[f"{OPTIMIZER}/trained_mapping_names"] = ["encoder"]
    assert found(small(changes)) == ([] if problem is None else [problem])


def test_needs_depend_on_options():
    reinforcement = {
        "pattern": "reinforcement",
        "sample_representation": "soft_assignments",
        "cluster_representation": "pseudolabel",
    }
    assert needs_of(reinforcement) == {"soft_assignments"}
    assert needs_of({**reinforcement, "classifier_name": "c"}) == set()
    assert needs_of({**reinforcement, "cluster_selection_criterion": "nearest_centroid"}) == {
        "soft_assignments",
        "centroids",
    }
    assert needs_of({"pattern": "reconstruction"}) == set()


def test_losses_depend_on_options():
    assert list(losses_of({"pattern": "adversarial_interpolation", "critic_name": "c"})) == ["autoencoder", "critic"]
    assert list(losses_of({"pattern": "adversarial_interpolation", "discriminator_name": "d"})) == [
        "autoencoder",
        "discriminator",
    ]


def test_batches_must_suffice_for_the_patterns():
    assert found(rich({f"{DATASET}/batch_size": 1})) == [
        f'error RC405 at {DATASET}/batch_size: the pattern "{name}" at {place} needs batches of at least 2 samples. '
        "Write at least 2."
        for name, place in (
            ("adversarial_interpolation", "/phases/0/design_patterns/1"),
            ("contrastive", "/phases/1/design_patterns/0"),
        )
    ]


def test_schedulers_can_hear_what_they_watch():
    pointer = "/phases/0/optimizer_learning_rate_schedulers"
    plateau = {"type": "ReduceLROnPlateau", "optimizer_name": "Adam_0"}
    assert found(small({pointer: [{**plateau, "metric": "acc"}]})) == [
        f"error RC406 at {pointer}/0/metric: a scheduler that watches a score needs evaluations, and this phase has "
        f"none. "
        'Add "performance_evaluation_interval".'
    ]
    assert found(
        small({pointer: [{"type": "StepLR", "optimizer_name": "Adam_0", "step_size": 1, "metric": "loss"}]})
    ) == [f'error RC407 at {pointer}/0/metric: StepLR watches no metric; only ReduceLROnPlateau does. Remove "metric".']
    assert found(small({pointer: [plateau]})) == []
    assert found(small({pointer: [{**plateau, "metric": "acc"}], **SCORED})) == []


def test_what_is_disabled_is_not_held_against_a_method():
    assert (
        found(
            rich(
                {
                    f"{LAST}/enabled": False,
                    STRATEGY: {"type": "classifier"},
                    f"{LAST_OPTIMIZER}/optimizes_centroids": False,
                }
            )
        )
        == []
    )


@pytest.mark.parametrize(
    ("spoilt", "left"),
    [
        (["/seed"], {"phase", "phases", "datasets"}),
        (["/mappings/0/layers/0"], {"phase", "phases", "datasets"}),
        (["/datasets/0/transforms/0"], {"phase", "phases", "datasets"}),
        (["/phases/0/optimizers/0"], {"datasets"}),
        (["/phases/1"], {"phase", "datasets"}),
        (["/datasets/0/batch_size"], {"phase"}),
        (["/cluster_assignment_strategy/type"], {"phase", "datasets"}),
        ([""], set()),
    ],
)
def test_checks_that_read_a_spoilt_place_are_left_out(spoilt, left):
    changes = {
        f"{OPTIMIZER}/trained_mapping_names": [],
        STRATEGY: {**CENTROIDS, "use_centroids_during_phases": ["second"]},
        LAST: second_phase(enabled=False),
        f"{DATASET}/index_of_first_sample_to_use": 60,
    }
    words = {
        f"{OPTIMIZER}": "phase",
        f"{STRATEGY}/use_centroids_during_phases": "phases",
        f"{DATASET}/index_of_first_sample_to_use": "datasets",
    }
    findings = semantic_findings(spelt_out(small(changes)), spoilt)
    assert {words[finding.pointer] for finding in findings} == left
