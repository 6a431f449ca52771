import pytest
import torch

from recombine import factory, torchvision_classes
from recombine.class_checks import class_findings
from recombine.normalize import Normalizer
from recombine.signatures import parameters_of
from recombine.subschemas import annotation, properties, resolve, root_schema, walk
from tests.methods import found, rich, small

LAYER, OPTIMIZER, DATASET, FUNCTION = (
    "/mappings/0/layers/1",
    "/phases/0/optimizers/0",
    "/datasets/0",
    "/mappings/0/post_processing_functions",
)
SCHEDULERS = "/phases/0/optimizer_learning_rate_schedulers"


def image_folder(**arguments):
    """Return changes that make the dataset one of torchvision."""
    return {
        DATASET: {"dataset": "MNIST", "root": "x", "batch_size": 2, "num_clusters": 2, "shuffle": True, **arguments}
    }


def test_good_methods_have_no_findings():
    assert class_findings(walk(Normalizer().normalize(rich(), [root_schema()]), [root_schema()])) == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {f"{LAYER}/type": "torch.nn.Linear"},
            f'RC201 at {LAYER}/type: "torch.nn.Linear" is not the plain name of a layer of torch.nn. '
            'Did you mean "Linear"?',
        ),
        (
            {f"{LAYER}/out_features": None},
            f'RC203 at {LAYER}: Linear requires the argument "out_features". Add "out_features".',
        ),
        (
            {f"{LAYER}/out_features": None, f"{LAYER}/out_feature": 8},
            f'RC202 at {LAYER}/out_feature: Linear takes no argument "out_feature". Did you mean "out_features"?',
        ),
        (
            {f"{LAYER}/out_features": 8.5},
            f"RC204 at {LAYER}: Linear refuses its arguments: empty(): argument 'size' (position 1) must be tuple of "
            "ints, but found element of type float at pos 0.",
        ),
        (
            {f"{LAYER}/dtype": "float33"},
            f'RC204 at {LAYER}: "float33" is no dtype of torch. Write for example "float32".',
        ),
        ({f"{OPTIMIZER}/lr": -1}, f"RC204 at {OPTIMIZER}: Adam refuses its arguments: Invalid learning rate: -1."),
        (
            {f"{OPTIMIZER}/type": "LBFGS"},
            f'RC201 at {OPTIMIZER}/type: "LBFGS" cannot be used: it evaluates the loss several times per step, which '
            "design patterns with state do not allow.",
        ),
        (
            {SCHEDULERS: [{"type": "LambdaLR", "optimizer_name": "Adam_0"}]},
            f'RC201 at {SCHEDULERS}/0/type: "LambdaLR" cannot be used: it needs a Python function as an argument, and '
            "a method file holds no code.",
        ),
        (
            {FUNCTION: [{"function_name": "torch.save", "input_argument_name": "obj"}]},
            f'RC201 at {FUNCTION}/0/function_name: "torch.save" is not the plain name of a function of '
            'torch.nn.functional. "recombine list functions" shows what there is.',
        ),
        (
            {FUNCTION: [{"function_name": "normalize", "input_argument_name": "inputs"}]},
            f'RC202 at {FUNCTION}/0/input_argument_name: normalize takes no argument "inputs". Did you mean "input"?',
        ),
        (
            {
                "/mappings/0/layer_initialization": [
                    {"layer_names": ["hidden"], "weight_type": "bias", "type": "os.system"}
                ]
            },
            'RC201 at /mappings/0/layer_initialization/0/type: "os.system" is not the plain name of a function of '
            'torch.nn.init. "recombine list initializers" shows what there is.',
        ),
    ],
)
def test_blocks_of_torch(changes, problem):
    assert found(small(changes)) == [f"error {problem}"]


