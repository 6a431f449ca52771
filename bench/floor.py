"""Measure the iterations of dec_cc_hybrid against their floors, in alternation and in one process.

    python -m bench.floor [--rounds 31] [--repeats 2] [--samples 60000] [--device cpu] [--threads N]

The floors are the same iteration written by hand (``bench/bare.py``), and its matrix products alone: forward and
backward of every linear layer at the shapes in which the general loop really feeds it. The views of the finetuning are
measured by themselves as well. Made images stand in for MNIST's. The finetuning has its target distribution at work,
the pass over the dataset that recomputes it left out on both sides. Writes ``bench/results/floor.json``, or
``floor_<device>.json``; ``bench/write_speed.py`` makes the page.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from bench import common, machine
from bench.bare import Bare
from bench.stepping import Loop, alternate, ratio, read_method
from bench.steps import without_k_means

_WARM_UP, _NEVER = 4, 10**6


@dataclass(frozen=True)
class Use:
    """One linear layer in one forward pass.

    Attributes:
        rows: Samples times views that go through it at once.
        inputs: Its inputs.
        outputs: Its outputs.
        passes_gradient: Whether the gradient of its input is needed.
    """

    rows: int
    inputs: int
    outputs: int
    passes_gradient: bool

    @property
    def operations(self) -> int:
        """Floating point operations of the forward product and of the one or two backward products."""
        return 2 * self.rows * self.inputs * self.outputs * (3 if self.passes_gradient else 2)


def main() -> None:
    """Measure and write."""
    parser = machine.parser(__doc__, rounds=31)
    parser.add_argument("--repeats", type=int, default=2, help="iterations in one turn")
    parser.add_argument("--samples", type=int, default=60_000, help="made images")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    device = machine.settle(arguments, arguments.device)
    images = machine.made_images(arguments.samples)
    by_hand = Bare(images.tensor(), device).steps()
    phases = {}
    for phase, step in by_hand.items():
        loop = Loop(always_drawn(), images, phase, arguments.device)
        phases[phase] = _phase(loop, step, (arguments.rounds, arguments.repeats), device)
    described = {"machine": machine.machine(device), "samples": arguments.samples, "repeats": arguments.repeats}
    name = "floor.json" if device.type == "cpu" else f"floor_{device.type}.json"
    common.write(name, {**described, "phases": phases})


def always_drawn() -> dict[str, Any]:
    """Return dec_cc_hybrid with its target distribution at work from the start and never recomputed."""
    method = without_k_means(read_method(machine.HYBRID))
    for block in method["phases"][1]["design_patterns"]:
        block.pop("loss_weight_schedule", None)
        if "target_distribution_recalculation_interval" in block:
            block["target_distribution_recalculation_interval"] = _NEVER
    return method


def uses(loop: Loop) -> list[Use]:
    """Return what goes through the linear layers in one iteration, which is done for it."""
    found: list[Use] = []
    layers = [module for module in loop.phase.state.method.modules() if isinstance(module, nn.Linear)]
    hooks = [layer.register_forward_hook(_Note(found)) for layer in layers]
    loop.step()
    for hook in hooks:
        hook.remove()
    if not found:
        raise RuntimeError("no linear layer was called")
    return found


class _Note:
    """Notes each call of a linear layer."""

    def __init__(self, found: list[Use]) -> None:
        self._found = found

    def __call__(self, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        rows, features = inputs[0].shape
        self._found.append(Use(rows, features, output.shape[1], inputs[0].requires_grad))


def products(found: list[Use], device: torch.device) -> Callable[[], None]:
    """Return a function that does the matrix products of an iteration, and nothing else."""
    return _Products([product for use in found for product in _of(use, device)])


class _Products:
    """Does products into memory that stands ready."""

    def __init__(self, operands: list[tuple[Tensor, Tensor, Tensor]]) -> None:
        self._operands = operands

    def __call__(self) -> None:
        for left, right, out in self._operands:
            torch.mm(left, right, out=out)


def _of(use: Use, device: torch.device) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield the factors of the products of a layer, laid out as autograd has them, with where the product goes."""
    inputs = torch.rand(use.rows, use.inputs, device=device)
    outputs = torch.rand(use.rows, use.outputs, device=device)
    weight = torch.rand(use.outputs, use.inputs, device=device)
    yield inputs, weight.T, torch.empty_like(outputs)
    yield outputs.T, inputs, torch.empty_like(weight)
    if use.passes_gradient:
        yield outputs, weight, torch.empty_like(inputs)


class Views:
    """Makes the random views of one batch of a phase after the other.

    Attributes:
        names: The views' names.
    """

    def __init__(self, loop: Loop) -> None:
        self._data, self._phase, self._iteration = loop.phase.data, loop.phase.config.name, 0
        read = {view for objective in loop.phase.objectives for view in objective.views}
        self.names = sorted(name for name in read if self._data.views[name].is_random)

    def __call__(self) -> None:
        """Make the views of the next batch."""
        self._data.training_batch(self._phase, self._iteration, self.names)
        self._iteration += 1


def _phase(loop: Loop, by_hand: Callable[[], None], turns: tuple[int, int], device: torch.device) -> dict[str, Any]:
    for _ in range(_WARM_UP):
        loop.step()
        by_hand()
    found = uses(loop)
    floors = {"by_hand": by_hand, "products": products(found, device)}
    candidates: dict[str, Callable[[], None]] = {"loop": loop.step, **floors}
    views = Views(loop)
    if views.names:
        candidates["views"] = views
        views()
    seconds = alternate(candidates, *turns, device)
    ratios = {"loop/by_hand": ratio(seconds, "loop", "by_hand"), "loop/products": ratio(seconds, "loop", "products")}
    if "views" in candidates:
        ratios["views/loop"] = ratio(seconds, "views", "loop")
    return {
        "seconds": machine.spreads(seconds),
        "ratios": ratios,
        "linear_layers": [asdict(use) for use in found],
        "gflop_of_products": sum(use.operations for use in found) / 1e9,
    }


if __name__ == "__main__":
    main()
