"""Do the parts of a method fit together? What can be told without data, and without a single number.

Every network is built without weights, and every pattern is tried on it with the shapes of a few samples. What does not
fit is tried again with weights and made samples, so that the words are those of the checks before a run.
"""

from collections.abc import Iterator

import torch

from recombine.build import assembled, build_mappings
from recombine.config import DatasetConfig, MethodConfig
from recombine.data import Data
from recombine.datasets.base import Samples
from recombine.errors import DataError, RecombineError
from recombine.factory import REFUSALS
from recombine.load import Loaded
from recombine.memory import needed_for, physical_memory
from recombine.method import Method
from recombine.places import Places
from recombine.plan_samples import made_samples
from recombine.preflight import Preflight, place_of
from recombine.problems import Finding
from recombine.randomness import global_generator
from recombine.rehearsal import phase_findings
from recombine.set_preflight import sampled_set_findings
from recombine.step import Forward
from recombine.weightless import WEIGHTLESS, Building, lighten
from recombine.weightless_data import WeightlessData


def with_shapes(loaded: Loaded) -> Loaded:
    """Return a checked method with what does not fit together in it."""
    return loaded if loaded.config is None else loaded.with_findings(shape_findings(loaded.config))


def shape_findings(config: MethodConfig) -> list[Finding]:
    """Return what does not fit together, on each dataset whose samples have a shape that is known without its data."""
    preflight = Preflight(config.without_files(), None, Places(config.folder, ()), {})
    findings: list[Finding] = []
    with global_generator(config.seed, "preflight"):
        for dataset in config.datasets:
            samples = made_samples(dataset, config.folder)
            if samples is None:
                continue
            preflight.samples[dataset.name] = samples
            found = Trial(config, dataset, samples).findings()
            if found is None:
                found = with_weights(preflight, dataset)[1]
            findings += found
    return findings


def with_weights(preflight: Preflight, dataset: DatasetConfig) -> tuple[Method | None, list[Finding]]:
    """Return a method with weights, and what does not fit in it on made samples of a dataset.

    Args:
        preflight: The checks before a run, which hold the samples.
        dataset: The dataset.
    """
    config, samples = preflight.config, preflight.samples[dataset.name]
    found = list(preflight.view_findings(dataset))
    if dataset.sets is not None:
        place = place_of(config, "datasets", dataset.name)
        found += sampled_set_findings(dataset, samples, config.phases_of(dataset), place)
    return (None, found) if found else preflight.rehearse(dataset, None)


class Trial:
    """A method on one of its datasets, without weights.

    Args:
        config: The method.
        dataset: The dataset.
        samples: A few made samples that look like those of the dataset.

    Attributes:
        method: After :meth:`findings`, the method, with networks without weights.
        data: After :meth:`findings`, the dataset, of which only shapes are known.
    """

    method: Method
    data: WeightlessData

    def __init__(self, config: MethodConfig, dataset: DatasetConfig, samples: Samples) -> None:
        self._config = config.without_files()
        self._loaded = {block["mapping_name"] for phase in config.phases for block in phase.load_mapping_parameters}
        self._dataset = dataset
        self._samples = samples

    def findings(self) -> list[Finding] | None:
        """Return warnings about the method; None where something seems not to fit."""
        try:
            self.data = data = WeightlessData(self._dataset, self._samples, self._config.seed)
        except (DataError, *REFUSALS):
            return None
        try:
            self.method = method = self._method(data.sample_shape())
            fits = _fits_into_memory(method) and self._networks_fit(method, data) and self._phases_fit(method, data)
        except (RecombineError, RuntimeError, ValueError, IndexError):
            return None
        return list(self._never_trained(method)) if fits else None

    def _method(self, sample_shape: tuple[int, ...]) -> Method:
        """Return the method with networks without weights, and its centroids placed somewhere."""
        with WEIGHTLESS, Building():
            mappings = build_mappings(self._config, sample_shape)
        lighten(mappings.values())
        method = assembled(self._config, mappings, self._dataset.num_clusters, sample_shape)
        if method.centroids is not None:
            method.centroids.place(torch.rand(method.centroids.positions.shape))
        return method

    def _networks_fit(self, method: Method, data: Data) -> bool:
        """Tell whether all classifiers have an output for each cluster; the extractor is tried as well."""
        (batch,) = data.evaluation_batches(data.num_samples)
        forward = Forward(method, batch)
        forward.features(method.extractor)
        widths = [forward.logits(one).flatten(1).shape[1] for one in method.mappings.values() if one.is_classifier]
        return set(widths) <= {self._dataset.num_clusters}

    def _phases_fit(self, method: Method, data: Data) -> bool:
        for phase in self._config.phases_of(self._dataset):
            place = place_of(self._config, "phases", phase.name)
            if any(phase_findings(phase, method, data, place)):
                return False
        return True

    def _never_trained(self, method: Method) -> Iterator[Finding]:
        """Yield the mappings with parameters that no phase trains, nor loads."""
        phases = [phase for dataset in self._config.datasets for phase in self._config.phases_of(dataset)]
        trained = {name for phase in phases for one in phase.optimizers for name in one.trained_mapping_names}
        for name, mapping in method.mappings.items():
            if name not in trained | self._loaded and any(p.requires_grad for p in mapping.parameters()):
                message = f'no phase trains mapping "{name}", nor loads its parameters: it stays as it begins'
                remedy = 'Name it in "trained_mapping_names" of an optimizer, load its parameters, or remove it.'
                place = place_of(self._config, "mappings", name)
                yield Finding("RC409", message, remedy, place, is_warning=True)


def _fits_into_memory(method: Method) -> bool:
    return needed_for([*method.parameters(), *method.buffers()]) <= physical_memory()