@pytest.mark.parametrize(
    ("transform", "problem"),
    [
        (
            {"type": "Lambda"},
            'RC201 at {}/type: "Lambda" cannot be used: it runs code, which a method file cannot hold.',
        ),
        (
            {"type": "Lambda", "lambd": "x"},
            'RC201 at {}/type: "Lambda" cannot be used: it runs code, which a method file cannot hold.',
        ),
        (
            {"type": "TenCrop", "size": 3},
            'RC201 at {}/type: "TenCrop" cannot be used: it returns several images for one.',
        ),
        (
            {"type": "Resiz", "size": 3},
            'RC201 at {}/type: there is no transform called "Resiz". Did you mean "Resize"?',
        ),
        (
            {"type": "torchvision.transforms.Resize"},
            'RC201 at {}/type: "torchvision.transforms.Resize" is not the plain name of a transform. '
            'Did you mean "Resize"?',
        ),
        (
            {"type": "_setup_size"},
            'RC201 at {}/type: "_setup_size" is not the plain name of a transform. '
            '"recombine list transforms" shows what there is.',
        ),
        (
            {"type": "functional"},
            'RC201 at {}/type: there is no transform called "functional". '
            '"recombine list transforms" shows what there is.',
        ),
        ({"type": "Resize"}, 'RC203 at {}: Resize requires the argument "size". Add "size".'),
        ({"type": "Resize", "siz": 3}, 'RC202 at {}/siz: Resize takes no argument "siz". Did you mean "size"?'),
    ],
)
def test_transforms_at_any_depth(transform, problem):
    place = f"{DATASET}/transforms/0"
    assert found(small({f"{DATASET}/transforms": [transform]})) == ["error " + problem.format(place)]
    nested = {
        "type": "RandomApply",
        "transforms": [{"type": "ToTensor"}, {"type": "Compose", "transforms": [transform]}],
    }
    place += "/transforms/1/transforms/0"
    assert found(small({f"{DATASET}/transforms": [nested]})) == ["error " + problem.format(place)]


def test_a_nested_transform_without_a_type_is_told_so():
    block = {"type": "RandomApply", "transforms": [{"size": 3}]}
    assert found(small({f"{DATASET}/transforms": [block]})) == [
        f"error RC102 at {DATASET}/transforms/0/transforms/0: an object as an argument must name a transform by "
        '"type". Add "type".'
    ]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {f"{DATASET}/batch_size": None, f"{DATASET}/batch_sise": 20},
            f'RC202 at {DATASET}/batch_sise: Digits takes no argument "batch_sise". Did you mean "batch_size"?',
        ),
        (
            {f"{DATASET}/train": True},
            f'RC202 at {DATASET}/train: Digits takes no argument "train". It takes no arguments.',
        ),
        (
            {f"{DATASET}/dataset": "Digit"},
            f'RC201 at {DATASET}/dataset: there is no dataset called "Digit". Did you mean "Digits"?',
        ),
        (
            image_folder(dataset="Minst"),
            f'RC201 at {DATASET}/dataset: there is no dataset called "Minst". Did you mean "MNIST"?',
        ),
        (
            image_folder(dataset="torchvision.datasets.MNIST"),
            f'RC201 at {DATASET}/dataset: "torchvision.datasets.MNIST" is not the plain name of a dataset. '
            'Did you mean "MNIST"?',
        ),
        (
            image_folder(dataset="os.system"),
            f'RC201 at {DATASET}/dataset: "os.system" is not the plain name of a dataset. '
            '"recombine list datasets" shows what there is.',
        ),
        (
            image_folder(dataset="DatasetFolder"),
            f'RC201 at {DATASET}/dataset: "DatasetFolder" cannot be used: it needs a loader, which is code and cannot '
            'be given in JSON; use "ImageFolder".',
        ),
        (
            image_folder(dataset="Kinetics"),
            f'RC201 at {DATASET}/dataset: "Kinetics" cannot be used: a sample is a video.',
        ),
        (image_folder(trian=True), f'RC202 at {DATASET}/trian: MNIST takes no argument "trian". Did you mean "train"?'),
        (
            image_folder(transform="x"),
            f'RC202 at {DATASET}/transform: "transform" cannot be given: it is code, which a method file cannot hold; '
            'the transforms of a dataset stand in its "transforms" list. Remove it.',
        ),
        (
            image_folder(dataset="SVHN", split="test", splitt="x"),
            f'RC202 at {DATASET}/splitt: SVHN takes no argument "splitt". Did you mean "splits"?',
        ),
        (image_folder(dataset="EMNIST"), f'RC203 at {DATASET}: EMNIST requires the argument "split". Add "split".'),
    ],
)
def test_datasets(changes, problem):
    assert found(small(changes)) == [f"error {problem}"]


