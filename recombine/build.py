"""From a frozen configuration to networks, a method, data and phases."""

from collections.abc import Mapping as Dictionary
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.lazy import LazyModuleMixin

from recombine import factory, registry
from recombine.assignment.base import AssignmentStrategy, StrategyContext
from recombine.assignment.centroids import Centroids
from recombine.batch_requests import BatchOptions
from recombine.config import DatasetConfig, MappingConfig, MethodConfig, PhaseConfig, centroid_keys
from recombine.data import Data
from recombine.datasets.base import Samples, open_dataset
from recombine.errors import MappingError
from recombine.mapping import SOFTMAX_LAYERS, LayerPlace, Mapping, Switches
from recombine.method import Method
from recombine.mirror import mirrored
from recombine.objective import Objective, Term, WeightSchedule
from recombine.pattern_arguments import pattern_arguments, pattern_options
from recombine.pattern_losses import loss_names, loss_weight, losses_of, named_patterns
from recombine.randomness import global_generator
from recombine.set_data import SetData
from recombine.set_draws import SetOptions
from recombine.step import PLAIN_VIEW, TARGETS
from recombine.subschemas import annotation, walk

_PROBE_SAMPLES = 2
_STRATEGY_KEYS = ("type", "description", "associated_feature_extractor_name")


def build_data(config: DatasetConfig, samples: Samples, seed: int, device: torch.device) -> Data:
    """Return a dataset as batches of named views on a device."""
    views = {PLAIN_VIEW: config.transforms, **{v["name"]: v["transforms"] for v in config.batch_augmentations}}
    options = BatchOptions(config.batch_size, config.shuffle, config.drop_last, seed, config.fuse, config.num_workers)
    if config.sets is None:
        return Data(config.name, samples, views, options, device)
    sets = SetOptions.of(config.sets, config.num_clusters)
    return SetData(config.name, samples, views, options, device, sets)


def load_samples(config: DatasetConfig, folder: Path, data_root: Path | None) -> Samples:
    """Open and decode a dataset, cut to the range of samples to use.

    Raises:
        DataError: It is absent or unreadable, or has no such range of samples.
    """
    source = open_dataset(config.dataset, config.arguments, folder, data_root)
    return source.decode().subset(config.index_of_first_sample_to_use, config.index_of_last_sample_to_use)


def build_method(config: MethodConfig, num_clusters: int, sample_shape: tuple[int, ...]) -> Method:
    """Build the networks, the centroids and the strategy on the CPU, initialised by the run's seed.

    Args:
        config: The method.
        num_clusters: K of the dataset to start with.
        sample_shape: Shape of one sample of the plain view, without the batch dimension.

    Raises:
        MappingError: A layer cannot be built or does not fit the one before it.
    """
    return assembled(config, build_mappings(config, sample_shape), num_clusters, sample_shape)


def assembled(
    config: MethodConfig, mappings: dict[str, Mapping], num_clusters: int, sample_shape: tuple[int, ...]
) -> Method:
    """Return networks with the centroids and the strategy that work on them; arguments and errors as above."""
    extractor = mappings[config.extractor]
    num_features = _num_features(extractor, sample_shape)
    centroids = Centroids(extractor, num_clusters, num_features) if config.centroids is not None else None
    uses = config.centroids.use_centroids_during_phases if config.centroids is not None else ()
    context = StrategyContext(mappings, extractor, num_clusters, num_features, config.seed, centroids, uses)
    return Method(list(mappings.values()), build_strategy(config, context), centroids, extractor, num_clusters)


