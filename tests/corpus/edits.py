"""Small changes that each break a good method in one way.

The name of a change begins with the code that it is to get. What exactly is said of each, and where, stands in
``expected.json``.
"""

from tests.methods import RICH, SMALL
from tests.set_methods import OF_DIGITS

#: Stands for null: a value of None removes a key.
NULL = "<null>"

_M, _L, _P, _O = "/mappings/0", "/mappings/0/layers/1", "/phases/0/design_patterns/0", "/phases/0/optimizers/0"
_X, _S, _D, _F = "/phases/0/exit_criteria", "/cluster_assignment_strategy", "/datasets/0", "/phases/0"
_RATES = f"{_F}/optimizer_learning_rate_schedulers"
_STEP = {"type": "StepLR", "optimizer_name": "Adam_0", "step_size": 1}
_PLATEAU = {"type": "ReduceLROnPlateau", "optimizer_name": "Adam_0"}
_CENTROIDS = {"type": "centroid_similarity", "use_centroids_during_phases": ["training"]}
_MIRROR = {"name": "decoder", "type": "design_pattern_specific", "mirror_of": "encoder"}
_NORMALIZE = {"function_name": "normalize", "input_argument_name": "input", "dim": 1}
_START = {"layer_names": ["hidden"], "weight_type": "weight", "type": "xavier_uniform"}
_CONTRASTIVE = {
    "pattern": "contrastive",
    "contrastive_learning_head_name": "decoder",
    "batch_augmentation_name_1": "plain",
    "batch_augmentation_name_2": "plain",
}
_TARGET = {"pattern": "target_distribution", "target_distribution_recalculation_interval": 2}
_SAVING = {"mapping_name": "encoder", "saving_interval": 5, "path_to_file_or_dir": "saved/", "keep_old_files": False}
_VALIDATION = {"fraction": 0.1, "interval": 10}
_VIEW = {"name": "view", "transforms": [{"type": "ToTensor"}]}
_CLAIM = {"dataset": "Digits", "metric": "acc", "mean": 0.9, "source": "nowhere"}
_LINEAR = {"type": "Linear", "in_features": 3, "out_features": 4}
_CLASSIFIER = {"name": "classifier", "type": "feature_space_classifier", "layers": [_LINEAR]}

#: Changes of the text of the small method: what is replaced, once, by what.
OF_TEXT = {
    "RC002_comma_after_last_key": ('"index_of_last_sample_to_use": 59', '"index_of_last_sample_to_use": 59,'),
    "RC002_comma_after_last_item": ('"name": "small"', '"name": ["small",]'),
    "RC002_two_commas": ('"name": "small",', '"name": "small",,'),
    "RC002_no_comma": ('"name": "small",', '"name": "small"'),
    "RC002_no_colon": ('"name": "small"', '"name" "small"'),
    "RC002_equals_sign": ('"name": "small"', '"name" = "small"'),
    "RC002_semicolon": ('"name": "small",', '"name": "small";'),
    "RC002_single_quotes": ('"name": "small"', "'name': 'small'"),
    "RC002_single_quotes_of_value": ('"name": "small"', "\"name\": 'small'"),
    "RC002_curly_quotes": ('"name": "small"', '"name": \u201csmall\u201d'),
    "RC002_key_without_quotes": ('"name": "small"', 'name: "small"'),
    "RC002_value_without_quotes": ('"name": "small"', '"name": small'),
    "RC002_comment_of_slashes": ('"name": "small",', '"name": "small", // mine'),
    "RC002_comment_of_a_hash": ('"name": "small",', '# mine\n  "name": "small",'),
    "RC002_comment_of_stars": ('"name": "small",', '/* mine */ "name": "small",'),
    "RC002_open_string": ('"name": "small",', '"name": "small,'),
    "RC002_line_break_in_a_string": ('"name": "small"', '"name": "sm\nall"'),
    "RC002_tab_in_a_string": ('"name": "small"', '"name": "sm\tall"'),
    "RC002_backslash": ('"name": "small"', '"name": "C:\\data"'),
    "RC002_short_unicode_escape": ('"name": "small"', '"name": "\\u12"'),
    "RC002_true_of_python": ('"name": "small",', '"name": "small", "cuda_graphs": True,'),
    "RC002_none_of_python": ('"name": "small",', '"name": "small", "seed": None,'),
    "RC002_nan": ('"lr": 0.01', '"lr": NaN'),
    "RC002_infinity": ('"lr": 0.01', '"lr": Infinity'),
    "RC002_minus_infinity": ('"lr": 0.01', '"lr": -Infinity'),
    "RC002_hexadecimal": ('"batch_size": 20', '"batch_size": 0x20'),
    "RC002_leading_zero": ('"batch_size": 20', '"batch_size": 020'),
    "RC002_leading_plus": ('"batch_size": 20', '"batch_size": +20'),
    "RC002_leading_point": ('"lr": 0.01', '"lr": .01'),
    "RC002_trailing_point": ('"batch_size": 20', '"batch_size": 20.'),
    "RC002_underscores": ('"batch_size": 20', '"batch_size": 2_0'),
    "RC002_fraction": ('"lr": 0.01', '"lr": 1/100'),
    "RC002_ellipsis": ('"name": "small",', '"name": "small", ...'),
    "RC002_wrong_bracket": ('"trained_mapping_names": [', '"trained_mapping_names": {'),
    "RC002_text_behind": ('"index_of_last_sample_to_use": 59\n    }\n  ]\n}', '"index_of_last_sample_to_use": 59}]}}'),
    "RC003_in_the_root": ('"name": "small"', '"name": "other",\n  "name": "small"'),
    "RC003_in_criteria": ('"iterations": 2', '"iterations": 1, "iterations": 2'),
    "RC003_list": ('"datasets": [', '"datasets": [],\n  "datasets": ['),
    "RC104_number_too_large": ('"lr": 0.01', '"lr": 1e999'),
    "RC104_nul_in_a_string": ('"name": "small"', '"name": "\\u0000"'),
    "RC104_half_of_a_character": ('"name": "small"', '"name": "\\ud800"'),
}

