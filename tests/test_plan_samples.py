from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from recombine.errors import DataError
from recombine.load import load_dict
from recombine.plan_samples import KNOWN, look_of, view_shapes, whole_data
from recombine.torchvision_classes import names
from tests.methods import small

ABSENT = {"/datasets/0/index_of_last_sample_to_use": None, "/datasets/0/root": "nowhere"}


def look(changes, given=None, folder=None):
    """Return what the samples of the small method's dataset look like after some changes."""
    config = load_dict(small(changes), folder=folder).require()
    return look_of(config.datasets[0], config.folder, None, given)


def shape(changes, found):
    """Return the shape of one sample in the plain view of the small method's dataset after some changes."""
    return view_shapes(dataset(changes), found.samples)[0]


def dataset(changes):
    """Return the dataset of the small method after some changes."""
    return load_dict(small(changes)).require().datasets[0]


def test_data_at_hand_tells_its_shape_and_its_number():
    found = look({})
    assert (shape({}, found), found.source, found.count) == ((1, 8, 8), "data", 60)
    assert found.samples.kind == "image"


def test_a_range_that_the_data_has_not_is_said():
    with pytest.raises(DataError, match="index_of_last_sample_to_use is 5000"):
        look({"/datasets/0/index_of_last_sample_to_use": 5000})


@pytest.mark.parametrize(("name", "known"), [("MNIST", (1, 28, 28)), ("USPS", (1, 16, 16)), ("CIFAR10", (3, 32, 32))])
def test_a_class_tells_its_shape(name, known):
    changes = {**ABSENT, "/datasets/0/dataset": name}
    found = look(changes)
    assert (shape(changes, found), found.source, found.count) == (known, "dataset", None)


def test_known_classes_exist():
    assert set(KNOWN) - set(names("dataset")) == {"COIL20"}


def test_arguments_may_tell_the_shape():
    speech = {**ABSENT, "/datasets/0/dataset": "SpeechFolder", "/datasets/0/window": 64}
    assert shape(speech, look(speech)) == (1, 64, 128)


def test_transforms_may_fix_the_shape():
    resize = [{"type": "Resize", "size": [24, 20]}]
    changes = {**ABSENT, "/datasets/0/dataset": "ImageFolder", "/datasets/0/transforms": resize}
    assert (shape(changes, look(changes)), look(changes).source) == ((3, 24, 20), "transforms")
    gray = {**changes, "/datasets/0/dataset": "INaturalist"}
    with pytest.raises(DataError, match="is not known: neither its class nor its transforms fix it"):
        look(gray)
    gray["/datasets/0/transforms"] = [*resize, {"type": "Grayscale"}]
    assert shape(gray, look(gray)) == (1, 24, 20)


def test_the_user_may_tell_the_shape():
    changes = {**ABSENT, "/datasets/0/dataset": "ImageFolder"}
    found = look(changes, (3, 12, 10))
    assert (shape(changes, found), found.source) == ((3, 12, 10), "--sample-shape")
    with pytest.raises(DataError, match="give for example --sample-shape 3x128x128"):
        look(changes)


def test_tables_and_float_images_are_no_bytes(tmp_path):
    np.save(tmp_path / "table.npy", np.zeros((30, 5), np.float32))
    changes = {**ABSENT, "/datasets/0/dataset": "Table", "/datasets/0/root": "table.npy"}
    changes["/datasets/0/transforms"] = []
    found = look(changes, folder=tmp_path)
    assert (shape(changes, found), found.count, found.samples.tensor().dtype) == ((5,), 30, torch.float32)
    normalize = [{"type": "Normalize", "mean": [0.5], "std": [0.5]}]
    speech = {**ABSENT, "/datasets/0/dataset": "SpeechFolder", "/datasets/0/transforms": normalize}
    assert look(speech).samples.kind == "tensor_image"


def test_transforms_that_do_not_work_are_said():
    crop = {"/datasets/0/transforms": [{"type": "RandomCrop", "size": 9}]}
    with pytest.raises(DataError, match="RandomCrop"):
        view_shapes(dataset(crop), look({}).samples)


def test_sets_have_classes_enough_for_every_part():
    classes = {"train": ("cat", 3), "validation": 0, "test": 0.5}
    sets = {"num_objects": (4, 6), "classes": classes, "with_replacement": False}
    made = dataset({**ABSENT, "/datasets/0/dataset": "MNIST", "/datasets/0/num_clusters": 2})
    made = replace(made, sets=sets)
    found = look_of(made, Path(), None, None)
    assert whole_data(made, found) is None
    labels = found.samples.labels
    assert found.samples.class_names[4] == "cat"
    assert int(labels.max()) + 1 == 5 + 4 + 2
    assert set(torch.bincount(labels).tolist()) == {12}


def test_the_whole_dataset_takes_the_memory_of_one_sample():
    data = whole_data(dataset({}), look({}))
    assert (data.num_samples, data.batches_per_epoch) == (60, 3)
    missing = {**ABSENT, "/datasets/0/dataset": "MNIST"}
    assert whole_data(dataset(missing), look(missing)) is None
