"""Optimizers that torch.optim lacks."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor


class RMSpropTF(torch.optim.Optimizer):
    """RMSProp as TensorFlow 1 has it (Tieleman and Hinton, Coursera 2012), for methods that were tuned with that.

    ::

        v <- alpha v + (1 - alpha) g^2,   m <- momentum m + lr g / sqrt(v + eps),   p <- p - m,   v = 1, m = 0 at first

    It differs from torch's in two places: the mean square starts at 1, so that the first hundred steps are small
    where gradients are, and eps stands under the root.

    Args:
        params: What is trained.
        lr: Learning rate, >= 0.
        alpha: Share of the mean square that is kept, in [0, 1].
        eps: >= 0.
        momentum: Share of the last step that is taken again, >= 0.
        weight_decay: Factor of the parameters that is added to their gradients, >= 0.

    Raises:
        ValueError: A number lies outside its range.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 0.001,
        alpha: float = 0.9,
        eps: float = 1e-10,
        momentum: float = 0,
        weight_decay: float = 0,
    ) -> None:
        named = {"lr": lr, "alpha": alpha, "eps": eps, "momentum": momentum, "weight_decay": weight_decay}
        for name, value in named.items():
            if not 0 <= value:
                raise ValueError(f"{name} is {value}, and must be at least 0")
        if alpha > 1:
            raise ValueError(f"alpha is {alpha}, and must be at most 1")
        super().__init__(params, named)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient."""
        del closure
        for group in self.param_groups:
            moving = [parameter for parameter in group["params"] if parameter.grad is not None]
            if moving:
                self._move(moving, group)

    def _move(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        squares = [self._kept(parameter, "square_avg", torch.ones_like) for parameter in parameters]
        if group["weight_decay"]:
            gradients = list(torch._foreach_add(gradients, parameters, alpha=group["weight_decay"]))
        torch._foreach_mul_(squares, group["alpha"])
        torch._foreach_addcmul_(squares, gradients, gradients, value=1 - group["alpha"])
        roots = torch._foreach_add(squares, group["eps"])
        torch._foreach_sqrt_(roots)
        if not group["momentum"]:
            torch._foreach_addcdiv_(parameters, gradients, roots, value=-group["lr"])
            return
        steps = [self._kept(parameter, "momentum_buffer", torch.zeros_like) for parameter in parameters]
        torch._foreach_mul_(steps, group["momentum"])
        torch._foreach_addcdiv_(steps, gradients, roots, value=group["lr"])
        torch._foreach_sub_(parameters, steps)

    def _kept(self, parameter: Tensor, name: str, first: Callable[[Tensor], Tensor]) -> Tensor:
        state = self.state[parameter]
        if name not in state:
            state[name] = first(parameter)
        kept: Tensor = state[name]
        return kept