#: Whole files.
WHOLE = {
    "RC001_latin_1": b'{"name": "\xe9"}',
    "RC001_utf_16": '{"name": "caf\u00e9"}'.encode("utf-16"),
    "RC002_empty": b"",
    "RC002_blanks": b" \n\n ",
    "RC002_yaml": b"name: small\nmappings: []\n",
    "RC002_open_brace": b'{\n  "name": "small"\n',
    "RC002_two_values": b'{"name": "one"}\n{"name": "two"}\n',
    "RC002_deep": b"[" * 99 + b"]" * 99,
    "RC103_list": b"[]",
    "RC103_number": b"3",
    "RC103_text": b'"method"',
    "RC103_null": b"null",
}

#: Changes of the small method, by pointers.
OF_SMALL = {
    # Keys that nothing reads.
    "RC101_of_the_method": {"/sead": 3},
    "RC101_unlike_any": {"/optimiser_settings": {}},
    "RC101_of_a_mapping": {f"{_M}/layer": []},
    "RC101_of_a_phase": {f"{_F}/optimizer": []},
    "RC101_of_a_criterion": {_X: {"iterations": 2, "epoch": 1}},
    "RC101_of_a_pattern": {f"{_P}/loss_weigth": 2},
    "RC101_of_another_pattern": {f"{_P}/temperature_parameter": 2},
    "RC101_of_a_schedule": {f"{_P}/loss_weight_schedule": {"warmup_iterations": 3}},
    "RC101_of_the_strategy": {f"{_S}/num_restarts": 3},
    "RC101_of_a_view": {f"{_D}/batch_augmentations": [{**_VIEW, "transform": []}]},
    "RC101_of_saving": {f"{_F}/save_mapping_parameters": [{**_SAVING, "path": "x"}]},
    "RC101_of_loading": {
        f"{_F}/load_mapping_parameters": [{"mapping_name": "encoder", "path_to_file": "x.pt", "strict": True}]
    },
    "RC101_of_a_cycle": {
        f"{_F}/optimizer_cycle": [{"active_optimizer_names": ["Adam_0"], "num_iterations": 1, "epochs": 1}]
    },
    "RC101_of_validation": {f"{_F}/validation": {**_VALIDATION, "share": 0.5}},
    "RC101_of_an_interval": {f"{_F}/performance_evaluation_interval": {"epochs": 1, "iterations": 3}},
    "RC101_of_sampling": {f"{_F}/sampling": {"type": "by_neighborhoods", "neighbours": 3}},
    "RC101_of_a_claim": {"/claims": [{**_CLAIM, "std": 0.1}]},
    "RC101_without_text": {"/": 3},
    "RC101_with_a_slash": {"/a~1b": 3},
    # Required keys.
    "RC102_name": {"/name": None},
    "RC102_mappings": {"/mappings": None},
    "RC102_phases": {"/phases": None},
    "RC102_strategy": {_S: None},
    "RC102_datasets": {"/datasets": None},
    "RC102_type_of_a_mapping": {"/mappings/1/type": None},
    "RC102_type_of_a_layer": {f"{_L}/type": None},
    "RC102_name_of_a_phase": {f"{_F}/name": None, f"{_S}": _CENTROIDS | {"use_centroids_during_phases": ["training"]}},
    "RC102_order": {f"{_F}/order": None},
    "RC102_criteria": {_X: None},
    "RC102_pattern": {f"{_P}/pattern": None},
    "RC102_encoder": {f"{_P}/encoder_name": None},
    "RC102_type_of_an_optimizer": {f"{_O}/type": None},
    "RC102_type_of_the_strategy": {f"{_S}/type": None},
    "RC102_phase_of_k_means": {f"{_S}/classical_clustering_in_feature_space_after_phase": None},
    "RC102_dataset": {f"{_D}/dataset": None},
    "RC102_batch_size": {f"{_D}/batch_size": None},
    "RC102_clusters": {f"{_D}/num_clusters": None},
    "RC102_name_of_a_view": {f"{_D}/batch_augmentations": [{"transforms": []}]},
    "RC102_transform": {f"{_D}/transforms": [{"size": 3}]},
    "RC102_evaluations": {_X: {"iterations": 2, "performance_evaluation_acc_gt": 0.9}},
    "RC102_validation_of_patience": {_X: {"iterations": 2, "patience": 3}},
    "RC102_optimizer_of_a_scheduler": {_RATES: [{"type": "StepLR", "step_size": 1}]},
    "RC102_centroids": {f"{_S}/centroid_initialization_strategy": "random_uniform_noise"},
    "RC102_centroid_file": {_S: {**_CENTROIDS, "centroid_initialization_strategy": "load_from_file"}},
    "RC102_centroid_interval": {_S: {**_CENTROIDS, "centroid_recalculation_strategy": "classical_clustering"}},
    "RC102_classifier": {
        _S: {"type": "classifier", "classifier_selection_criterion": "name"},
        "/mappings/2": _CLASSIFIER,
    },
    "RC102_index_of_an_architecture": {
        "/mappings/0": {"name": "encoder", "type": "feature_extractor", "architecture": {"path_to_file": "a"}}
    },
    "RC102_neighbours_of_features": {f"{_F}/sampling": {"type": "by_neighborhoods", "source": "features"}},
    "RC102_size_of_sets": {f"{_D}/sets": {}},
    "RC104_interval_without_epochs": {f"{_F}/performance_evaluation_interval": {}},
    # Types.
    "RC103_text_for_a_number": {f"{_D}/batch_size": "20"},
    "RC103_number_for_a_text": {"/name": 3},
    "RC103_fraction_for_a_whole_number": {f"{_D}/batch_size": 20.5},
    "RC103_true_for_a_number": {f"{_X}/iterations": True},
    "RC103_number_for_true": {f"{_F}/enabled": 1},
    "RC103_text_for_true": {f"{_D}/shuffle": "yes"},
    "RC103_null_for_a_number": {"/seed": NULL},
    "RC103_object_for_a_list": {"/phases": {}},
    "RC103_list_for_an_object": {_S: []},
    "RC103_list_for_a_text": {"/device": ["cpu"]},
    "RC103_text_for_a_list": {f"{_O}/trained_mapping_names": "encoder"},
    "RC103_number_in_a_list": {f"{_O}/trained_mapping_names": ["encoder", 3]},
    "RC103_text_for_a_layer": {f"{_M}/layers/0": "Flatten"},
    "RC103_text_for_a_pattern": {_P: "reconstruction"},
    "RC103_number_for_a_word": {"/precision": 32},
    "RC103_text_for_an_interval": {f"{_F}/performance_evaluation_interval": "1 epoch"},
    "RC103_number_for_centroid_phases": {_S: {**_CENTROIDS, "use_centroids_during_phases": "training"}},
    "RC103_object_as_an_argument": {f"{_O}/lr": {"value": 1}},
    # Ranges.
    "RC104_seed": {"/seed": -1},
    "RC104_name_without_text": {"/name": ""},
    "RC104_name_too_long": {"/name": "small" * 50},
    "RC104_no_mappings": {"/mappings": []},
    "RC104_no_datasets": {"/datasets": []},
    "RC104_no_criterion": {_X: {}},
    "RC104_iterations": {f"{_X}/iterations": 0},
    "RC104_batch_size": {f"{_D}/batch_size": 0},
    "RC104_one_cluster": {f"{_D}/num_clusters": 1},
    "RC104_acc": {
        _X: {"iterations": 2, "performance_evaluation_acc_gt": 90},
        f"{_F}/performance_evaluation_interval": 1,
    },
    "RC104_interval": {f"{_F}/performance_evaluation_interval": 0},
    "RC104_epochs_of_an_interval": {f"{_F}/performance_evaluation_interval": {"epochs": 0}},
    "RC104_all_held_out": {f"{_F}/validation": {"fraction": 1}},
    "RC104_no_centroid_phases": {_S: {**_CENTROIDS, "use_centroids_during_phases": []}},
    "RC104_samples_back_to_front": {f"{_D}/index_of_first_sample_to_use": 99},
    "RC104_workers": {f"{_D}/num_workers": -2},
    "RC104_restarts": {f"{_S}/classical_clustering_in_feature_space_after_phase_num_restarts": 0},
    "RC104_neighbours": {f"{_F}/sampling": {"type": "by_neighborhoods", "num_neighbors": 2, "neighbors_per_seed": 3}},
    "RC104_claim": {"/claims": [{**_CLAIM, "mean": 97}]},
    # Words.
    "RC105_pattern": {f"{_P}/pattern": "reconstructoin"},
    "RC105_pattern_unlike_any": {f"{_P}/pattern": "zzz"},
    "RC105_strategy": {f"{_S}/type": "k_means"},
    "RC105_type_of_a_mapping": {"/mappings/1/type": "decoder"},
    "RC105_precision": {"/precision": "fp16"},
    "RC105_reduction": {f"{_P}/loss_reduction_method": "mean"},
    "RC105_case": {f"{_P}/loss_reduction_method": "Sum"},
    "RC105_centroids": {_S: {**_CENTROIDS, "centroid_initialization_strategy": "kmeans"}},
    "RC105_similarity": {_S: {**_CENTROIDS, "similarity_measure": "student-t"}},
    "RC105_sampling": {f"{_F}/sampling": {"type": "random"}},
    "RC105_metric_of_a_plateau": {_RATES: [{**_PLATEAU, "metric": "accuracy"}]},
    "RC105_metric_of_validation": {f"{_F}/validation": {**_VALIDATION, "metric": "validation_losses"}},
    "RC105_works_on": {f"{_M}/works_on": "set"},
    "RC105_metric_of_a_claim": {"/claims": [{**_CLAIM, "metric": "accuracy"}]},
    # Keys that do not go together.
    "RC106_mirror_and_layers": {"/mappings/1": {**_MIRROR, "layers": [{"type": "ReLU"}]}},
    "RC106_output_without_a_mirror": {f"{_M}/output_non_linearity": {"type": "Sigmoid"}},
    "RC106_output_that_is_none": {
        "/mappings/1": {**_MIRROR, "output_non_linearity": {"type": "Linear", "in_features": 1, "out_features": 1}}
    },
    "RC106_key_and_alias": {f"{_O}/trained_mappings": ["encoder"]},
    "RC106_softmax_of_no_classifier": {f"{_M}/softmax_layer_name": "hidden"},
    "RC106_extractor_of_no_classifier": {"/mappings/1/associated_feature_extractor_name": "encoder"},
    "RC106_fixed_and_annealed": {
        _S: {
            **_CENTROIDS,
            "similarity_measure": "gaussian",
            "gaussian_similarity_measure_inverse_temperature": {"fixed_value": 1, "annealing_initial_value": 1},
        }
    },
    "RC106_fixed_centroids_optimized": {
        _S: {**_CENTROIDS, "centroid_recalculation_strategy": "fixed_centroids"},
        f"{_O}/optimizes_centroids": True,
    },
    "RC106_view_called_plain": {f"{_D}/batch_augmentations": [{**_VIEW, "name": "plain"}]},
    "RC106_name_with_a_line_break": {"/name": "small\nmethod"},
    "RC106_validated_sets": {f"{_F}/validation": {"num_sets": 3}},
    "RC106_patience": {_X: {"iterations": 9, "patience": 3}, f"{_F}/validation": _VALIDATION},
    "RC106_neighbours_of_input": {f"{_F}/sampling": {"type": "by_neighborhoods", "mapping_name": "encoder"}},
    # Classes and functions.
    "RC201_layer": {f"{_L}/type": "Liner"},
    "RC201_case_of_a_layer": {f"{_M}/layers/2/type": "Relu"},
    "RC201_module_of_a_layer": {f"{_L}/type": "torch.nn.Linear"},
    "RC201_layer_unlike_any": {f"{_L}/type": "Zzz"},
    "RC201_base_class": {f"{_M}/layers/2/type": "Module"},
    "RC201_container": {f"{_M}/layers/2/type": "ModuleList"},
    "RC201_optimizer": {f"{_O}/type": "Addam"},
    "RC201_case_of_an_optimizer": {f"{_O}/type": "adam"},
    "RC201_closure": {f"{_O}/type": "LBFGS"},
    "RC201_scheduler": {_RATES: [{**_STEP, "type": "StepLRR"}]},
    "RC201_callable": {_RATES: [{"type": "LambdaLR", "optimizer_name": "Adam_0"}]},
    "RC201_dataset": {f"{_D}/dataset": "Digit"},
    "RC201_video": {f"{_D}/dataset": "UCF101"},
    "RC201_transform": {f"{_D}/transforms": [{"type": "ToTenser"}]},
    "RC201_transform_of_code": {f"{_D}/transforms": [{"type": "Lambda"}]},
    "RC201_function": {f"{_M}/post_processing_functions": [{**_NORMALIZE, "function_name": "normalise"}]},
    "RC201_initializer": {f"{_M}/layer_initialization": [{**_START, "type": "xavier"}]},
    # Arguments.
    "RC202_of_a_layer": {f"{_L}/in_feature": 3},
    "RC202_of_a_layer_unlike_any": {f"{_L}/zzz": 3},
    "RC202_misspelt_and_missing": {f"{_L}/in_features": None, f"{_L}/in_feature": 64},
    "RC202_of_an_activation": {f"{_M}/layers/2/slope": 0.1},
    "RC202_device": {f"{_L}/device": "cpu"},
    "RC202_of_an_optimizer": {f"{_O}/momentum": 0.9},
    "RC202_learning_rate": {f"{_O}/learning_rate": 0.1},
    "RC202_parameters": {f"{_O}/params": []},
    "RC202_of_a_scheduler": {_RATES: [{**_STEP, "gama": 0.1}]},
    "RC202_of_a_dataset": {f"{_D}/root": "data"},
    "RC202_misspelt_key_of_a_dataset": {f"{_D}/shufle": True},
    "RC202_code": {f"{_D}/dataset": "MNIST", f"{_D}/root": "data", f"{_D}/target_transform": "x"},
    "RC202_of_a_transform": {f"{_D}/transforms": [{"type": "Resize", "size": 3, "interpolate": "nearest"}]},
    "RC202_of_a_function": {f"{_M}/post_processing_functions": [{**_NORMALIZE, "axis": 1}]},
    "RC202_input_of_a_function": {f"{_M}/post_processing_functions": [{**_NORMALIZE, "input_argument_name": "x"}]},
    "RC202_of_an_initializer": {f"{_M}/layer_initialization": [{**_START, "gian": 1}]},
    "RC202_twice": {f"{_L}": {"type": "Linear", "positional_arguments": [64], "in_features": 64, "out_features": 8}},
    "RC202_too_many": {f"{_M}/layers/2": {"type": "ReLU", "positional_arguments": [True, True]}},
    "RC203_of_a_layer": {f"{_L}/out_features": None},
    "RC203_of_a_scheduler": {_RATES: [{"type": "StepLR", "optimizer_name": "Adam_0"}]},
    "RC203_of_a_dataset": {f"{_D}/dataset": "MNIST"},
    "RC203_of_a_transform": {f"{_D}/transforms": [{"type": "Resize"}]},
    "RC203_of_a_nested_layer": {
        f"{_M}/layers/2": {"type": "Sequential", "positional_arguments": [{"type": "Linear", "in_features": 8}]}
    },
    "RC204_learning_rate": {f"{_O}/lr": -1},
    "RC204_text_as_a_size": {f"{_L}/in_features": "64"},
    "RC204_size": {f"{_L}/in_features": -64},
    "RC204_dtype": {f"{_L}/dtype": "float33"},
    "RC204_probability": {f"{_M}/layers/2": {"type": "Dropout", "p": 2}},
    "RC204_betas": {f"{_O}/betas": [0.9, 2]},
    "RC204_momentum": {_O: {"type": "SGD", "lr": 0.1, "momentum": -1, "trained_mapping_names": ["encoder", "decoder"]}},
    "RC204_groups": {f"{_M}/layers/2": {"type": "GroupNorm", "num_groups": 3, "num_channels": 8}},
    # References.
    "RC301_mapping_of_an_optimizer": {f"{_O}/trained_mapping_names": ["encodr", "decoder"]},
    "RC301_mapping_unlike_any": {f"{_P}/encoder_name": "zzz"},
    "RC301_mapping_of_a_pattern": {f"{_P}/decoder_name": "decodr"},
    "RC301_case_of_a_mapping": {f"{_P}/encoder_name": "Encoder"},
    "RC301_prior_mapping": {"/mappings/1/prior_mapping_name": "encoderr"},
    "RC301_mirrored_mapping": {"/mappings/1": {**_MIRROR, "mirror_of": "enc"}},
    "RC301_layer_to_initialize": {f"{_M}/layer_initialization": [{**_START, "layer_names": ["hiden"]}]},
    "RC301_softmax": {"/mappings/2": {**_CLASSIFIER, "softmax_layer_name": "softmax"}},
    "RC301_phase_of_the_strategy": {f"{_S}/classical_clustering_in_feature_space_after_phase": "trainig"},
    "RC301_phase_of_centroids": {_S: {**_CENTROIDS, "use_centroids_during_phases": ["finetuning"]}},
    "RC301_phase_of_a_dataset": {f"{_D}/phases": ["traning"], _S: _CENTROIDS},
    "RC301_view": {f"{_P}/batch_augmentation_name": "view_1"},
    "RC301_misspelt_plain": {f"{_P}/batch_augmentation_name": "plane"},
    "RC301_optimizer_of_a_scheduler": {_RATES: [{**_STEP, "optimizer_name": "Adam_1"}]},
    "RC301_optimizer_of_a_cycle": {
        f"{_F}/optimizer_cycle": [{"active_optimizer_names": ["Adam_0", "Adm_0"], "num_iterations": 1}]
    },
    "RC301_saved_mapping": {f"{_F}/save_mapping_parameters": [{**_SAVING, "mapping_name": "coder"}]},
    "RC301_dataset_of_a_claim": {"/claims": [{**_CLAIM, "dataset": "MNIST"}]},
    "RC301_classifier": {
        _S: {"type": "classifier", "classifier_name": "clasifier", "classifier_selection_criterion": "name"},
        "/mappings/2": _CLASSIFIER,
    },
    "RC302_mappings": {"/mappings/2": {"name": "decoder", "type": "design_pattern_specific"}},
    "RC302_layers": {f"{_M}/layers/3/name": "hidden"},
    "RC302_phases": {"/phases/1": {"name": "training", "order": 1, "exit_criteria": {"iterations": 1}}},
    "RC302_datasets": {"/datasets/1": {"dataset": "Digits", "batch_size": 20, "num_clusters": 4}},
    "RC302_views": {f"{_D}/batch_augmentations": [_VIEW, _VIEW]},
    "RC302_optimizers": {
        f"{_O}/name": "same",
        f"{_F}/optimizers/1": {"type": "SGD", "lr": 1, "name": "same", "trained_mapping_names": ["encoder"]},
    },
    "RC302_made_and_given": {f"{_M}/layers/3/name": "Flatten_0"},
    # What a method means.
    "RC401_impossible_score": {_X: {"performance_evaluation_acc_gt": 1}, f"{_F}/performance_evaluation_interval": 1},
    "RC401_no_assignments": {_X: {"performance_evaluation_acc_gt": 0.9}, f"{_F}/performance_evaluation_interval": 1},
    "RC401_constant_rate": {_X: {"learning_rate_le": 0.001}},
    "RC401_only_a_score": {
        _X: {"performance_evaluation_acc_gt": 0.9},
        f"{_F}/performance_evaluation_interval": 1,
        _S: _CENTROIDS,
    },
    "RC402_no_mappings": {f"{_O}/trained_mapping_names": []},
    "RC402_never_active": {
        f"{_F}/optimizers/1": {"type": "SGD", "lr": 1, "trained_mapping_names": ["encoder"]},
        f"{_F}/optimizer_cycle": [{"active_optimizer_names": ["Adam_0"], "num_iterations": 1}],
    },
    "RC402_group_without_losses": {
        f"{_F}/optimizers/1": {"type": "SGD", "lr": 1, "trained_mapping_names": ["encoder"], "group_name": "other"}
    },
    "RC402_no_patterns": {_P: None},
    "RC403_group_of_a_pattern": {f"{_P}/loss_optimizer_group_name": "autoencoder"},
    "RC403_no_optimizers": {f"{_F}/optimizers": []},
    "RC404_classifier": {_S: {"type": "classifier"}},
    "RC404_no_classifier": {
        _S: {"type": "classifier", "classifier_name": "encoder", "classifier_selection_criterion": "name"},
        "/mappings/2": _CLASSIFIER,
    },
    "RC404_extractor": {f"{_M}/type": "design_pattern_specific"},
    "RC404_circle": {f"{_M}/prior_mapping_name": "decoder", "/mappings/1/prior_mapping_name": "encoder"},
    "RC404_fed_by_itself": {f"{_M}/prior_mapping_name": "encoder"},
    "RC404_no_dataset_enabled": {f"{_D}/enabled": False},
    "RC404_phase_not_enabled": {f"{_F}/enabled": False},
    "RC404_phase_not_run": {f"{_D}/phases": []},
    "RC404_centroids_to_save": {
        f"{_F}/save_centroids": {"saving_interval": 1, "path_to_file_or_dir": "c/", "keep_old_files": True}
    },
    "RC404_centroids_to_optimize": {f"{_O}/optimizes_centroids": True},
    "RC404_soft_assignments": {f"{_F}/design_patterns/1": _TARGET},
    "RC404_other_number_of_clusters": {
        "/datasets/1": {
            "name": "more",
            "dataset": "Digits",
            "batch_size": 20,
            "num_clusters": 10,
            "order": 1,
            "reinitialize_mappings": False,
        }
    },
    "RC404_sets": {_S: {"type": "set_clustering", "count_head_name": "encoder", "assignment_head_name": "decoder"}},
    "RC404_rate_without_an_optimizer": {_P: None, f"{_F}/optimizers": [], _X: {"iterations": 2, "learning_rate_le": 1}},
    "RC405_batch_of_one": {_P: _CONTRASTIVE, f"{_D}/batch_size": 1, f"{_O}/trained_mapping_names": ["encoder"]},
    "RC406_score_of_a_plateau": {_RATES: [{**_PLATEAU, "metric": "nmi"}]},
    "RC406_validation_of_a_plateau": {_RATES: [{**_PLATEAU, "metric": "validation_loss"}]},
    "RC407_metric_of_another_scheduler": {_RATES: [{**_STEP, "metric": "loss"}]},
    "RC407_classifier_that_is_not_chosen": {
        _S: {"type": "classifier", "classifier_name": "classifier"},
        "/mappings/2": _CLASSIFIER,
        f"{_O}/trained_mapping_names": ["encoder", "decoder", "classifier"],
    },
    "RC407_rate_that_does_not_fall": {_X: {"iterations": 2, "learning_rate_le": 0.001}},
    "RC408_no_bottleneck": {f"{_M}/layers": [{"type": "ReLU"}], "/mappings/1": _MIRROR},
    "RC408_batch_norm_mixes": {
        f"{_M}/layers/2": {"type": "LSTM", "input_size": 8, "hidden_size": 8},
        "/mappings/1": _MIRROR,
    },
    # What is not used.
    "RC409_encoder": {f"{_O}/trained_mapping_names": ["decoder"]},
    "RC410_view": {f"{_D}/batch_augmentations": [_VIEW]},
    "RC407_evaluations_too_late": {
        _X: {"iterations": 2, "performance_evaluation_acc_gt": 0.9},
        f"{_F}/performance_evaluation_interval": 5,
        _S: _CENTROIDS,
    },
    # What does not fit together.
    "RC503_first_layer": {f"{_L}/in_features": 63},
    "RC503_layers": {f"{_L}/out_features": 9},
    "RC503_no_flattening": {f"{_M}/layers/0": None, f"{_M}/layers/0/in_features": 8},
    "RC503_decoder_of_another_width": {"/mappings/1/layers/0/in_features": 5},
    "RC503_reconstruction_of_another_size": {"/mappings/1/layers/0/out_features": 63},
    "RC503_function": {f"{_M}/post_processing_functions": [{**_NORMALIZE, "dim": 3}]},
    "RC503_transforms": {f"{_D}/transforms": [{"type": "Resize", "size": [4, 4]}, {"type": "ToTensor"}]},
    "RC503_view": {
        f"{_D}/batch_augmentations": [
            {**_VIEW, "transforms": [{"type": "CenterCrop", "size": 6}, {"type": "ToTensor"}]}
        ],
        f"{_P}/batch_augmentation_name": "view",
    },
    "RC502_transforms": {
        f"{_D}/transforms": [{"type": "ToTensor"}, {"type": "Normalize", "mean": [0.5, 0.5], "std": [0.5, 1]}]
    },
    "RC403_untrained_loss": {"/mappings/2": _CLASSIFIER, f"{_O}/trained_mapping_names": ["classifier"]},
    # Sets.
    "RC404_sets_for_centroids": {f"{_D}/sets": {"num_objects": 20}},
    "RC106_turns_twice": {f"{_D}/sets": {"num_objects": 20, "classes": {"quarter_turns": [1, 1]}}},
    # What other checks could overlook.
    "RC104_claim_of_spread": {"/claims": [{**_CLAIM, "spread": -0.1}]},
    "RC101_comment": {"/_comment": "mine"},
    "RC101_alias_of_another_place": {f"{_F}/trained_mappings": []},
}

