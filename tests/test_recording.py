"""Steps repeated from recordings: the same bits as without, whatever changes in between."""

import pytest
import torch

from recombine.assignment.base import AssignmentStrategy
from recombine.patterns.base import DesignPattern
from recombine.patterns.contrastive import Contrastive
from recombine.recording import StepRunner
from tests.recorder import Recording, Tracer
from tests.runs import PIXELS, method, same, train
from tests.stops import carried_on, job_of, left_behind, start

AUTOENCODER = {"encoder_name": "encoder", "decoder_name": "decoder"}
BOTH = {"trained_mapping_names": ["encoder", "decoder"]}
SGD = {"type": "SGD", "lr": 0.01, "momentum": 0.9, **BOTH, "optimizes_centroids": True}
RECONSTRUCTION = {"pattern": "reconstruction", **AUTOENCODER}
REINFORCEMENT = {
    "pattern": "reinforcement",
    "loss_type": "l2",
    "sample_selection_criterion": "threshold_on_soft_assignment_to_cluster",
    "threshold_on_soft_assignment_to_cluster": 0.2,
    "cluster_selection_criterion": "argmax_of_soft_assignments",
    "sample_representation": "feature_representation",
    "cluster_representation": "centroid",
    "sample_cluster_pair_loss_weighting_term": "soft_assignment_of_sample_to_cluster",
}
FLIPS = [
    {"name": "first", "transforms": [{"type": "RandomHorizontalFlip"}]},
    {"name": "second", "transforms": [{"type": "RandomVerticalFlip"}]},
]
VIEWS = {"batch_augmentation_name_1": "first", "batch_augmentation_name_2": "second", "temperature_parameter": 0.5}
ONE = {"batch_augmentation_name": "first"}
PAIR = {
    "encoder_layer_names": ["Flatten_0", "first", "ReLU_2", "last"],
    "decoder_layer_names": ["Linear_0"],
    "train_for_iterations": 8,
}
BLOCKS = {
    "reconstruction": [RECONSTRUCTION],
    "reinforcement": [REINFORCEMENT],
    "contrastive": [{"pattern": "contrastive", "contrastive_learning_head_name": "decoder", **VIEWS}],
    "assignment_statistics": [{"pattern": "assignment_statistics", **VIEWS}],
    "assignment_entropy": [{"pattern": "assignment_entropy", **ONE}, {"pattern": "assignment_entropy"}],
    "target_distribution": [{"pattern": "target_distribution", "target_distribution_recalculation_interval": 6}],
    "parameter_regularization": [
        {"pattern": "parameter_regularization", "mapping_names": ["encoder", "decoder"]},
        RECONSTRUCTION,
    ],
    "layer_wise_pretraining": [
        {
            "pattern": "layer_wise_pretraining",
            "dropout_rate": 0.2,
            "encoder_decoder_layer_pairs": [PAIR],
            **AUTOENCODER,
        },
        RECONSTRUCTION,
    ],
}
ITERATIONS = 14


def _described(*patterns, **phase):
    phase = {
        "exit_criteria": {"iterations": ITERATIONS},
        "design_patterns": list(patterns),
        "optimizers": [SGD],
        **phase,
    }
    return method(phase=phase, dataset={"batch_augmentations": FLIPS})


def _compared(description, tracer=None):
    """Train with and without recordings; return the tracer and the log of the recorded run."""
    tracer = tracer or Tracer()
    plain, recorded = train(description), train(description, engine=Recording(tracer))
    assert same(plain.bits(), recorded.bits())
    return tracer, recorded.log


@pytest.mark.parametrize("name", sorted(BLOCKS))
def test_a_recorded_pattern_trains_the_same_bits(name):
    tracer, log = _compared(_described(*BLOCKS[name]))
    assert tracer.repeated >= ITERATIONS // 3
    assert any("Steps are repeated from recordings" in line for line in log)