def build_mappings(config: MethodConfig, sample_shape: tuple[int, ...]) -> dict[str, Mapping]:
    """Build the networks by name, each linked to what feeds it; mirror images last, as their sizes follow from others.

    Args:
        config: The method.
        sample_shape: Shape of one sample of the plain view, without the batch dimension.

    Raises:
        MappingError: As :func:`build_method`.
    """
    configs = {mapping.name: mapping for mapping in config.mappings}
    built = {name: build_mapping(own, config.seed) for name, own in configs.items() if own.mirror_of is None}
    _link(configs, built)
    for name, own in configs.items():
        if own.mirror_of is not None:
            layers = mirrored(own, configs[own.mirror_of], built[own.mirror_of], sample_shape)
            built[name] = build_mapping(layers, config.seed)
    _link(configs, built)
    return {name: built[name] for name in configs}


def build_mapping(config: MappingConfig, seed: int) -> Mapping:
    """Build one network, initialised by the run's seed and its own name alone.

    Lazy layers are initialised likewise, once their first input gives them their sizes.

    Raises:
        MappingError: A class refuses its arguments, or an initialisation does not fit its layer.
    """
    named: dict[str, nn.Module] = {}
    try:
        with global_generator(seed, "initialization", config.name):
            layers = [(block["name"], factory.build_layer(block, named)) for block in config.layers]
        before = [factory.function(block) for block in config.pre_processing_functions]
        after = [factory.function(block) for block in config.post_processing_functions]
    except factory.FactoryError as error:
        raise MappingError(config.name, error.message) from error
    softmax = config.softmax_layer_name or _last_softmax(layers)
    mapping = Mapping(config.name, config.type, layers, before, after, softmax, _unpooling(config))
    mapping.works_on = config.works_on
    _initialize_layers(mapping, config, named, seed)
    return mapping


def _unpooling(config: MappingConfig) -> dict[str, LayerPlace]:
    """Return the pooling layer that each unpooling layer reverses."""
    return {
        block["name"]: LayerPlace(block["pooling_mapping_name"], block["pooling_layer_name"])
        for block in config.layers
        if "pooling_layer_name" in block
    }


def _is_lazy(layer: nn.Module) -> bool:
    return isinstance(layer, LazyModuleMixin)


def _last_softmax(layers: list[tuple[str, nn.Module]]) -> str | None:
    return layers[-1][0] if layers and isinstance(layers[-1][1], SOFTMAX_LAYERS) else None


def _initialize_layers(mapping: Mapping, config: MappingConfig, named: dict[str, nn.Module], seed: int) -> None:
    places = {module: place for place, module in mapping.named_modules()}
    wanted = [(block, name) for block in config.layer_initialization for name in block["layer_names"]]
    with global_generator(seed, "layer initialization", config.name):
        for block, name in wanted:
            if named[name] not in places:
                reason = "the layer around it works on copies of it"
                raise MappingError(config.name, f'layer "{name}" cannot be initialised: {reason}')
            if not _is_lazy(named[name]):
                _initialize(block, name, named[name], config.name)
    for module, place in places.items():
        if _is_lazy(module):
            names = tuple(name for name, layer in named.items() if layer is module)
            _LazyInitialization(config, seed, place, names).watch(module)


def _initialize(block: Dictionary[str, Any], name: str, layer: nn.Module, mapping: str) -> None:
    function = factory.resolve("init", block["type"])
    parameter = getattr(layer, block["weight_type"], None)
    if not isinstance(parameter, nn.Parameter):
        raise MappingError(mapping, f'layer "{name}" has no {block["weight_type"]} to initialise')
    try:
        factory.call(f'{block["type"]} for layer "{name}"', function, parameter, **factory.arguments_of("init", block))
    except factory.FactoryError as error:
        raise MappingError(mapping, error.message) from error


