"""Every shipped configuration: valid as it is, and shortened from end to end on made data of the same layout."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import recombine
from recombine.load import load_file
from recombine.registry import patterns
from tests.datasets.files import write_idx

FOLDER = Path(__file__).resolve().parent.parent / "configurations"
FILES = sorted(path for path in FOLDER.glob("*/**/*.json") if path.parent.name != "architectures")
#: Those of a family of architectures are run for one of each kind of network and loss; the others differ by an index.
#: What learns to cluster is run by test_learning_to_cluster.py, but for three small ones.
OTHER_ARCHITECTURES = re.compile(
    "coil20/architecture_([134567]_|2_k)|architecture_._pretraining"
    "|learning_to_cluster/(?!digits|mnist_small|points_small_attention)"
)
ITERATIONS, BATCH, TRAIN, TEST, CLASSES = 6, 32, 300, 100, 10
#: Samples of datasets that are used as they are, or are large.
USED, NODES = {"Digits": TRAIN, "COIL20": 40}, 6
SETS, OBJECTS_OF_SETS = 4, (20, 30)
#: Whole numbers of iterations and restarts, wherever they stand in a file, and what they become.
SHORTENED = [
    (re.compile(r"^iterations$"), ITERATIONS),
    (re.compile(r"^epochs$"), 1),
    (re.compile(r"(^|_)interval$"), 2),
    (re.compile(r"^num_sets$"), SETS),
    (re.compile(r"(train_for|_|^num_|^start_at_|^warm_up_)iterations?(_per_value)?$"), 1),
    (re.compile(r"_num_restarts$"), 1),
    (re.compile(r"^batch_size$"), BATCH),
]


LISTS = {"mnist": "mnist.json", "coil20": "coil.json"}


def parameters(files=FILES):
    """Return one parameter of a test for each file."""
    return [pytest.param(path, id=path.relative_to(FOLDER).with_suffix("").as_posix()) for path in files]


def run_through():
    """Return the files that are run."""
    return [path for path in FILES if not OTHER_ARCHITECTURES.search(path.as_posix())]


def shortened(value):
    """Return a method with every stage of it shortened to an iteration or a few."""
    if isinstance(value, list):
        return [shortened(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {key: shortened(inner) for key, inner in value.items()}
    for key, inner in value.items():
        for pattern, most in SHORTENED:
            if isinstance(inner, int) and not isinstance(inner, bool) and pattern.search(key):
                found[key] = min(inner, most)
                break
    return found | ({"loss_report_interval": 1} if "pattern" in value else {})


def write_digits_of_bars(root, prefix, count):
    """Write images in MNIST's layout: each class is a bright bar in a place of its own, on noise."""
    draws = np.random.default_rng(len(prefix))
    labels = (np.arange(count) % CLASSES).astype(np.uint8)
    images = draws.integers(0, 40, (count, 28, 28), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        row, column = divmod(int(label), 5)
        image[4 + 11 * row : 12 + 11 * row, 1 + 5 * column : 6 + 5 * column] += 180
    write_idx(root / f"{prefix}-images-idx3-ubyte", images)
    write_idx(root / f"{prefix}-labels-idx1-ubyte", labels)


def write_objects_of_rings(root):
    """Write images in COIL-20's layout: each object is a ring of its own size, on noise."""
    draws = np.random.default_rng(20)
    rows, columns = np.mgrid[-64:64, -64:64]
    for item in range(20):
        ring = np.abs(np.hypot(rows, columns) - 3 * item) < 3
        folder = root / f"obj{item + 1:02}"
        folder.mkdir(parents=True)
        for view in range(72):
            noise = draws.integers(0, 60, ring.shape, dtype=np.uint8)
            Image.fromarray(np.where(ring, 220, noise)).save(folder / f"view{view:02}.png", compress_level=1)


@pytest.fixture(scope="module")
def data_root(tmp_path_factory):
    """Made data for every dataset that a configuration may name."""
    root = tmp_path_factory.mktemp("data")
    for name in ("MNIST", "FashionMNIST", "KMNIST"):
        write_digits_of_bars(root / name / "raw", "train", TRAIN)
        write_digits_of_bars(root / name / "raw", "t10k", TEST)
    write_objects_of_rings(root / "COIL20")
    return root


def test_finds_the_configurations():
    assert len(FILES) >= 3
    assert FOLDER / "quickstart" / "digits.json" in FILES
    assert list(FOLDER.glob("*.json")) == []
    deeper = {path.parent for path in FOLDER.glob("*/*/**/*.json")}
    assert {folder.name for folder in deeper} == {"architectures", "mnist", "coil20", "with_views"}
    assert len([path for path in FILES if path.parent.name in ("mnist", "coil20")]) == 3 * (2 + 8)


@pytest.mark.parametrize("path", parameters())
def test_is_valid_without_a_warning(path):
    loaded = load_file(path)
    assert [str(problem) for problem in loaded.problems] == []
    assert loaded.config is not None
    given = json.loads(path.read_text(encoding="utf-8"))
    assert (path.parent / given["$schema"]).resolve() == FOLDER.parent / "schema" / "method.json"


def test_names_are_unique():
    names = [load_file(path).require().name for path in FILES]
    assert len(names) == len(set(names))


def test_shortening_keeps_what_is_no_time():
    given = {
        "exit_criteria": {"iterations": 50000, "performance_evaluation_acc_lt_after_iterations": {"value": 0.5}},
        "train_for_iterations": 9,
        "batch_size": 256,
        "annealing_iterations_per_value": 1370,
        "kernel_size": 28,
        "shuffle": True,
        "loss_weight_schedule": {"start_at_iteration": 5000, "warm_up_iterations": 700},
    }
    assert shortened(given) == {
        "exit_criteria": {"iterations": 6, "performance_evaluation_acc_lt_after_iterations": {"value": 0.5}},
        "train_for_iterations": 1,
        "batch_size": 32,
        "annealing_iterations_per_value": 1,
        "kernel_size": 28,
        "shuffle": True,
        "loss_weight_schedule": {"start_at_iteration": 1, "warm_up_iterations": 1},
    }


@pytest.mark.parametrize("path", parameters(run_through()))
def test_runs_through_every_phase_to_a_score_on_every_dataset(path, data_root, tmp_path):
    method = shortened(json.loads(path.read_text(encoding="utf-8")))
    for mapping in method["mappings"]:
        if "architecture" in mapping:
            list_of_it = path.parent / mapping["architecture"]["path_to_file"]
            mapping["architecture"]["path_to_file"] = str(list_of_it)
    for dataset in method["datasets"]:
        if dataset["dataset"] == "Graph":
            dataset["root"] = str(path.parent / dataset["root"])
        elif dataset["dataset"] in USED:
            dataset["index_of_last_sample_to_use"] = USED[dataset["dataset"]] - 1
        if "sets" in dataset:
            dataset["batch_size"] = dataset["sets"]["num_evaluation_sets"] = SETS
    file = tmp_path / path.name
    file.write_text(json.dumps(method), encoding="utf-8")
    result = recombine.run(file, device="cpu", data_root=data_root, log_dir=tmp_path / "logs")
    config = load_file(path).require()
    events = [json.loads(line) for line in (result.folder / "events.jsonl").read_text().splitlines()]
    assert result.status == "finished"
    assert list(result.datasets) == [dataset.name for dataset in config.datasets]
    for dataset in result.datasets.values():
        assert_scored(dataset, (result.folder / "run.log").read_text())
    ended = [(event["dataset"], event["phase"]) for event in events if event["event"] == "phase_ended"]
    assert ended == [(data.name, phase.name) for data in config.datasets for phase in config.phases_of(data)]
    for dataset in config.datasets:
        for phase in config.phases_of(dataset):
            assert_all_losses_are_reported(phase, [e for e in events if e.get("phase") == phase.name])


@pytest.mark.parametrize("folder", ["mnist", "coil20"])
@pytest.mark.parametrize("kind", ["pretraining", "kl", "k_means"])
def test_the_files_of_a_family_differ_by_their_architecture_only(folder, kind):
    files = sorted(path for path in FILES if path.parent.name == folder and path.stem.endswith(f"_{kind}"))
    assert len(files) == {"mnist": 2, "coil20": 8}[folder]
    architectures = json.loads(files[0].parent.with_name("architectures").joinpath(LISTS[folder]).read_text())
    first = None
    for index, path in enumerate(files):
        method = json.loads(path.read_text(encoding="utf-8"))
        assert method.pop("name") == f"dcjc_{kind}_{folder}_{index}"
        assert method["mappings"][0]["architecture"].pop("index") == index
        assert method["datasets"][0].pop("batch_size") == architectures[index]["batch_size"]
        assert f"architecture {index} of " in method["description"].pop(0)
        first = first or method
        assert method == first


def assert_scored(dataset, log):
    """Assert that every sample of a dataset has a cluster, and the dataset its final line."""
    of_sets = [SETS * objects for objects in OBJECTS_OF_SETS]
    assert dataset.num_samples == len(dataset.clusters) in (TRAIN, TEST, TRAIN + TEST, USED["COIL20"], NODES, *of_sets)
    assert 1 / CLASSES <= dataset.scores.acc <= 1
    assert len(dataset.assignments_file.read_text().splitlines()) == dataset.num_samples + 1
    assert f'Final performance on dataset "{dataset.name}": {dataset.scores}' in log


def assert_all_losses_are_reported(phase, events):
    """Assert that each loss of each pattern of a phase had a finite value at some time."""
    finite = {
        name
        for event in events
        if event["event"] == "losses"
        for name, value in event["losses"].items()
        if value is not None
    }
    counts = {}
    for block in phase.design_patterns:
        if block["enabled"]:
            counts[block["pattern"]] = counts.get(block["pattern"], 0) + 1
    for pattern, count in counts.items():
        assert pattern in patterns()
        names = [pattern, *(f"{pattern}_{number}" for number in range(2, count + 1))]
        for name in names:
            assert any(found == name or found.startswith(f"{name}.") for found in finite), name
