"""Encouraging cluster formation by minimizing the divergence between current and target assignment distribution."""

import math
from collections.abc import Hashable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from recombine.clock import Clock, Interval
from recombine.mapping import Mapping
from recombine.patterns.base import DesignPattern
from recombine.step import Forward, Step

_BLOCK_ELEMENTS = 2**22
#: What torch calls a reduction.
_REDUCTIONS = {"batch_mean": "batchmean", "sum": "sum"}


class TargetDistribution(DesignPattern):
    """Divergence of the soft assignments from a sharpened copy of themselves (DEC, arXiv 1511.06335).

    ::

        p_ik = (q_ik^2 / f_k) / sum_k' (q_ik'^2 / f_k'),   f_k = sum_i q_ik over all N samples
        loss = 1/B sum_i sum_k p_ik ln(p_ik / q_ik),   >= 0, in nats (``sum``: without 1/B)

    The target p comes from the plain view in evaluation mode. It is recomputed at the start of the phase, every
    ``target_distribution_recalculation_interval`` iterations of it, and after the centroids were recalculated, and is
    constant in between. It belongs to samples, not to positions in the batch, so that shuffled data does no harm.
    f_k is clamped away from 0. IDEC (Guo et al., IJCAI 2017) recomputes every 140 iterations of 256 samples for MNIST.
    The code of Aljalbout et al. 2018 (arXiv 1801.07648) recomputes once per epoch, and sums over batches of 100.

    Args:
        target_distribution_recalculation_interval: Iterations, >= 1, or epochs.
        reduction: ``batch_mean`` or ``sum``.
        classifier: The mapping that gives the soft assignments q; None: the method's strategy does.
        batch_augmentation: The view whose assignments are drawn to the target.
    """

    def __init__(
        self,
        *,
        target_distribution_recalculation_interval: Interval,
        reduction: str,
        classifier: Mapping | None,
        batch_augmentation: str,
    ) -> None:
        self.target_distribution_recalculation_interval = target_distribution_recalculation_interval
        self.reduction = reduction
        self.classifier = classifier
        self.batch_augmentation = batch_augmentation
        self._target: Tensor | None = None

    def before_step(self, step: Step) -> None:
        """Recompute the target ``(N, K)`` if it is time."""
        due = step.clock.is_due(self.target_distribution_recalculation_interval)
        if due or step.centroids_changed or self._target is None:
            self._target = None  # two of them need not be held at once
            self._target = target_of(step.full_pass(self._plain_log_probs))
        self._target = self._target.to(step.index.device)

    def losses(self, step: Step) -> dict[str, Tensor]:
        """Return ``target_distribution``, KL(p || q) as the mean over the batch or its sum.

        Raises:
            RuntimeError: ``before_step`` was never called.
        """
        if self._target is None:
            raise RuntimeError("the target distribution is computed in before_step, which was not called")
        log_probs = step.log_probs(self.batch_augmentation, self.classifier)
        target = self._target[step.index].to(log_probs.dtype)
        return {"target_distribution": functional.kl_div(log_probs, target, reduction=_REDUCTIONS[self.reduction])}

    def recording_key(self, clock: Clock) -> Hashable:
        """Return where the target lies: a recording reads that memory."""
        del clock
        return self._target.data_ptr() if self._target is not None else ()

    def state_dict(self) -> dict[str, Any]:
        """Return the target ``(N, K)``, or None before the first iteration."""
        return {"target": self._target}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up a target."""
        self._target = state["target"]

    def _plain_log_probs(self, forward: Forward) -> Tensor:
        return forward.log_probs(classifier=self.classifier)


def target_of(log_probs: Tensor) -> Tensor:
    """Turn log soft assignments ``log q (N, K)`` into the target distribution p ``(N, K)``, and return it.

    It is written over ``log_probs``, in blocks of samples: beside the result, little memory is needed.
    """
    blocks = torch.split(log_probs.detach(), max(1, _BLOCK_ELEMENTS // log_probs.shape[1]))
    log_frequencies = torch.stack([block.logsumexp(0) for block in blocks]).logsumexp(0)
    log_frequencies.clamp_min_(math.log(torch.finfo(log_probs.dtype).tiny))
    for block in blocks:
        block.copy_((2 * block - log_frequencies).softmax(1))
    return log_probs.detach()
