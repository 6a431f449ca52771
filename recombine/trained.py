"""The networks of a run as its last checkpoint has them, and the autoencoder among them."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from recombine.build import build_method
from recombine.checkpoint import Checkpoints
from recombine.clock import Clock
from recombine.config import PhaseConfig
from recombine.decoding import decode
from recombine.evaluate import evaluation_mode
from recombine.mapping import Mapping
from recombine.method import Method
from recombine.run_data import DatasetRun, MissingError
from recombine.run_folder import CHECKPOINTS
from recombine.state import Origin, Place, RunState
from recombine.step import Batch, Forward

_ENCODER, _DECODER = "encoder_name", "decoder_name"


@dataclass(frozen=True)
class Trained:
    """Trained networks.

    Attributes:
        method: The method, on the CPU.
        when: When in the run, in words.
    """

    method: Method
    when: str

    def reconstructed(self, samples: Tensor, encoder: Mapping, decoder: Mapping) -> Tensor:
        """Return what an autoencoder makes of ``samples (B, ...)``, in their shape."""
        forward = Forward(self.method, Batch(torch.arange(len(samples)), {"plain": samples}))
        with evaluation_mode(self.method):
            return forward.output(decoder, source=encoder).reshape(samples.shape)

    def decoded(self, features: Tensor, encoder: Mapping, decoder: Mapping, sample: Tensor) -> Tensor:
        """Return what a decoder makes of ``features (K, D)`` that no sample has, as samples ``(K, ...)``.

        Args:
            features: Points in the encoder's latent space, flattened.
            encoder: The mapping in whose space they lie.
            decoder: The mapping from there back to samples.
            sample: One sample ``(1, ...)``, for the shapes.

        Raises:
            NetworkError: The decoder needs to know more of a sample than its features.
        """
        with evaluation_mode(self.method):
            shape = Forward(self.method, Batch(torch.zeros(1), {"plain": sample})).output(encoder).shape[1:]
            decoded = decode(decoder, features.reshape(len(features), *shape), encoder)
            return decoded.reshape(len(features), *sample.shape[1:])


def trained(dataset: DatasetRun) -> Trained:
    """Return the networks of the last checkpoint of a run, if it was written when they worked on a dataset.

    Raises:
        MissingError: There is no such checkpoint.
    """
    run = dataset.run
    found = Checkpoints(run.folder / CHECKPOINTS, run.record.identity or "").latest()
    if found is None:
        raise MissingError("the run has no checkpoint of its networks (--checkpoint-minutes 0 writes none)")
    origin = Origin(found["origin"]["num_clusters"], tuple(found["origin"]["sample_shape"]))
    method = build_method(run.config, origin.num_clusters, origin.sample_shape)
    state = RunState(method, Clock("", 0, 0, 1), origin)
    state.load_state_dict(found["state"])
    owner = _dataset_of(dataset, state.place)
    if owner != dataset.name:
        raise MissingError(f'the last checkpoint has the networks as they were on dataset "{owner}"')
    return Trained(method.eval(), _when(state))


def autoencoder(dataset: DatasetRun, method: Method) -> tuple[Mapping, Mapping]:
    """Return the encoder and the decoder of the last pattern that names both.

    Raises:
        MissingError: No pattern names both.
    """
    for phase in _last_first(dataset):
        for block in phase.design_patterns:
            if block["enabled"] and block.get(_ENCODER) and block.get(_DECODER):
                return method.mappings[block[_ENCODER]], method.mappings[block[_DECODER]]
    raise MissingError("no design pattern of the method names an encoder and a decoder")


def _last_first(dataset: DatasetRun) -> Iterator[PhaseConfig]:
    """Yield the phases of a dataset from the last one on, then all others."""
    config = dataset.run.config
    own = config.phases_of(dataset.config)
    yield from reversed(own)
    yield from (phase for phase in reversed(config.phases) if phase not in own)


def _dataset_of(dataset: DatasetRun, place: Place) -> str:
    """Return the name of the dataset that a run last worked on."""
    names = [config.name for config in dataset.run.config.datasets]
    return names[place.datasets_done if place.in_dataset else max(place.datasets_done - 1, 0)]


def _when(state: RunState) -> str:
    if not state.clock.phase:
        return "without training on it"
    return (
        f'{"in" if state.place.in_phase else "after"} phase "{state.clock.phase}", iteration {state.clock.iteration:,}'
    )