def test_all_patterns_together_with_dropout_and_losses_in_the_log():
    description = _described(*[block for blocks in BLOCKS.values() for block in blocks])
    description["mappings"][0]["layers"].insert(1, {"type": "Dropout", "p": 0.3})
    for block in description["phases"][0]["design_patterns"]:
        block["loss_report_interval"] = 1
        if block["pattern"] == "layer_wise_pretraining":
            block["encoder_decoder_layer_pairs"] = [
                {**PAIR, "encoder_layer_names": ["Flatten_0", "Dropout_1", "first", "ReLU_3", "last"]}
            ]
    plain, tracer = train(description), Tracer()
    recorded = train(description, engine=Recording(tracer))
    assert same(plain.bits(), recorded.bits())
    assert [line for line in recorded.log if "Steps are" not in line and "on cpu" not in line] == [
        line for line in plain.log if "on cpu" not in line
    ]
    assert tracer.repeated > 0


CHANGES = {
    "rates by epoch": {
        "exit_criteria": {"iterations": 24},
        "optimizers": [{**SGD, "name": "A"}],
        "optimizer_learning_rate_schedulers": [
            {"optimizer_name": "A", "type": "StepLR", "step_size": 2, "gamma": 0.1},
        ],
    },
    "a cycle of optimizers": {
        "exit_criteria": {"iterations": 24},
        "optimizers": [
            {"type": "SGD", "name": "A", "lr": 0.1, "trained_mapping_names": ["encoder"]},
            {"type": "SGD", "name": "B", "lr": 0.2, "trained_mapping_names": ["decoder"]},
        ],
        "optimizer_cycle": [
            {"active_optimizer_names": ["A"], "num_iterations": 1},
            {"active_optimizer_names": ["B"], "num_iterations": 2},
        ],
    },
    "a smaller last batch": {"exit_criteria": {"iterations": 30}},
}


@pytest.mark.parametrize("name", sorted(CHANGES))
def test_whatever_changes_between_steps_has_a_recording_of_its_own(name):
    description = _described(RECONSTRUCTION, {"pattern": "assignment_entropy"}, **CHANGES[name])
    description["datasets"][0]["drop_last"] = name != "a smaller last batch"
    tracer, _ = _compared(description)
    assert tracer.count == (3 if name == "rates by epoch" else 2)
    assert tracer.repeated > tracer.count


def test_a_weight_that_rises_in_every_step_is_never_recorded():
    late = {**RECONSTRUCTION, "loss_weight_schedule": {"start_at_iteration": 2, "warm_up_iterations": 50}}
    tracer, log = _compared(_described(late, optimizers=[{**SGD, "optimizes_centroids": False}]))
    assert tracer.count == 0
    assert not any("Steps" in line for line in log)


def test_a_pattern_that_starts_late_is_in_the_recordings_from_then_on():
    late = {"pattern": "assignment_entropy", "loss_weight_schedule": {"start_at_iteration": 7}}
    tracer, _ = _compared(_described(RECONSTRUCTION, late))
    assert tracer.count == 2


def test_recalculated_centroids_and_annealing_reach_the_recording():
    description = _described(RECONSTRUCTION, REINFORCEMENT)
    description["cluster_assignment_strategy"] |= {
        "similarity_measure": "gaussian",
        "gaussian_similarity_measure_inverse_temperature": {
            "annealing_initial_value": 0.1,
            "annealing_final_value": 100,
            "annealing_iterations_per_value": 2,
        },
        "centroid_recalculation_strategy": "classical_clustering",
        "centroid_recalculation_interval": 5,
    }
    tracer, _ = _compared(description)
    assert (tracer.count, tracer.repeated) == (1, ITERATIONS - 3)


def test_centroids_that_a_pattern_moves_after_each_step_reach_the_recording():
    running = {**REINFORCEMENT, "centroid_update": "running_means", "centroid_update_initial_count": 1}
    description = _described(RECONSTRUCTION, running, optimizers=[{**SGD, "optimizes_centroids": False}])
    tracer, _ = _compared(description)
    assert (tracer.count, tracer.repeated) == (1, ITERATIONS - 3)


