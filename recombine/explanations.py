"""A text for every code of a problem: what it means, how it looks, and how to go on."""

from typing import NamedTuple


class Explanation(NamedTuple):
    """What there is to say of a code.

    Attributes:
        meaning: When a file gets this code.
        place: JSON pointer at which the examples stand in a method, or an empty string where they are no part of one.
        wrong: An example that gets the code.
        right: The same without the mistake.
        next: How to go on.
    """

    meaning: str
    place: str
    wrong: str
    right: str
    next: str


_CRITERIA, _OPTIMIZER, _LAYER = "/phases/0/exit_criteria", "/phases/0/optimizers/0", "/mappings/1/layers/0"
_SCHEDULERS, _DATASET = "/phases/0/optimizer_learning_rate_schedulers", "/datasets/0"
_STRATEGY = "/cluster_assignment_strategy"
_BY_DATA = "`recombine run` finds it before anything is trained, once the data is there."

EXPLANATIONS = {
    "RC001": Explanation(
        "The file does not exist, may not be read, is larger than a method file can be, or is not UTF-8 text.",
        "",
        "recombine run configurations/quickstart/digit.json",
        "recombine run configurations/quickstart/digits.json",
        "Check the path and its permissions; save the file as UTF-8. Paths are relative to the current folder, and "
        "then to that of main.py; paths within a method file are relative to the file.",
    ),
    "RC002": Explanation(
        "The text breaks the rules of JSON, so that nothing else can be checked. JSON has no comments, no comma after "
        "the last item, and double quotes alone.",
        _CRITERIA,
        '{"iterations": 1000,}',
        '{"iterations": 1000}',
        "Mend the place that the message shows; what is missing often stands just before it.",
    ),
    "RC003": Explanation(
        "An object has the same key twice. JSON readers keep one of the values and forget the other without a word.",
        _CRITERIA,
        '{"iterations": 1000, "iterations": 2000}',
        '{"iterations": 2000}',
        "Keep the one that you mean. Several things of a kind stand in a list.",
    ),
    "RC101": Explanation(
        "Nothing reads this key here: it is misspelt, or belongs elsewhere. It would have had no effect.",
        _CRITERIA,
        '{"iteration": 1000}',
        '{"iterations": 1000}',
        "Take the key that the message proposes. docs/configuration.md has all keys; `recombine explain` with the name "
        'of a pattern or strategy has theirs. Notes for readers go under "description".',
    ),
    "RC102": Explanation(
        "The object lacks a key that has no default.",
        _DATASET,
        '{"dataset": "Digits", "num_clusters": 10}',
        '{"dataset": "Digits", "num_clusters": 10, "batch_size": 128}',
        "Add the key. Some are required only because of another one; the message then says why.",
    ),
    "RC103": Explanation(
        "The value is of another type than the key takes: text instead of a number, one thing instead of a list.",
        _CRITERIA,
        '{"iterations": "1000"}',
        '{"iterations": 1000}',
        "Numbers, true, false and null stand without quotes; whole numbers have no fraction; lists have brackets.",
    ),
    "RC104": Explanation(
        "The value is of the right type, but beyond its bounds, or there are too few or too many items.",
        _CRITERIA,
        '{"iterations": 0}',
        '{"iterations": 1000}',
        "Write a value within the bounds that the message names.",
    ),
    "RC105": Explanation(
        "The key takes one of a few words, and this is none of them.",
        "/mappings/1/type",
        '"decoder"',
        '"design_pattern_specific"',
        "Take one of the words in the message. `recombine list` shows patterns and strategies.",
    ),
    "RC106": Explanation(
        "Each key is right by itself, but they contradict one another, or one leaves no room for the other.",
        "/mappings/1",
        '{"name": "decoder", "type": "design_pattern_specific", "mirror_of": "encoder", "layers": [{"type": "ReLU"}]}',
        '{"name": "decoder", "type": "design_pattern_specific", "mirror_of": "encoder"}',
        "Decide which of the two you mean, and remove the other.",
    ),
    "RC201": Explanation(
        "The block names a class or function that torch or torchvision does not have, or one that a method file cannot "
        "use, as it needs code or several images for example.",
        _LAYER,
        '{"type": "Liner", "in_features": 3, "out_features": 64}',
        '{"type": "Linear", "in_features": 3, "out_features": 64}',
        "Write the plain name, without the module. `recombine list layers` (optimizers, schedulers, transforms, "
        "datasets, functions, initializers) shows what there is.",
    ),
    "RC202": Explanation(
        "The class or function has no such argument, or gets it from recombine itself.",
        _LAYER,
        '{"type": "Linear", "in_feature": 3, "out_features": 64}',
        '{"type": "Linear", "in_features": 3, "out_features": 64}',
        "Arguments have the names of the Python class's constructor. Take the one that the message proposes.",
    ),
    "RC203": Explanation(
        "The class or function cannot be made without this argument.",
        _LAYER,
        '{"type": "Linear", "in_features": 3}',
        '{"type": "Linear", "in_features": 3, "out_features": 64}',
        'Add the argument beside "type".',
    ),
    "RC204": Explanation(
        "The class or function takes these arguments, but not with these values; the message has its own words.",
        _OPTIMIZER,
        '{"type": "Adam", "lr": -0.001, "trained_mapping_names": ["encoder", "decoder"]}',
        '{"type": "Adam", "lr": 0.001, "trained_mapping_names": ["encoder", "decoder"]}',
        "Look the argument up in the documentation of torch or torchvision.",
    ),
    "RC301": Explanation(
        "The name refers to a mapping, layer, phase, dataset, view or optimizer that the file does not declare.",
        _OPTIMIZER,
        '{"type": "Adam", "lr": 0.001, "trained_mapping_names": ["encodr", "decoder"]}',
        '{"type": "Adam", "lr": 0.001, "trained_mapping_names": ["encoder", "decoder"]}',
        "Mend the name, or declare what it names. Upper and lower case differ.",
    ),
    "RC302": Explanation(
        "Two things of a kind have the same name, so that a reference to it could mean either.",
        "/mappings/1/layers",
        '[{"type": "Linear", "name": "out", "in_features": 3, "out_features": 64}, {"type": "ReLU", "name": "out"}]',
        '[{"type": "Linear", "name": "out", "in_features": 3, "out_features": 64}, {"type": "ReLU", "name": "end"}]',
        "Give each a name of its own. Names that are left out are made from type and position.",
    ),
    "RC401": Explanation(
        "No exit criterion of the phase can ever hold (an error), or only one that depends on a score (a warning).",
        _CRITERIA,
        '{"learning_rate_le": 1e-6}',
        '{"iterations": 1000}',
        'Add "iterations" or "epochs": the phase ends with the first criterion that holds.',
    ),
    "RC402": Explanation(
        "The optimizer has no mapping and no centroids to train, or there is no loss in its group.",
        _OPTIMIZER,
        '{"type": "Adam", "lr": 0.001}',
        '{"type": "Adam", "lr": 0.001, "trained_mapping_names": ["encoder", "decoder"]}',
        'Name mappings in "trained_mapping_names", and let "group_name" be the group of the losses to minimise.',
    ),
    "RC403": Explanation(
        "The loss of a pattern belongs to a group in which no optimizer works: it would be computed for nothing.",
        _OPTIMIZER,
        '{"type": "Adam", "lr": 0.001, "trained_mapping_names": ["encoder", "decoder"], "group_name": "autoencoder"}',
        '{"type": "Adam", "lr": 0.001, "trained_mapping_names": ["encoder", "decoder"]}',
        'Give the optimizer\'s "group_name" and the pattern\'s "loss_optimizer_group_name" the same name, or neither.',
    ),
    "RC404": Explanation(
        "The strategy, a pattern or a mapping needs something that the method lacks: a classifier, centroids, sets.",
        _STRATEGY,
        '{"type": "classifier"}',
        '{"type": "k_means_after_phase", "classical_clustering_in_feature_space_after_phase": "training"}',
        "Declare what is missing, or choose a strategy or pattern that works without it.",
    ),
    "RC405": Explanation(
        "The batches are smaller than a pattern can work with: a contrastive loss needs two samples, for example.",
        "/datasets/0/batch_size",
        "1",
        "128",
        'Write a larger "batch_size", at least the number in the message.',
    ),
    "RC406": Explanation(
        "A scheduler or a criterion watches a score or a loss on held-out samples that the phase never computes.",
        _SCHEDULERS,
        '[{"type": "ReduceLROnPlateau", "optimizer_name": "Adam_0", "metric": "acc"}]',
        '[{"type": "ReduceLROnPlateau", "optimizer_name": "Adam_0", "metric": "loss"}]',
        'Add "performance_evaluation_interval" for scores, "validation" for losses on held-out samples, or watch '
        "the loss.",
    ),
    "RC407": Explanation(
        "The setting changes nothing where it stands, as another one rules it out.",
        _SCHEDULERS,
        '[{"type": "StepLR", "optimizer_name": "Adam_0", "step_size": 10, "metric": "loss"}]',
        '[{"type": "StepLR", "optimizer_name": "Adam_0", "step_size": 10}]',
        "Remove it, or change the setting that rules it out.",
    ),
    "RC408": Explanation(
        "A mapping is to be the mirror image of another one, which has a layer that cannot be turned round.",
        "/mappings/0/layers",
        '[{"type": "Flatten"}, {"type": "Softshrink"}, {"type": "Linear", "in_features": 64, "out_features": 3}, '
        '{"type": "Bilinear", "in1_features": 3, "in2_features": 3, "out_features": 3}]',
        '[{"type": "Flatten"}, {"type": "Linear", "in_features": 64, "out_features": 3}]',
        'Use another layer in the encoder, or write the decoder\'s "layers" yourself in place of "mirror_of".',
    ),
    "RC409": Explanation(
        "A warning: no optimizer of any phase trains the mapping, and nothing loads its parameters, so that it stays "
        "as it was drawn. That can be meant (random features), but mostly it is forgotten.",
        _OPTIMIZER,
        '{"type": "Adam", "lr": 0.001, "trained_mapping_names": ["decoder"]}',
        '{"type": "Adam", "lr": 0.001, "trained_mapping_names": ["encoder", "decoder"]}',
        'Name the mapping in "trained_mapping_names", or give "load_mapping_parameters".',
    ),
    "RC410": Explanation(
        "A warning: a named view of the dataset that no pattern reads. It is not computed, and changes nothing.",
        f"{_DATASET}/batch_augmentations",
        '[{"name": "moved", "transforms": [{"type": "RandomAffine", "degrees": 20}]}]',
        "[]",
        'Name the view in a pattern, for example as "batch_augmentation_name", or remove it.',
    ),
    "RC501": Explanation(
        "The dataset is not at its root, is incomplete, or its class refuses to open it.",
        _DATASET,
        '{"dataset": "ImageFolder", "root": "no/such/folder", "batch_size": 256, "num_clusters": 10}',
        '{"dataset": "ImageFolder", "root": "my/pictures", "batch_size": 256, "num_clusters": 10}',
        f'Check "root", say where datasets are by --data-root, or give "download". {_BY_DATA}',
    ),
    "RC502": Explanation(
        "The dataset is there, but has too few samples, other shapes or no such range for its settings.",
        _DATASET,
        '{"dataset": "Digits", "batch_size": 5000, "num_clusters": 10}',
        '{"dataset": "Digits", "batch_size": 128, "num_clusters": 10}',
        f"Write what the message proposes. {_BY_DATA}",
    ),
    "RC503": Explanation(
        "A layer gets an input of a shape that it does not take, or an output is not as wide as something needs it.",
        _LAYER,
        '{"type": "Linear", "in_features": 4, "out_features": 64}',
        '{"type": "Linear", "in_features": 3, "out_features": 64}',
        "The message has both shapes: let the sizes of neighbouring layers agree. Where only the data tells the shape "
        "of a sample, `recombine run` finds it before anything is trained.",
    ),
    "RC504": Explanation(
        "A file of parameters or centroids is missing, is none, or holds other names or shapes than the method needs.",
        "/phases/0/load_mapping_parameters",
        '[{"mapping_name": "decoder", "path_to_file": "saved/encoder.pt"}]',
        '[{"mapping_name": "encoder", "path_to_file": "saved/encoder.pt"}]',
        'Load what "save_mapping_parameters" wrote for the same layers. `recombine run` finds it before it trains.',
    ),
    "RC505": Explanation(
        "The file would write outside its own folder and that of the run, which a file from elsewhere must not.",
        "/phases/0/save_mapping_parameters",
        '[{"mapping_name": "encoder", "path_to_file_or_dir": "/tmp/saved/", "saving_interval": 100, '
        '"keep_old_files": true}]',
        '[{"mapping_name": "encoder", "path_to_file_or_dir": "saved/", "saving_interval": 100, '
        '"keep_old_files": true}]',
        "Write a path below the file's folder, or allow the folder by --allow-write.",
    ),
    "RC506": Explanation(
        "A warning: the last batch of each epoch is dropped, and without shuffling it always has the same samples.",
        _DATASET,
        '{"dataset": "Digits", "batch_size": 128, "num_clusters": 10}',
        '{"dataset": "Digits", "batch_size": 128, "num_clusters": 10, "shuffle": true}',
        f'Set "shuffle" to true, or "drop_last" to false. {_BY_DATA}',
    ),
    "RC507": Explanation(
        "The device does not exist here, or torch was installed without support for it.",
        "/device",
        '"cuda:9"',
        '"cuda_if_available"',
        'Write "cpu" or "cuda_if_available", or give --device.',
    ),
    "RC508": Explanation(
        "The parameters of the networks alone are more than the memory holds.",
        _LAYER,
        '{"type": "Linear", "in_features": 3, "out_features": 99999999999}',
        '{"type": "Linear", "in_features": 3, "out_features": 64}',
        "Check the sizes for a digit too many, and make the layers smaller.",
    ),
}