class _LazyInitialization:
    """Initialises a lazy layer as soon as its first input has given it its sizes.

    Whoever happens to feed the layer first, the draws are those of the run's seed, the mapping and the layer. A layer
    whose parameters were loaded before keeps them.

    Args:
        config: The mapping.
        seed: The run's seed.
        place: Where the layer stands in the mapping.
        names: The names of the layer in the method file.
    """

    def __init__(self, config: MappingConfig, seed: int, place: str, names: tuple[str, ...]) -> None:
        self.config, self.seed, self.place, self.names = config, seed, place, names

    def watch(self, layer: nn.Module) -> None:
        """Wait for the layer's first input, in the place of torch's own hook, which draws from whatever is at hand."""
        self._lazy = cast(Any, layer)
        self._lazy._initialize_hook.remove()
        self._hook = layer.register_forward_pre_hook(self._begin)

    def _begin(self, layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self._hook.remove()
        was_loaded = not self._lazy.has_uninitialized_params()
        with global_generator(self.seed, "initialization", self.config.name, self.place):
            self._lazy._infer_parameters(layer, inputs)
            for block in () if was_loaded else self.config.layer_initialization:
                for name in [name for name in block["layer_names"] if name in self.names]:
                    _initialize(block, name, layer, self.config.name)


def _link(configs: Dictionary[str, MappingConfig], built: dict[str, Mapping]) -> None:
    """Link each network to the one that feeds it, where that is built."""
    for name, mapping in built.items():
        prior = configs[name].prior_mapping_name
        if prior is None and configs[name].type == "feature_space_classifier":
            prior = configs[name].associated_feature_extractor_name
        mapping.prior = built.get(prior) if prior is not None and prior != name else None


def _num_features(extractor: Mapping, sample_shape: tuple[int, ...]) -> int:
    """Return D by passing zeros through the freshly built extractor and what feeds it."""
    x, given = torch.zeros(_PROBE_SAMPLES, *sample_shape), "a sample"
    switches: Switches = {}
    with torch.no_grad():
        for mapping in extractor.chain():
            x, given = mapping.eval()(x, given, switches), mapping.output_in_words
            mapping.train()
    return x.flatten(1).shape[1]


def build_strategy(config: MethodConfig, context: StrategyContext) -> AssignmentStrategy:
    """Build the cluster assignment strategy."""
    entry = registry.strategies()[config.strategy["type"]]
    left_out = {*_STRATEGY_KEYS, *centroid_keys()}
    keys = {parameter: key for parameter, (key, _) in pattern_options(entry.subschema).items()}
    arguments = pattern_arguments(entry.subschema, dict(config.strategy), dict(context.mappings))
    options = {parameter: value for parameter, value in arguments.items() if keys[parameter] not in left_out}
    strategy: AssignmentStrategy = entry.implementation()(context, **options)
    return strategy


def build_objectives(phase: PhaseConfig, method: Method) -> list[Objective]:
    """Build the enabled patterns of a phase with their weights and groups."""
    return [_objective(name, block, method) for name, block in named_patterns(phase.design_patterns)]


def _objective(name: str, block: Dictionary[str, Any], method: Method) -> Objective:
    entry = registry.patterns()[block["pattern"]]
    pattern = entry.implementation()(**pattern_arguments(entry.subschema, dict(block), method.mappings))
    losses, names = losses_of(block), loss_names(name, block)
    terms = {
        loss: Term(
            names[loss],
            loss_weight(block, keys),
            block[keys["group"]],
        )
        for loss, keys in losses.items()
    }
    schedule = WeightSchedule(**block["loss_weight_schedule"])
    return Objective(name, pattern, terms, schedule, views_of(block), block.get("loss_report_interval"))


def views_of(block: Dictionary[str, Any]) -> list[str]:
    """Return the views that a pattern's block makes it read."""
    entry = registry.patterns()[block["pattern"]]
    options = {key for key, _ in pattern_options(entry.subschema).values()}
    found = []
    for visit in walk(dict(block), [entry.subschema]):
        if annotation(visit.parts, "x-ref") == "view" and visit.pointer.split("/")[1] in options:
            found.append(visit.value)
        found += annotation(visit.parts, "x-reads-views") or []
    found += [TARGETS[name] for name in entry.schema.get("x-supervised", ())]
    return sorted(set(found))
