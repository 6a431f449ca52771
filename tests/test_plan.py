from pathlib import Path

import pytest
import torch

from recombine.load import load_dict, load_file
from recombine.measure_plan import Answer
from recombine.overrides import Override
from recombine.plan import MethodPlan, PlanOptions, plan_file, plan_method, totals_of
from recombine.plan_text import duration, method_parts, shape_in_words, timeline_table, totals_parts, turns_in_words
from tests.methods import rich, shown, small, written

CONFIGURATIONS = Path(__file__).resolve().parent.parent / "configurations"
ABSENT = {"/datasets/0/root": "nowhere", "/datasets/0/index_of_last_sample_to_use": None}
WIDE = {"/mappings/0/layers/1/in_features": 784, "/mappings/1/layers/0/out_features": 784}


def planned(method, **options):
    """Return a method's plan, without data, and what was found."""
    plan, loaded = plan_method(load_dict(method), options.get("data_root"), options.get("sample_shape"))
    return plan, [shown(problem) for problem in loaded.problems]


def test_a_method_is_planned_without_its_data():
    plan, found = planned(small({**ABSENT, **WIDE, "/datasets/0/dataset": "MNIST"}))
    assert found == []
    (dataset,) = plan.datasets
    assert (dataset.sample, dataset.known_by, dataset.num_samples) == ((1, 28, 28), "dataset", None)
    assert dataset.networks.parameters == 784 * 8 + 8 + 8 * 3 + 3 + 3 * 784 + 784
    assert dataset.phases[0].iterations == 2


def test_epochs_become_iterations_where_the_data_is_at_hand():
    plan, _ = planned(rich())
    assert [phase.iterations for phase in plan.datasets[0].phases] == [3, 3]
    assert plan.datasets[0].phases[1].first_iteration == 3


def test_layers_that_do_not_fit_a_sample_are_a_mistake_at_their_place():
    plan, found = planned(small({**ABSENT, "/datasets/0/dataset": "MNIST"}))
    assert plan is None
    (problem,) = found
    assert problem.startswith('error RC503 at /mappings/0/layers/1: mapping "encoder": layer "hidden"')


def test_a_dataset_that_is_only_scored_has_no_table_of_losses():
    method = small()
    method["datasets"].append({**method["datasets"][0], "name": "again", "phases": []})
    plan, _ = planned(method)
    titles = [part.title for part in method_parts(plan) if not isinstance(part, str)]
    assert titles.count("Losses, and the optimizers that minimise them") == 1
    assert [str(cell) for cell in timeline_table(plan.datasets).columns[1].cells] == ["training", "(scored only)"]


def test_what_is_odd_but_no_mistake_is_said_beside_the_plan():
    method = small()
    method["mappings"].append({**method["mappings"][1], "name": "spare"})
    plan, found = planned(method)
    assert plan is not None
    (problem,) = found
    assert problem.startswith('warning RC409 at /mappings/2: no phase trains mapping "spare"')


def test_transforms_that_do_not_work_are_a_mistake_at_their_place():
    plan, found = planned(small({"/datasets/0/transforms": [{"type": "RandomCrop", "size": 9}]}))
    assert plan is None
    (problem,) = found
    assert problem.startswith("error RC502 at /datasets/0/transforms: ")


def test_a_shape_that_nothing_tells_is_said_at_the_dataset():
    plan, found = planned(small({**ABSENT, "/datasets/0/dataset": "ImageFolder"}))
    assert plan is None
    (problem,) = found
    assert problem.startswith('error RC501 at /datasets/0: the shape of a sample of dataset "ImageFolder" is not known')
    plan, found = planned(small({**ABSENT, "/datasets/0/dataset": "ImageFolder"}), sample_shape=(1, 8, 8))
    assert (plan.datasets[0].known_by, found) == ("--sample-shape", [])


def test_a_batch_larger_than_the_data_at_hand_is_a_mistake():
    plan, found = planned(small({"/datasets/0/batch_size": 61}))
    assert plan is None
    assert found == [
        "error RC502 at /datasets/0/batch_size: the batch size 61 is larger than the dataset, which has 60 samples. "
        "Write at most 60."
    ]


def test_sets_that_are_generated_want_sets():
    plan, found = planned(small({"/datasets/0/dataset": "PointSets", "/datasets/0/index_of_last_sample_to_use": None}))
    assert plan is None
    assert 'dataset "PointSets" generates sets, and has no samples of its own. Add "sets".' in found[0]


