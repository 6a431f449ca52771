"""Training a feature extractor by using adversarial interpolation."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from recombine.decoding import decode, in_shape_of
from recombine.mapping import Mapping
from recombine.patterns.base import DesignPattern
from recombine.step import Step


@dataclass(frozen=True, kw_only=True, eq=False)
class AdversarialInterpolation(DesignPattern):
    """An autoencoder against a mapping that judges what it decodes (ACAI, arXiv 1807.07543).

    With a critic c, the batch's halves x1 and x2 (of an odd batch, the last sample is left out), their features z1
    and z2, and for each pair a ~ U(0, 1/2)::

        xhat        = dec(a z1 + (1 - a) z2)
        critic      = mean (c(xhat) - a)^2 + mean c(g x1 + (1 - g) dec(z1))^2     the inputs of c being constants
        autoencoder = mean c(xhat)^2

    With a discriminator d, which gives logits, an ordinary non-saturating GAN on reconstructions, BCE being the binary
    cross entropy of logits::

        discriminator = (mean BCE(d(x), 1) + mean BCE(d(dec(enc(x))), 0)) / 2      the inputs of d being constants
        autoencoder   = mean BCE(d(dec(enc(x))), 1)

    All are >= 0. The reconstruction error is the reconstruction pattern beside this one. A critic with several
    outputs per sample is averaged over them. The paper uses g = 0.2, weight 0.5 for the autoencoder loss, and Adam
    with learning rate 0.0001 for both.

    Raises (in ``losses``):
        NetworkError: A reconstruction differs in size from its sample.

    Attributes:
        encoder: The feature extractor.
        decoder: The mapping from features back to samples.
        critic: What guesses a, or None where there is a discriminator.
        discriminator: What tells samples from reconstructions, or None where there is a critic.
        critic_regularizing_hyperparameter: g in [0, 1].
        batch_augmentation: The view to work on.
    """

    encoder: Mapping
    decoder: Mapping
    critic: Mapping | None
    discriminator: Mapping | None
    critic_regularizing_hyperparameter: float
    batch_augmentation: str

    def losses(self, step: Step) -> dict[str, Tensor]:
        """Return ``autoencoder`` and, by the variant, ``critic`` or ``discriminator``."""
        decoded = step.output(self.decoder, self.batch_augmentation, source=self.encoder)
        samples = in_shape_of(decoded, step.view(self.batch_augmentation), self.decoder)
        losses: dict[str, Tensor] = {}
        if self.critic is not None:
            losses |= self._against_critic(self.critic, step, samples, decoded.detach())
        if self.discriminator is not None:
            losses |= _against_discriminator(self.discriminator, samples, decoded)
        return losses

    def _against_critic(self, critic: Mapping, step: Step, samples: Tensor, decoded: Tensor) -> dict[str, Tensor]:
        half, g = len(samples) // 2, self.critic_regularizing_hyperparameter
        interpolated, shares = self._interpolated(step, half)
        blended = g * samples[:half] + (1 - g) * decoded[:half]
        guesses = _judged(critic, interpolated.detach())
        loss = (guesses - shares).square().mean() + _judged(critic, blended).square().mean()
        return {"autoencoder": _judged(critic, interpolated).square().mean(), "critic": loss}

    def _interpolated(self, step: Step, half: int) -> tuple[Tensor, Tensor]:
        """Return the decoded mixtures ``(B / 2, ...)`` and each pair's share a of the first half, ``(B / 2,)``."""
        features = step.output(self.encoder, self.batch_augmentation)
        generator = step.generator("adversarial interpolation")
        shares = torch.rand(half, generator=generator, device=features.device, dtype=features.dtype) / 2
        a = shares.reshape(-1, *[1] * (features.dim() - 1))
        mixed = a * features[:half] + (1 - a) * features[half : 2 * half]
        return decode(self.decoder, mixed, self.encoder), shares


def _against_discriminator(discriminator: Mapping, samples: Tensor, decoded: Tensor) -> dict[str, Tensor]:
    real, fake = discriminator(samples), discriminator(decoded.detach())
    loss = (_cross_entropy(real, 1.0) + _cross_entropy(fake, 0.0)) / 2
    return {"autoencoder": _cross_entropy(discriminator(decoded), 1.0), "discriminator": loss}


def _judged(critic: Mapping, x: Tensor) -> Tensor:
    """Return the critic's number ``(B,)`` for each element of ``x (B, ...)``."""
    scores: Tensor = critic(x).flatten(1).mean(1)
    return scores


def _cross_entropy(logits: Tensor, truth: float) -> Tensor:
    return functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, truth))