@pytest.mark.parametrize("dataset", ["MNIST", "SVHN", "Omniglot", "LFWPeople", "Flowers102"])
def test_splits_stand_for_what_chooses_one(dataset):
    assert found(small(image_folder(dataset=dataset, splits=["train", "test"]))) == []


def test_splits_stand_for_nothing_else():
    block = {"dataset": "EMNIST", "splits": ["train", "test"]}
    assert found(small(image_folder(**block, split="letters"))) == []
    expected = f'error RC203 at {DATASET}: EMNIST requires the argument "split". Add "split".'
    assert found(small(image_folder(**block))) == [expected]


def test_a_dataset_without_splits_takes_no_splits():
    problems = found(small(image_folder(dataset="ImageFolder", splits=["train"])))
    assert problems == [
        f'error RC202 at {DATASET}/splits: ImageFolder takes no argument "splits". Known here: "allow_empty", "root".'
    ]


@pytest.mark.parametrize(
    "changes", [{f"{LAYER}/type": 5}, {f"{LAYER}/name": {}}, {f"{LAYER}/positional_arguments": 5}, {OPTIMIZER: []}]
)
def test_blocks_that_the_schema_finds_fault_with_are_left_to_it(changes):
    problems = found(small(changes))
    assert [text.split()[1] for text in problems] == ["RC103"]


def test_a_layer_is_tried_out_without_memory():
    assert found(small({f"{LAYER}/out_features": 10**9})) == []


@pytest.mark.parametrize(
    "name", [name for name in factory.names("layer") if name.startswith(("Conv", "Lazy", "Batch", "LSTM", "GRU"))]
)
def test_layers_of_every_family_can_be_tried_out(name):
    known = {
        "in_channels": 2,
        "out_channels": 3,
        "kernel_size": 1,
        "num_features": 3,
        "input_size": 2,
        "hidden_size": 3,
        "out_features": 3,
    }
    parameters = [parameter.name for parameter in parameters_of(getattr(torch.nn, name))]
    block = {"type": name, **{key: value for key, value in known.items() if key in parameters}}
    method = Normalizer().normalize(small({LAYER: block}), [root_schema()])
    assert class_findings(walk(method, [root_schema()])) == []


def test_the_keys_of_ours_are_those_of_the_schema():
    places = {
        "layer": "mapping.json#/$defs/layer",
        "init": "mapping.json#/$defs/initialization",
        "functional": "mapping.json#/$defs/function",
        "optimizer": "optimizer.json#/$defs/optimizer",
        "scheduler": "optimizer.json#/$defs/scheduler",
    }
    assert set(places) == set(factory.KINDS)
    for kind, place in places.items():
        schema = resolve("method.json", place)
        assert annotation([schema], "x-class") == kind
        assert set(properties([schema])) == set(factory.KEYS_OF_OURS[kind])


def test_refused_classes_of_torchvision_are_never_proposed():
    assert torchvision_classes.refusal("dataset", "VisionDataset") is not None
    problems = found(small(image_folder(dataset="VisionDatasets")))
    assert 'VisionDataset"?' not in problems[0]