def test_an_optimizer_that_trains_nothing_is_found_by_rehearsal():
    idle = {"name": "idle", "type": "design_pattern_specific", "layers": [{"type": "LazyLinear", "out_features": 1}]}
    changes = {"/mappings/2": idle, "/phases/0/optimizers/1": {"type": "SGD", "trained_mapping_names": ["idle"]}}
    plan, found = planned(small({**changes, "/mappings/2/layers": [{"type": "PReLU"}]}))
    assert plan is None
    assert found[0].startswith("error RC402 at /phases/0/optimizers/1")


def test_files_of_parameters_that_an_earlier_run_leaves_need_not_be_there():
    block = {"mapping_name": "encoder", "path_to_file": "absent.pt"}
    plan, found = planned(small({"/phases/0/load_mapping_parameters": [block]}))
    assert found == []
    assert plan.datasets[0].phases[0].iterations == 2


def test_a_dataset_that_is_only_scored_knows_what_the_training_fed(tmp_path):
    second = {"dataset": "Digits", "name": "test", "batch_size": 10, "num_clusters": 4, "phases": []}
    plan, _ = planned(small({"/datasets/1": {**second, "reinitialize_mappings": False}}))
    first, last = plan.datasets
    assert first.networks == last.networks
    assert last.networks.mappings[1].given_by == 'the output of layer "Linear_3" of mapping "encoder"'
    assert last.phases == ()


def test_the_order_of_random_draws_is_left_alone():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    planned(rich())
    assert torch.equal(before, torch.get_rng_state())


def test_overrides_are_planned_with(tmp_path):
    file = written(tmp_path, small())
    outcome = plan_file(file, PlanOptions(), (Override("/phases/0/exit_criteria/iterations", 7),))
    assert outcome.plan.datasets[0].phases[0].iterations == 7
    assert next(method_parts(outcome.plan)) == f"{file} /phases/0/exit_criteria/iterations=7: small"


def test_what_cannot_be_measured_is_planned_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr("recombine.plan.measure", lambda order: Answer(error="it rained"))
    outcome = plan_file(written(tmp_path, small()), PlanOptions(measures=True))
    assert (outcome.plan.measured, outcome.error) == (None, "it rained")


def test_totals_add_up():
    plan, _ = planned(rich())
    short, _ = planned(small({**ABSENT, **WIDE, "/datasets/0/dataset": "MNIST"}))
    endless, _ = planned(
        small({**ABSENT, **WIDE, "/datasets/0/dataset": "MNIST", "/phases/0/exit_criteria": {"epochs": 2}})
    )
    totals = totals_of([plan, short, endless, MethodPlan("none", "none", ())], 2)
    assert (totals.methods, totals.invalid, totals.phases) == (4, 2, 4)
    assert (totals.iterations, totals.phases_of_unknown_length) == (3 + 3 + 2, 1)
    assert totals.parameters == sum(one.datasets[0].networks.parameters for one in (plan, short, endless))
    assert (totals.seconds, totals.peak_bytes) == (None, None)
    assert list(totals_parts(totals)) == [
        "Methods: 4 planned, 2 invalid; 4 phases on datasets",
        f"Parameters: {totals.parameters:,}; iterations: 8, and 1 phases of unknown length",
    ]


@pytest.mark.parametrize("name", ["dec_cc_hybrid/mnist", "learning_to_cluster/mnist_small", "cnc/two_triangles"])
def test_shipped_configurations_are_planned_without_data(name):
    plan, loaded = plan_method(load_file(CONFIGURATIONS / f"{name}.json"), None, None)
    assert [str(problem) for problem in loaded.problems] == []
    for phase in plan.datasets[0].phases:
        assert all(loss.steppings for loss in phase.losses)
        assert not any(optimizer.idle for optimizer in phase.optimizers)


def test_words():
    assert (shape_in_words((3, 2)), shape_in_words(()), shape_in_words(None)) == ("3 x 2", "1", "?")
    assert turns_in_words([(0, 2), (4, 4)], 6) == "0-2, 4 of 0-5"
    assert (turns_in_words([(0, 0)], 1), turns_in_words([], 2)) == ("all", "none of 0-1")
    assert [duration(seconds) for seconds in (0.0123, 12.34, 90, 7200)] == ["12.3 ms", "12.3 s", "1.5 min", "2.0 h"]


def test_the_timeline_has_datasets_that_are_only_scored():
    second = {"dataset": "Digits", "name": "test", "batch_size": 10, "num_clusters": 4, "phases": []}
    plan, _ = planned(small({"/datasets/1": second}))
    cells = [list(column.cells) for column in timeline_table(plan.datasets).columns]
    assert [[str(cell) for cell in column] for column in cells[:4]] == [
        ["Digits", "test"],
        ["training", "(scored only)"],
        ["0", ""],
        ["2", ""],
    ]