def test_a_recorded_step_that_diverges_is_noticed():
    description = _described(RECONSTRUCTION, exit_criteria={"iterations": 60}, optimizers=[{**SGD, "lr": 1e3}])
    messages = []
    for engine in (None, Recording(Tracer())):
        with pytest.raises(Exception, match="a loss became NaN or infinite in iteration") as raised:
            train(description, engine=engine)
        messages.append(str(raised.value))
    assert messages[0] == messages[1]


def test_a_recording_that_gives_something_else_is_not_used():
    tracer, log = _compared(_described(RECONSTRUCTION), Tracer(spoil=1.0))
    assert (tracer.count, tracer.repeated) == (1, 1)
    assert any("Iteration 4: Steps run operation by operation: their recording gave other results" in x for x in log)


def test_a_recording_that_fails_is_told_and_done_without():
    tracer, log = _compared(_described(RECONSTRUCTION), Tracer(error=RuntimeError("not permitted\nwhen capturing")))
    assert any("Steps run operation by operation: their recording failed: not permitted" in x for x in log)
    assert tracer.repeated == 0


def test_optimizers_that_count_in_python_are_not_recorded():
    tracer, log = _compared(_described(RECONSTRUCTION, optimizers=[{"type": "Adagrad", "lr": 0.01, **BOTH}]))
    assert tracer.count == 0
    assert any("Iteration 1: Steps run operation by operation: Adagrad cannot be recorded" in x for x in log)


def test_a_pattern_that_draws_by_itself_is_not_recorded():
    groups = {"autoencoder_loss_optimizer_group_name": "default", "critic_loss_optimizer_group_name": "default"}
    block = {"pattern": "adversarial_interpolation", **AUTOENCODER, "critic_name": "critic", **groups}
    critic = {
        "name": "critic",
        "type": "design_pattern_specific",
        "layers": [{"type": "Flatten"}, {"type": "Linear", "in_features": PIXELS, "out_features": 1}],
    }
    description = _described(block, optimizers=[{**SGD, "trained_mapping_names": ["encoder", "decoder", "critic"]}])
    description["mappings"].append(critic)
    tracer, log = _compared(description)
    assert tracer.count == 0
    assert any('the pattern "adversarial_interpolation" cannot be recorded' in line for line in log)


def test_who_says_nothing_of_it_is_not_recorded():
    assert DesignPattern.recording_key(Contrastive, None) is None
    assert AssignmentStrategy.recording_key(torch.nn.Module()) is None


def test_what_is_known_of_recordings_survives_a_stop():
    first = StepRunner(None, None, None, Tracer())
    first.notes.append("Steps are repeated from recordings (CUDA graphs)")
    again = StepRunner(None, None, None, Tracer())
    again.load_state_dict(first.state_dict())
    assert again.notes == first.notes
    assert again.state_dict() == {"notes": first.notes, "records": True}
    first._refuse("a reason")
    again.load_state_dict(first.state_dict())
    assert again.state_dict() == {
        "notes": ["Steps are repeated from recordings (CUDA graphs)", "Steps run operation by operation: a reason"],
        "records": False,
    }


@pytest.mark.parametrize("stopped", [1, 5, 9])
def test_recorded_runs_go_on_with_the_same_bits(stopped, tmp_path, monkeypatch):
    monkeypatch.setattr("recombine.execute.SingleDevice", lambda *_: Recording(Tracer()))
    described = _described(RECONSTRUCTION, *BLOCKS["assignment_entropy"])
    whole = start(job_of(described, tmp_path), tmp_path / "whole")
    starts = carried_on(job_of(described, tmp_path), tmp_path / "logs", stopped)
    assert len(starts) > 1
    assert left_behind(starts[-1])["parameters"] == left_behind(whole)["parameters"]
    assert left_behind(starts[-1])["datasets"] == left_behind(whole)["datasets"]
