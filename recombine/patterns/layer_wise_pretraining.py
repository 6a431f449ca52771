"""Facilitating the training of a feature extractor by using layer-wise pretraining."""

from collections.abc import Hashable
from collections.abc import Mapping as Dictionary
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from recombine.clock import Clock
from recombine.decoding import in_shape_of
from recombine.mapping import Mapping, Switches
from recombine.modes import evaluating
from recombine.patterns.base import DesignPattern
from recombine.step import Step

LayerPair = Dictionary[str, Any]


class LayerWisePretraining(DesignPattern):
    """Stacked denoising autoencoders, one pair of encoder and decoder layers after another.

    ::

        loss = 1/B sum_i ||h_i - dec(drop(enc(drop(h_i))))||^2,   >= 0

    h is the clean input of the pair: the samples after the encoder's pre-processing and all its layers before the
    pair's first one, in evaluation mode and constant. enc and dec are the layers of the pair alone; drop sets
    elements to 0 at the dropout rate and scales the others up. It draws from torch's global generator.

    Denoising: Vincent et al. 2010 (Stacked Denoising Autoencoders, JMLR 11). DEC (arXiv 1511.06335) pretrains
    four pairs this way for 50,000 iterations each, with dropout rate 0.2.

    Args:
        encoder: The feature extractor.
        decoder: Its mirror image.
        dropout_rate: In [0, 1).
        encoder_decoder_layer_pairs: In the order of training, each with ``encoder_layer_names``,
            ``decoder_layer_names`` (both in the order in which they are applied) and ``train_for_iterations``.
        batch_augmentation: The view to train on.
    """

    def __init__(
        self,
        *,
        encoder: Mapping,
        decoder: Mapping,
        dropout_rate: float,
        encoder_decoder_layer_pairs: tuple[LayerPair, ...],
        batch_augmentation: str,
    ) -> None:
        self.encoder = encoder
        self.decoder = decoder
        self.dropout_rate = dropout_rate
        self.encoder_decoder_layer_pairs = encoder_decoder_layer_pairs
        self.batch_augmentation = batch_augmentation
        self._ends = list(accumulate(pair["train_for_iterations"] for pair in encoder_decoder_layer_pairs))

    def losses(self, step: Step) -> dict[str, Tensor]:
        """Return ``layer_wise_pretraining`` of the current pair, or nothing after the last.

        Raises:
            NetworkError: The pair's output differs in size from its input.
        """
        position = self._pair_at(step.clock)
        if position == len(self._ends):
            return {}
        pair = self.encoder_decoder_layer_pairs[position]
        clean = self._clean_input(step, pair["encoder_layer_names"][0])
        switches: Switches = {}
        code = self.encoder.run_layers(self._dropped(clean), pair["encoder_layer_names"], switches=switches)
        decoded = self.decoder.run_layers(self._dropped(code), pair["decoder_layer_names"], switches=switches)
        errors = decoded - in_shape_of(decoded, clean, self.decoder)
        return {"layer_wise_pretraining": errors.square().sum() / len(clean)}

    def recording_key(self, clock: Clock) -> Hashable:
        """Return which layer pair is being trained."""
        return self._pair_at(clock)

    def stage_starts(self) -> tuple[int, ...]:
        """Return the iterations at which a layer pair begins, and the one at which all are trained."""
        return (0, *self._ends)

    def stage(self, clock: Clock) -> str:
        """Return which layer pair is being trained."""
        position, pairs = self._pair_at(clock), len(self._ends)
        return "all layer pairs trained" if position == pairs else f"layer pair {position + 1} of {pairs}"

    def _pair_at(self, clock: Clock) -> int:
        return sum(clock.iteration >= end for end in self._ends)

    def _dropped(self, x: Tensor) -> Tensor:
        return functional.dropout(x, self.dropout_rate, training=True)

    def _clean_input(self, step: Step, first_layer: str) -> Tensor:
        """Return what reaches ``first_layer`` of the encoder, ``(B, ...)``, without gradient."""
        names = self.encoder.layer_names
        links = self.encoder.chain()
        x, switches = step.view(self.batch_augmentation), Switches()
        with torch.no_grad(), evaluating(links):
            for link in links[:-1]:
                x = link(x, switches=switches)
            before = names[: names.index(first_layer)]
            return self.encoder.run_layers(self.encoder.prepare(x), before, switches=switches)
