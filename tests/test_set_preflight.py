"""What the data and the networks show to be wrong with sets, before anything runs."""

import json
import re

import pytest

from recombine.load import load_dict
from recombine.set_preflight import parts_of
from tests.methods import DIVERGING, found, found_with_data, written
from tests.set_methods import BY_CLASSIFIER, of_digits, of_points

DATASET, PHASE, STRATEGY = "/datasets/0", "/phases/0", "/cluster_assignment_strategy"
SETS, VALIDATION = f"{DATASET}/sets", f"{PHASE}/validation"
CLASSES, COUNT_LAYERS = f"{SETS}/classes", "/mappings/2/layers"
VALIDATED = {VALIDATION: {"num_sets": 3}}
BEHIND = f"{PHASE}/design_patterns/2"
#: The first digits, of which 7, 8 and 9 occur once.
FEW = {f"{DATASET}/index_of_last_sample_to_use": 14, f"{CLASSES}/validation": []}
NEIGHBORS = {"source": "features", "mapping_name": "encoder", "neighborhood": "dataset", "num_neighbors": 3}


def said(changes, method=of_digits):
    """Return what is said of a method once its data is there; the file alone shows nothing."""
    described = method(changes)
    assert found(described) == []
    return found_with_data(described)


@pytest.mark.parametrize("method", [of_digits, of_points])
@pytest.mark.parametrize("changes", [{}, VALIDATED])
def test_what_is_right_is_said_to_be(method, changes):
    assert said(changes, method) == []


# --- the classes --------------------------------------------------------------------------------------------------


def too_few(part, count):
    """Return what is said where there are too few classes for three clusters."""
    return (
        f"error RC502 at {SETS}: sets of up to 3 clusters need 3 classes for {part}, and there are {count}: write a "
        f'smaller "num_clusters", or give {part} more classes.'
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({f"{CLASSES}/train": [0, 1]}, too_few("train", 2)),
        ({f"{CLASSES}/train": []}, too_few("train", 0)),
        ({f"{CLASSES}/validation": [4], **VALIDATED}, too_few("validation", 1)),
        ({f"{CLASSES}/test": [8]}, too_few("test", 1)),
        ({CLASSES: {"train": 0.8, "validation": 0, "test": 0.2}}, too_few("test", 2)),
        ({f"{CLASSES}/test": [7, 8, 8]}, too_few("test", 2)),
        (
            {f"{CLASSES}/test": [7, 8, 9, 0]},
            f'error RC502 at {SETS}: dataset "Digits": class "0" is listed for train and for test; a class is for one '
            "of them.",
        ),
        (
            {f"{CLASSES}/test": [7, 8, 10]},
            f'error RC502 at {SETS}: dataset "Digits": the dataset has no class 10; it has "0", "1", "2", "3", "4", '
            '"5", "6", "7", "8", "9".',
        ),
        (
            {f"{SETS}/with_replacement": False, f"{SETS}/num_objects": 100},
            f"error RC502 at {SETS}: without replacement, a set needs 100 different objects, 1 or more of each class, "
            'and the smallest 1 of the classes for train have 19, the smallest 19: set "with_replacement" to true, or '
            'write a smaller "num_objects".',
        ),
    ],
)
def test_classes_that_do_not_suffice(changes, message):
    assert said(changes) == [message]


def test_classes_that_nothing_draws_from_need_not_suffice():
    assert said({f"{CLASSES}/validation": [4]}) == []
    assert said({f"{CLASSES}/train": [], f"{DATASET}/phases": []}) == []


def test_a_class_of_one_object_is_a_warning_where_it_must_stand_several_times():
    assert said({**FEW, f"{SETS}/min_objects_per_cluster": 2}) == [
        f"warning RC506 at {SETS}: of the classes for test, 3 with a single object: it stands several times in their "
        "sets."
    ]
    assert said(FEW) == []


def test_a_class_of_one_object_cannot_be_drawn_from_twice_without_replacement():
    (message,) = said({**FEW, f"{SETS}/min_objects_per_cluster": 2, f"{SETS}/with_replacement": False})
    assert message.startswith(
        f"error RC502 at {SETS}: without replacement, a set needs 6 different objects, 2 or more of each class, and "
    )


