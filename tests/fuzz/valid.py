"""Method files that agree with the schema, drawn from it: patterns, strategies, and classes are whatever there is."""

import copy
from functools import cache
from random import Random

import torch
from torch import nn

from recombine import factory, registry
from recombine.subschemas import annotation, expand, items, properties
from recombine.validation import schema_findings
from tests.set_methods import OF_DIGITS

PHASES = ("first", "second", "third")
VIEWS = ("plain", "view_1", "view_2")
#: Mappings that are there for patterns to name, by the key that names them.
NAMED = {
    "encoder_name": "encoder",
    "associated_encoder_name": "encoder",
    "associated_feature_extractor_name": "encoder",
    "decoder_name": "decoder",
    "associated_decoder_name": "decoder",
    "contrastive_learning_head_name": "head",
    "classifier_name": "classifier",
    "critic_name": "critic",
    "discriminator_name": "discriminator",
    "mapping_name": "encoder",
    "mapping_names": "encoder",
    "count_head_name": "count_head",
    "assignment_head_name": "assignment_head",
}
#: What the schedulers need that have no default for it.
NEEDED = {"step_size": 2, "gamma": 0.9, "T_max": 5, "T_0": 3, "milestones": [2, 4], "total_iters": 3}
NEEDED |= {"max_lr": 0.1, "base_lr": 0.001, "total_steps": 1000}
#: Schedulers whose signature does not tell what they need.
LOOSE = ("OneCycleLR",)
TRANSFORMS = [
    [],
    [{"type": "RandomCrop", "size": 8, "padding": 1}],
    [{"type": "RandomAffine", "degrees": 15, "translate": [0.1, 0.1]}],
    [{"type": "RandomHorizontalFlip"}, {"type": "RandomVerticalFlip"}],
    [{"type": "RandomRotation", "degrees": 30}],
    [{"type": "ColorJitter", "brightness": 0.4}],
    [{"type": "GaussianBlur", "kernel_size": 3}],
    [{"type": "RandomResizedCrop", "size": [8, 8]}],
]
#: How often an option is given that few files give, where it need not be.
RARELY = {"enabled": 0.03, "positional_arguments": 0}
_TRIES = 60


def method(draws: Random):
    """Return a method file that agrees with the schema; about half of them also make sense."""
    return _of_sets(draws) if draws.random() < 0.15 else _of_samples(draws)


def _of_samples(draws):
    names, width = PHASES[: draws.randint(1, 3)], draws.choice([2, 5, 16])
    strategy = _strategy(draws, names)
    centroids = strategy.get("use_centroids_during_phases", ())
    if strategy.get("centroid_recalculation_strategy") == "fixed_centroids":
        centroids = ()
    found = {
        "name": "random",
        "seed": draws.randrange(1000),
        "mappings": _mappings(draws, width),
        "phases": [_phase(draws, order, name, name in centroids) for order, name in enumerate(names)],
        "cluster_assignment_strategy": strategy,
        "datasets": [_dataset(draws)],
    }
    for phase in found["phases"]:
        for one in phase["design_patterns"]:
            if "encoder_decoder_layer_pairs" in one:
                one["encoder_decoder_layer_pairs"] = [_pair(found["mappings"], draws)]
    return found


def _pair(mappings, draws):
    """Return all layers of the encoder and those of its decoder, which gets some of its own for that."""
    encoder, decoder = mappings[0], mappings[1]
    if "mirror_of" in decoder:
        del decoder["mirror_of"]
        decoder["layers"] = [_linear(encoder["layers"][-1]["out_features"], 64)]
    names = [f"{layer['type']}_{i}" for i, layer in enumerate(encoder["layers"])]
    pair = {"encoder_layer_names": names, "decoder_layer_names": ["Linear_0"]}
    return {**pair, "train_for_iterations": draws.randint(1, 3)}


def _of_sets(draws):
    found = copy.deepcopy(OF_DIGITS)
    ids = draws.sample([entry.id for entry in registry.patterns().values() if _family(entry) == "sets"], 2)
    found["phases"][0]["design_patterns"] = [block("design_patterns", name, draws) for name in ids]
    found["phases"][0]["optimizers"] = [_optimizer(draws, [mapping["name"] for mapping in found["mappings"]])]
    return found


