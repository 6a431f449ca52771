"""Keeping the parameters of networks small."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from recombine.clock import Clock
from recombine.errors import NetworkError
from recombine.mapping import Mapping
from recombine.patterns.base import DesignPattern
from recombine.step import Step

_NORMS = (
    *(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm),
    *(nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d),
    *(nn.LayerNorm, nn.GroupNorm, nn.RMSNorm),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class ParameterRegularization(DesignPattern):
    """A penalty on the parameters of networks, whatever the batch (weight decay as a loss).

    ::

        loss = sum over the parameters w of the chosen kinds of w^2   (``l2``),   or of |w|   (``l1``),   >= 0

    Kinds: ``norm_gains`` and ``norm_shifts`` are what normalisation layers multiply by and add; ``biases`` are the
    biases of all other layers; ``kernels`` are all that remains: what linear, convolutional and recurrent layers
    multiply their inputs by. A parameter that several layers share counts once; one that is not trained, or whose lazy
    layer no input has reached yet, does not count.

    Under plain SGD, a loss weight of c/2 with ``l2`` moves parameters as a weight decay of c does (Krogh and Hertz
    1991). The code of Aljalbout et al. 2018 (arXiv 1801.07648) pretrains with weight 5e-5 on kernels and norm gains.

    Raises (in ``losses``):
        NetworkError: The mappings have no parameters of these kinds.

    Attributes:
        mappings: The networks; not those that feed them.
        parameter_kinds: Which of their parameters count.
        norm: ``l2`` or ``l1``.
    """

    mappings: tuple[Mapping, ...]
    parameter_kinds: tuple[str, ...]
    norm: str

    def recording_key(self, clock: Clock) -> Hashable:
        """Return an empty key: the loss depends on tensors alone."""
        del clock
        return ()

    def losses(self, step: Step) -> dict[str, Tensor]:
        """Return ``parameter_regularization``; nothing while all of the layers are lazy and without a size."""
        del step
        found = list(dict.fromkeys(self._parameters()))
        if not found:
            names, kinds = (", ".join(given) for given in ([m.name for m in self.mappings], self.parameter_kinds))
            raise NetworkError(f"there are no parameters of the kinds to regularise ({kinds}) in mapping {names}")
        sized = [parameter for parameter in found if not is_lazy(parameter)]
        if not sized:
            return {}
        values = [(p.square() if self.norm == "l2" else p.abs()).sum() for p in sized]
        return {"parameter_regularization": torch.stack(values).sum()}

    def _parameters(self) -> Iterator[nn.Parameter]:
        for module in (module for mapping in self.mappings for module in mapping.modules()):
            for name, parameter in module.named_parameters(recurse=False):
                if parameter.requires_grad and kind_of(module, name) in self.parameter_kinds:
                    yield parameter


def kind_of(module: nn.Module, name: str) -> str:
    """Return the kind of a module's own parameter ``name``: kernels, biases, norm_gains or norm_shifts."""
    is_bias = "bias" in name
    if isinstance(module, _NORMS):
        return "norm_shifts" if is_bias else "norm_gains"
    return "biases" if is_bias else "kernels"