def test_a_class_of_two_objects_has_none_to_validate_on():
    assert said({**FEW, **VALIDATED}) == [
        f"error RC502 at {SETS}: a class for validation has too few objects to keep one of them for validation."
    ]


@pytest.fixture
def table(tmp_path):
    """Return changes to a dataset of three numbers a sample, without labels, that makes sets."""
    (tmp_path / "table.csv").write_text("\n".join(f"{i},{i % 3},{i * i % 7}" for i in range(60)))
    linear = [{"type": "Linear", "in_features": 3, "out_features": 4}]
    return {
        f"{DATASET}/dataset": "Table",
        f"{DATASET}/root": str(tmp_path / "table.csv"),
        f"{DATASET}/index_of_last_sample_to_use": None,
        "/mappings/0/layers": linear,
    }


def test_without_labels_there_are_no_sets(table):
    assert said(table) == [
        f'error RC502 at {SETS}: dataset "Table" has no labels, by which alone sets can be made of it.'
    ]


def test_what_generates_sets_must_make_them():
    assert said({**BY_CLASSIFIER, SETS: None}, of_points) == [
        f'error RC502 at {DATASET}: dataset "PointSets" generates sets, and has no samples of its own. Add "sets".'
    ]


# --- the networks -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {f"{COUNT_LAYERS}/3/out_features": 4},
            f'error RC503 at {STRATEGY}/count_head_name: "count_head" gives 4 numbers, but dataset "Digits" needs 3, '
            "for 1 to 3 clusters. Make its last layer 3 wide.",
        ),
        (
            {f"{COUNT_LAYERS}/3/out_features": 2, "/mappings/3/layers/0/out_features": 3},
            f'error RC503 at {STRATEGY}/count_head_name: "count_head" gives 2 numbers, but dataset "Digits" needs 3, '
            "for 1 to 3 clusters. Make its last layer 3 wide.",
        ),
        (
            {f"{STRATEGY}/min_clusters": 2, **{f"{PHASE}/design_patterns/{i}/min_clusters": 2 for i in (0, 1)}},
            f'error RC503 at {STRATEGY}/count_head_name: "count_head" gives 3 numbers, but dataset "Digits" needs 2, '
            "for 2 to 3 clusters. Make its last layer 2 wide.",
        ),
        (
            {"/mappings/3/layers/0/out_features": 5},
            f'error RC503 at {STRATEGY}: the strategy cannot work on these networks: "assignment_head" is to give '
            "1 + 2 + 3 = 6 numbers for each of 6 objects of 2 sets, (2, 6, 6), and gives (2, 6, 5).",
        ),
        (
            {COUNT_LAYERS: [{"type": "Linear", "in_features": 4, "out_features": 3}]},
            f'error RC503 at {STRATEGY}: the strategy cannot work on these networks: "count_head" is to give one row '
            "for each of 2 sets, and gives (2, 6, 3).",
        ),
        (
            {f"{STRATEGY}/count_head_name": "assignment_head", f"{STRATEGY}/assignment_head_name": "count_head"},
            f'error RC503 at {STRATEGY}: the strategy cannot work on these networks: "assignment_head" is to give one '
            "row for each of 2 sets, and gives (2, 6, 6).",
        ),
        (
            {f"{STRATEGY}/count_head_name": "encoder"},
            f'error RC503 at {STRATEGY}: the strategy cannot work on these networks: "encoder" is to give one row for '
            "each of 2 sets, and gives (12, 4).",
        ),
        (
            {BEHIND: {"pattern": "nested_clusterings", "assignment_head_name": "assignment_head", "max_clusters": 4}},
            f'error RC503 at {BEHIND}: the pattern "nested_clusterings" cannot work on these networks: '
            '"assignment_head" is to give 1 + 2 + 3 + 4 = 10 numbers for each of 6 objects of 2 sets, (2, 6, 10), and '
            "gives (2, 6, 6).",
        ),
    ],
)
def test_heads_of_another_width(changes, message):
    assert said(changes) == [message]