def _family(entry):
    named = {value for example in entry.schema["examples"] for key, value in example.items() if key.endswith("_name")}
    return "sets" if named & {"count_head", "assignment_head"} else "samples"


def _dataset(draws):
    views = [{"name": name, "transforms": [*draws.choice(TRANSFORMS), {"type": "ToTensor"}]} for name in VIEWS[1:]]
    last = draws.choice([99, 149])
    sizes = {"batch_size": draws.choice([8, 16]), "num_clusters": 4, "index_of_last_sample_to_use": last}
    return {"dataset": "Digits", **sizes, "shuffle": draws.random() < 0.5, "batch_augmentations": views}


@cache
def plain_layers():
    """Return the layers of torch.nn that need no arguments and keep the shape of features."""
    found = []
    for name in factory.names("layer"):
        try:
            with torch.device("meta"):
                layer = getattr(nn, name)()
                same = layer(torch.empty(4, 5)).shape == (4, 5)
        except Exception:  # noqa: BLE001, S112  (a class that needs more, whatever it says)
            continue
        found += [name] if same else []
    return found


def _mappings(draws, width):
    hidden = draws.choice([6, 32])
    encoder = [{"type": "Flatten"}, {"type": "Linear", "in_features": 64, "out_features": hidden}]
    encoder += draws.choice(
        [[], [{"type": "BatchNorm1d", "num_features": hidden}], [{"type": "LayerNorm", "normalized_shape": hidden}]]
    )
    encoder += [
        {"type": draws.choice(plain_layers())},
        {"type": "Linear", "in_features": hidden, "out_features": width},
    ]
    decoder = {"mirror_of": "encoder"} if draws.random() < 0.3 else {"layers": [_linear(width, 64)]}
    own = {"type": "design_pattern_specific"}
    head = {"prior_mapping_name": "encoder"} if draws.random() < 0.5 else {}
    rival = [{"type": "Flatten"}, _linear(64, 1)]
    found = [
        {"name": "encoder", "type": "feature_extractor", "layers": encoder},
        {"name": "decoder", **own, **decoder},
        {"name": "head", **own, **head, "layers": [_linear(width, 4)]},
        {
            "name": "classifier",
            "type": "feature_space_classifier",
            "layers": [_linear(width, 4), {"type": "Softmax", "dim": 1}],
        },
        {"name": "critic", **own, "layers": rival},
        {"name": "discriminator", **own, "layers": rival},
    ]
    if draws.random() < 0.3:
        kind = draws.choice(["xavier_uniform", "kaiming_normal_", "normal", "zeros_", "orthogonal"])
        found[0]["layer_initialization"] = [{"layer_names": ["Linear_1"], "weight_type": "weight", "type": kind}]
    return found


def _linear(before, after):
    return {"type": "Linear", "in_features": before, "out_features": after}


def _strategy(draws, names):
    known = [entry.id for entry in registry.strategies().values() if entry.schema.get("x-works-on") != "sets"]
    found = block("assignment_strategies", draws.choice(known), draws)
    for key in ("use_centroids_during_phases", "classical_clustering_in_feature_space_after_phase"):
        if key in found:
            found[key] = list(names) if key.startswith("use") else names[-1]
    found.pop("centroid_file_path", None)
    if found.get("centroid_initialization_strategy") == "load_from_file":
        found["centroid_initialization_strategy"] = "random_uniform_noise"
    return found


def _phase(draws, order, name, has_centroids):
    patterns = [entry.id for entry in registry.patterns().values() if _family(entry) == "samples"]
    chosen = draws.sample(patterns, draws.randint(1, 3))
    optimizer = _optimizer(draws, ["encoder", "decoder", "head", "classifier", "critic", "discriminator"])
    if has_centroids and draws.random() < 0.5:
        optimizer["optimizes_centroids"] = True
    found = {
        "name": name,
        "order": order,
        "exit_criteria": {draws.choice(["iterations", "epochs"]): draws.randint(1, 3)},
        "design_patterns": [block("design_patterns", each, draws) for each in chosen],
        "optimizers": [optimizer],
    }
    if draws.random() < 0.3:
        found["performance_evaluation_interval"] = draws.choice([1, 2, {"epochs": 1}])
    if draws.random() < 0.2:
        found["validation"] = {"fraction": 0.2, "interval": 1}
    if draws.random() < 0.4:
        found["optimizer_learning_rate_schedulers"] = [_scheduler(draws)]
    return found


