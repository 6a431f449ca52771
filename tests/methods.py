"""Small methods on a few digits, and changes to them."""

import copy
import json
from dataclasses import replace
from pathlib import Path

from recombine.batch import BatchOptions, prepare
from recombine.load import load_dict, load_file
from recombine.logs import LogOptions
from recombine.overrides import Override

TRANSFORMER_LAYER = {
    "type": "TransformerEncoderLayer",
    "d_model": 4,
    "nhead": 2,
    "dim_feedforward": 8,
    "batch_first": True,
    "activation": {"type": "GELU"},
}
_CROP = {"type": "RandomCrop", "size": 8, "padding": 1}

SMALL = {
    "name": "small",
    "device": "cpu",
    "mappings": [
        {
            "name": "encoder",
            "type": "feature_extractor",
            "layers": [
                {"type": "Flatten"},
                {"type": "Linear", "name": "hidden", "in_features": 64, "out_features": 8},
                {"type": "ReLU"},
                {"type": "Linear", "in_features": 8, "out_features": 3},
            ],
        },
        {
            "name": "decoder",
            "type": "design_pattern_specific",
            "layers": [{"type": "Linear", "in_features": 3, "out_features": 64}],
        },
    ],
    "phases": [
        {
            "name": "training",
            "order": 0,
            "exit_criteria": {"iterations": 2},
            "design_patterns": [{"pattern": "reconstruction", "encoder_name": "encoder", "decoder_name": "decoder"}],
            "optimizers": [{"type": "Adam", "lr": 0.01, "trained_mapping_names": ["encoder", "decoder"]}],
        }
    ],
    "cluster_assignment_strategy": {
        "type": "k_means_after_phase",
        "classical_clustering_in_feature_space_after_phase": "training",
        "classical_clustering_in_feature_space_after_phase_num_restarts": 1,
    },
    "datasets": [
        {
            "dataset": "Digits",
            "batch_size": 20,
            "num_clusters": 4,
            "index_of_last_sample_to_use": 59,
        }
    ],
}

#: Every kind of block in one method: long names and aliases, views, centroids, saving, two phases.
RICH = {
    "name": "rich",
    "training_device": "cpu",
    "mappings": [
        *SMALL["mappings"],
        {
            "name": "head",
            "type": "design_pattern_specific",
            "prior_mapping_name": "encoder",
            "layers": [{"type": "Linear", "in_features": 3, "out_features": 4}],
            "post_processing_functions": [{"function_name": "normalize", "input_argument_name": "input", "dim": 1}],
        },
        {
            "name": "classifier",
            "type": "feature_space_classifier",
            "layers": [
                {"type": "Linear", "name": "scores", "in_features": 3, "out_features": 4},
                {"type": "Softmax", "name": "softmax", "dim": 1},
            ],
            "softmax_layer_name": "softmax",
            "layer_initialization": [{"layer_names": ["scores"], "weight_type": "weight", "type": "xavier_uniform"}],
        },
        {
            "name": "critic",
            "type": "design_pattern_specific",
            "layers": [{"type": "Flatten"}, {"type": "Linear", "in_features": 64, "out_features": 1}],
        },
    ],
    "phases": [
        {
            "name": "pretraining",
            "order": 0,
            "exit_criteria": {"epochs": 1},
            "design_patterns": [
                {
                    "pattern": "training_feature_extractor_through_reconstruction_of_samples",
                    "encoder_name": "encoder",
                    "decoder_name": "decoder",
                    "loss_report_interval": 1,
                    "loss_optimizer_group_name": "autoencoder",
                },
                {
                    "pattern": "adversarial_interpolation",
                    "encoder_name": "encoder",
                    "decoder_name": "decoder",
                    "critic_name": "critic",
                    "autoencoder_loss_optimizer_group_name": "autoencoder",
                    "critic_loss_optimizer_group_name": "critic",
                },
            ],
            "optimizers": [
                {"type": "SGD", "lr": 0.01, "trained_mappings": ["encoder", "decoder"], "group_name": "autoencoder"},
                {"type": "SGD", "name": "rival", "lr": 0.01, "trained_mappings": ["critic"], "group_name": "critic"},
            ],
            "optimizer_learning_rate_schedulers": [{"type": "StepLR", "optimizer_name": "rival", "step_size": 1}],
            "save_mapping_parameters": [
                {
                    "mapping_name": "encoder",
                    "saving_interval": 5,
                    "path_to_file_or_dir": "saved/",
                    "keep_old_files": False,
                }
            ],
        },
        {
            "name": "finetuning",
            "order": 1,
            "exit_criteria": {"iterations": 3, "performance_evaluation_acc_gt": 0.99},
            "performance_evaluation_interval": 2,
            "design_patterns": [
                {
                    "pattern": "contrastive",
                    "contrastive_learning_head_name": "head",
                    "batch_augmentation_name_1": "view_1",
                    "batch_augmentation_name_2": "plain",
                },
                {"pattern": "target_distribution", "target_distribution_recalculation_interval": 2},
                {
                    "pattern": "assignment_entropy",
                    "batch_augmentation_name": "view_1",
                    "classifier_name": "classifier",
                    "loss_weight_schedule": {"warm_up_iterations": 2},
                },
            ],
            "optimizers": [
                {
                    "type": "Adam",
                    "lr": 0.01,
                    "trained_mappings": ["encoder", "head", "classifier"],
                    "optimizes_centroids": True,
                }
            ],
            "optimizer_cycle": [{"active_optimizer_names": ["Adam_0"], "num_iterations": 1}],
        },
    ],
    "cluster_assignment_strategy": {
        "type": "feature_representation_centroid_similarity",
        "use_centroids_during_phases": ["finetuning"],
        "centroid_initialization_classical_clustering_num_restarts": 1,
    },
    "datasets": [
        {
            "name": "few",
            "dataset": "Digits",
            "batch_size": 20,
            "num_clusters": 4,
            "index_of_last_sample_to_use": 59,
            "batch_augmentations": [{"name": "view_1", "transforms": [_CROP, {"type": "ToTensor"}]}],
        }
    ],
}