#: Changes of the rich method.
OF_RICH = {
    "RC101_long_key": {"/phases/0/design_patterns/0/autoencoder_loss_weight": 2},
    "RC102_critic": {"/phases/0/design_patterns/1/critic_name": None},
    "RC103_softmax_of_a_classifier": {"/mappings/3/softmax_layer_name": 3},
    "RC106_rivals_in_one_group": {
        "/phases/0/design_patterns/1/critic_loss_optimizer_group_name": "autoencoder",
        "/phases/0/optimizers/1/group_name": "autoencoder",
    },
    "RC104_temperature": {"/phases/1/design_patterns/0/temperature_parameter": 0},
    "RC105_long_name": {
        "/phases/0/design_patterns/0/pattern": "training_feature_extractor_through_reconstruction_of_sample"
    },
    "RC202_of_a_crop": {"/datasets/0/batch_augmentations/0/transforms/0/paddding": 1},
    "RC503_width_of_a_classifier": {"/mappings/3/layers/0/out_features": 5},
    "RC503_critic": {"/mappings/4/layers/1/in_features": 65},
    "RC404_centroids_to_save_too_early": {
        "/phases/0/save_centroids": {"saving_interval": 1, "path_to_file_or_dir": "c/", "keep_old_files": True}
    },
    "RC301_view_of_a_pattern": {"/phases/1/design_patterns/0/batch_augmentation_name_1": "veiw_1"},
    "RC301_classifier_of_a_pattern": {"/phases/1/design_patterns/2/classifier_name": "clasifier"},
    "RC301_layer_of_a_classifier": {"/mappings/3/softmax_layer_name": "softmx"},
    "RC301_optimizer": {"/phases/0/optimizer_learning_rate_schedulers/0/optimizer_name": "rivals"},
    "RC301_phase": {"/cluster_assignment_strategy/use_centroids_during_phases": ["finetunin"]},
    "RC403_critic": {"/phases/0/design_patterns/1/critic_loss_optimizer_group_name": "critics"},
    "RC404_extractor_as_a_classifier": {"/phases/1/design_patterns/2/classifier_name": "encoder"},
    "RC404_pattern_without_centroids": {
        "/cluster_assignment_strategy/use_centroids_during_phases": ["pretraining"],
        "/phases/1/optimizers/0/optimizes_centroids": False,
    },
    "RC104_interval_of_saving": {"/phases/0/save_mapping_parameters/0/saving_interval": 0},
    "RC102_target_interval": {"/phases/1/design_patterns/1/target_distribution_recalculation_interval": None},
    "RC106_device_and_its_alias": {"/device": "cpu"},
}

#: Changes of a method that clusters sets.
OF_SETS = {
    "RC101_of_sets": {f"{_D}/sets/size": 3},
    "RC104_sets_too_small": {f"{_D}/sets/num_objects": 2},
    "RC104_sizes_back_to_front": {f"{_D}/sets/num_objects": [30, 20]},
    "RC104_clusters_of_sets": {f"{_D}/sets/min_clusters": 4},
    "RC404_no_sets": {f"{_D}/sets": None},
    "RC503_count_head": {"/mappings/2/layers/3/out_features": 5},
    "RC503_set_network": {"/mappings/1/layers/0/features": 6},
}

BASES = {"small": (SMALL, OF_SMALL), "rich": (RICH, OF_RICH), "sets": (OF_DIGITS, OF_SETS)}