def _optimizer(draws, mappings):
    return {
        "type": draws.choice(
            [name for name in factory.names("optimizer") if name not in ("LBFGS", "Muon", "SparseAdam")]
        ),
        "name": "one",
        "lr": 10 ** draws.uniform(-5, -2),
        "trained_mapping_names": mappings,
    }


def _scheduler(draws):
    from recombine.signatures import parameters_of

    kind = draws.choice(factory.names("scheduler"))
    known = parameters_of(factory.resolve("scheduler", kind)) or ()
    needed = {
        each.name: NEEDED[each.name] for each in known if each.name in NEEDED and (each.required or kind in LOOSE)
    }
    inner = [{"type": "StepLR", "step_size": 2}, {"type": "ExponentialLR", "gamma": 0.9}]
    nested = {"schedulers": inner} if any(each.name == "schedulers" for each in known) else {}
    nested |= {"milestones": [2]} if kind == "SequentialLR" else {}
    return {"type": kind, "optimizer_name": "one", **needed, **nested}


def block(folder, name, draws: Random):
    """Return a block of an open set, drawn from its schema until it agrees with the whole of it."""
    entry = (registry.patterns() if folder == "design_patterns" else registry.strategies())[name]
    key = "pattern" if folder == "design_patterns" else "type"
    for _ in range(_TRIES):
        identifier = draws.choice([entry.id, *entry.aliases])
        found = {key: identifier, **_object(entry.subschema, {key: entry.id}, draws)}
        if not schema_findings({**found, key: entry.id}, entry.schema_file):
            return found
    return copy.deepcopy(draws.choice(entry.schema["examples"]))


def _object(schema, value, draws):
    found = expand([schema], value)
    required = {key for part in found for key in part.schema.get("required", ())}
    drawn: dict = {}
    for key, parts in properties(found).items():
        if key not in value and key != "description" and (key in required or draws.random() < RARELY.get(key, 0.25)):
            drawn[key] = _value(key, expand(parts, None), draws)
    return drawn


def _value(key, parts, draws):
    """Return a value for a key that the parts of a schema describe."""
    kinds = annotation(parts, "type")
    kind = draws.choice(kinds) if isinstance(kinds, list) else kinds
    if kind == "array":
        count = draws.randint(annotation(parts, "minItems") or 1, annotation(parts, "maxItems") or 2)
        return [_value(key, expand(items(parts), None), draws) for _ in range(count)]
    named = _name(key, annotation(parts, "x-ref"), draws)
    if named is not None:
        return named
    words = annotation(parts, "enum")
    return draws.choice(words) if words is not None else _of_kind(kind, parts, draws)


def _name(key, refers_to, draws):
    """Return a name of something that is there, or None for what names nothing."""
    if key in NAMED:
        return NAMED[key]
    if refers_to == "layer":
        return "Linear_1" if "encoder" in key else "Linear_0"
    names = {"view": draws.choice(VIEWS), "group": "default", "phase": "first", "mapping": "encoder"}
    return names.get(refers_to)


def _of_kind(kind, parts, draws):
    low, high = (_bound(parts, name) for name in ("inimum", "aximum"))
    low = 0 if low is None else low
    high = low + 3 if high is None else high
    if kind == "integer":
        return draws.randint(int(low), max(int(low), int(min(high, low + 5))))
    if kind == "number":
        return draws.uniform(low, high)
    if kind == "boolean":
        return draws.random() < 0.5
    if kind == "object":
        return {key: value for part in parts for key, value in _object(part, {}, draws).items()}
    return "text"


def _bound(parts, name):
    found = annotation(parts, f"m{name}")
    return annotation(parts, f"exclusiveM{name}") if found is None else found
