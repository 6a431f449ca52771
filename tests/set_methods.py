"""Small methods that cluster sets, of digits and of made points."""

import copy

import torch

from recombine.build import build_data, build_method
from recombine.datasets.digits import Digits
from recombine.datasets.pointsets import PointSets
from recombine.step import Forward
from tests.methods import changed
from tests.runs import config_of

HEADS = {"count_head_name": "count_head", "assignment_head_name": "assignment_head"}
ON_SETS = {"type": "design_pattern_specific", "works_on": "sets"}

#: Sets of six digits in one to three clusters; every class serves one part.
OF_DIGITS = {
    "name": "sets",
    "device": "cpu",
    "mappings": [
        {
            "name": "encoder",
            "type": "feature_extractor",
            "layers": [{"type": "Flatten"}, {"type": "Linear", "in_features": 64, "out_features": 4}, {"type": "Tanh"}],
        },
        {
            **ON_SETS,
            "name": "network",
            "prior_mapping_name": "encoder",
            "layers": [{"type": "ResidualSetAttention", "features": 4, "num_heads": 2, "num_blocks": 1}],
        },
        {
            **ON_SETS,
            "name": "count_head",
            "prior_mapping_name": "network",
            "layers": [
                {"type": "SetPooling"},
                {"type": "BatchNorm1d", "num_features": 8},
                {"type": "Dropout", "p": 0.3},
                {"type": "Linear", "in_features": 8, "out_features": 3},
            ],
        },
        {
            **ON_SETS,
            "name": "assignment_head",
            "prior_mapping_name": "network",
            "layers": [{"type": "Linear", "in_features": 4, "out_features": 6}],
        },
    ],
    "phases": [
        {
            "name": "training",
            "order": 0,
            "exit_criteria": {"iterations": 3},
            "design_patterns": [
                {"pattern": "cluster_count", "count_head_name": "count_head"},
                {"pattern": "pairwise_clustering", **HEADS, "same_class_share": 0.5},
            ],
            "optimizers": [
                {
                    "type": "Adam",
                    "lr": 0.01,
                    "trained_mapping_names": ["encoder", "network", "count_head", "assignment_head"],
                }
            ],
        }
    ],
    "cluster_assignment_strategy": {"type": "set_clustering", **HEADS},
    "datasets": [
        {
            "dataset": "Digits",
            "batch_size": 4,
            "num_clusters": 3,
            "index_of_last_sample_to_use": 199,
            "sets": {
                "num_objects": 6,
                "classes": {"train": [0, 1, 2, 3], "validation": [4, 5, 6], "test": [7, 8, 9]},
                "num_evaluation_sets": 7,
                "num_examples": 2,
            },
        }
    ],
}

#: The same for points that are generated.
OF_POINTS = changed(
    OF_DIGITS,
    {
        "/name": "points",
        "/mappings/0/layers": [{"type": "Linear", "in_features": 2, "out_features": 4}, {"type": "Tanh"}],
        "/datasets/0/dataset": "PointSets",
        "/datasets/0/index_of_last_sample_to_use": None,
        "/datasets/0/sets/classes": None,
    },
)

#: Changes with which a classifier of single objects is what clusters the sets.
BY_CLASSIFIER = {
    "/mappings/1": {
        "name": "classifier",
        "type": "feature_space_classifier",
        "layers": [{"type": "Linear", "in_features": 4, "out_features": 3}, {"type": "Softmax", "dim": 1}],
    },
    "/mappings/3": None,
    "/mappings/2": None,
    "/phases/0/design_patterns": [{"pattern": "assignment_entropy", "classifier_name": "classifier"}],
    "/phases/0/optimizers/0/trained_mapping_names": ["encoder", "classifier"],
    "/cluster_assignment_strategy": {"type": "classifier"},
}


def of_digits(changes=None):
    """Return a copy of the method of digits, changed as by :func:`tests.methods.changed`."""
    return changed(OF_DIGITS, copy.deepcopy(changes or {}))


def of_points(changes=None):
    """Return a copy of the method of points, changed as by :func:`tests.methods.changed`."""
    return changed(OF_POINTS, copy.deepcopy(changes or {}))


def digits(count=200):
    """Return the first digits."""
    return Digits().decode().subset(0, count - 1)


def built(description):
    """Return the networks of a method in evaluation mode, drawn so that their answers differ, and its data."""
    config = config_of(description)
    (dataset,) = config.datasets
    samples = PointSets().decode() if dataset.dataset == "PointSets" else digits()
    data = build_data(dataset, samples, config.seed, torch.device("cpu"))
    method = build_method(config, dataset.num_clusters, data.sample_shape()).eval()
    draws = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in method.parameters():
            parameter.normal_(0, 1, generator=draws)
        for mapping in [mapping for mapping in method.mappings.values() if mapping.prior is not None]:
            forwards = [Forward(method, batch) for batch in data.evaluation_batches(0)]
            logits = torch.cat([forward.logits(mapping).flatten(0, -2) for forward in forwards])
            if isinstance(mapping.layers[-1], torch.nn.Linear):  # no answer is the best of all sets
                mapping.layers[-1].bias.sub_(logits.mean(0))
    return method, data