def test_batch_norm_over_a_single_set_is_found_beforehand():
    (found,) = said({f"{DATASET}/batch_size": 1})
    assert found.startswith('error RC503 at /mappings/2/layers/1: the pattern "cluster_count" cannot work on these')
    assert re.search(r'"count_head": layer "BatchNorm1d_1", .* shape \(1, 8\) .* Expected more than 1 value per', found)
    layers = [{"type": "SetPooling"}, {"type": "Linear", "in_features": 8, "out_features": 3}]
    assert said({f"{DATASET}/batch_size": 1, COUNT_LAYERS: layers}) == []


@pytest.mark.parametrize(
    ("pattern", "changes"),
    [
        (
            {"pattern": "target_distribution", "target_distribution_recalculation_interval": 2},
            {**BY_CLASSIFIER, f"{PHASE}/design_patterns": []},
        ),
        ({"pattern": "siamese_contrastive", "encoder_name": "encoder", "neighbors": NEIGHBORS}, {}),
        (
            {"pattern": "normalized_cut", "classifier_name": "classifier", "affinity": NEIGHBORS},
            {**BY_CLASSIFIER, f"{PHASE}/design_patterns": []},
        ),
    ],
)
def test_patterns_that_look_at_the_whole_dataset(pattern, changes):
    place = f"{PHASE}/design_patterns"
    number = 0 if f"{PHASE}/design_patterns" in changes else 2
    trained = {"/phases/0/optimizers/0/trained_mapping_names": ["encoder"]} if number == 0 else {}
    assert said({**changes, f"{place}/{number}": pattern, **trained}) == [
        f'error RC503 at {place}/{number}: the pattern "{pattern["pattern"]}" cannot work on these networks: dataset '
        '"Digits" makes sets: nothing can look at all its samples together.'
    ]


def test_parts_are_those_that_phases_draw_from():
    phases = load_dict(of_digits(VALIDATED)).require().phases
    assert parts_of(()) == ("test",)
    assert parts_of(load_dict(of_digits()).require().phases) == ("train", "test")
    assert parts_of(phases) == ("train", "validation", "test")


# --- from the command line ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("at_home")
@pytest.mark.parametrize(
    ("changes", "key", "message"),
    [
        (
            {f"{SETS}/num_objects": 2},
            '"num_objects"',
            f"error RC104 at {SETS}/num_objects: a set of 2 objects cannot have 3 clusters with 1 or more objects "
            'each. Write at least 3, or a smaller "num_clusters".',
        ),
        ({f"{SETS}/num_objects": [6, 7, 9]}, '"num_objects"', None),
        ({f"{CLASSES}/test": [8]}, '"sets"', too_few("test", 1)),
        ({f"{CLASSES}/test": ["nine"]}, '"sets"', None),
        ({f"{COUNT_LAYERS}/3/out_features": 4}, '"count_head_name"', None),
        ({BEHIND: {"pattern": "assignment_entropy"}}, '"pattern": "assignment_entropy"', None),
    ],
)
def test_one_line_with_its_place_and_no_traceback(call, tmp_path, changes, key, message):
    file = written(tmp_path, of_digits(changes))
    status, output, errors = call("run", file)
    text = output + errors
    assert status == 2
    assert "Traceback" not in text
    (line,) = [line for line in text.splitlines() if " error RC" in line]
    place = re.match(r".*method\.json:(\d+):(\d+): ", line)
    assert place is not None
    assert key in file.read_text().splitlines()[int(place[1]) - 1]
    if message is not None:
        assert line.endswith(message)


@pytest.mark.usefixtures("at_home")
def test_a_run_on_sets_that_diverges_says_so(call, tmp_path):
    optimizer = {**DIVERGING["/phases/0/optimizers/0"], "trained_mapping_names": ["encoder", "network", "count_head"]}
    changes = {f"{PHASE}/exit_criteria/iterations": 9, f"{PHASE}/optimizers/0": optimizer, **VALIDATED}
    status, output, errors = call("run", written(tmp_path, of_digits(changes)))
    assert status == 1
    assert "Traceback" not in output + errors
    (run,) = (tmp_path / "logs").glob("*_sets_*")
    result = json.loads((run / "result.json").read_text())
    assert (result["status"], "NaN or infinite" in result["error"]) == ("failed", True)