#: Changes with which the training of the small method diverges.
DIVERGING = {
    "/name": "diverging",
    "/phases/0/exit_criteria/iterations": 9,
    "/phases/0/optimizers/0": {"type": "SGD", "lr": 1e30, "trained_mapping_names": ["encoder", "decoder"]},
}


def small(changes=None):
    """Return a copy of the small method in which the value at each pointer of ``changes`` is replaced."""
    return changed(SMALL, changes or {})


def rich(changes=None):
    """Return a copy of the rich method in which the value at each pointer of ``changes`` is replaced."""
    return changed(RICH, changes or {})


def changed(method, changes):
    """Return a copy of a method; where the new value at a pointer is None, the key is removed."""
    method = copy.deepcopy(method)
    for pointer, value in changes.items():
        parent, last = _parent(method, pointer)
        if value is None:
            del parent[last]
        elif isinstance(parent, list) and last == len(parent):
            parent.append(value)
        else:
            parent[last] = value
    return method


def written(folder, method, name="method.json"):
    """Write a method, or text, to a file in ``folder`` and return its path."""
    path = Path(folder) / name
    path.write_text(method if isinstance(method, str) else json.dumps(method, indent=2), encoding="utf-8")
    return path


def five_files(folder):
    """Write a good file, a broken one, one that misses a property, one whose training diverges, and a good one."""
    folder.mkdir()
    written(folder, small(), "a_good.json")
    written(folder, '{"name": "broken",\n "mappings": [}', "b_broken.json")
    written(folder, small({"/datasets/0/batch_size": None}), "c_lacking.json")
    written(folder, small(DIVERGING), "d_diverging.json")
    written(folder, small({"/name": "last"}), "e_good.json")
    return folder


def found(method, overrides=None):
    """Return what a method's own text shows to be wrong, without data, each without its place."""
    changes = [Override(pointer, value) for pointer, value in (overrides or {}).items()]
    return [shown(problem) for problem in load_dict(method, changes).problems]


def found_with_data(method, folder=None, **options):
    """Return what is wrong with a method on its data; with ``folder``, it is a file there."""
    loaded = load_dict(method) if folder is None else load_file(written(folder, method))
    assert loaded.config is not None, loaded.problems
    _, problems = prepare(loaded, BatchOptions(LogOptions(Path("logs")), **options), {})
    return [shown(problem) for problem in problems]


def shown(problem):
    """Return a problem as the user sees it, without its file, line and column."""
    return str(replace(problem, file="", line=0, column=0)).removeprefix(": ")


def _parent(method, pointer):
    parent = method
    *path, last = pointer.split("/")[1:]
    for part in path:
        parent = parent[int(part) if isinstance(parent, list) else part]
    return parent, int(last) if isinstance(parent, list) else last
