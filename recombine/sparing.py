"""Passes over a whole dataset that take part of their time: for estimates, where the numbers do not matter.

Once the passes without gradients have had their time, layers repeat what they made of an earlier batch of samples of
the same shape. All else goes on as it would, over as many samples: what assigns them, what clusters them, what scores
them. The time that layers did not take is counted, from what they took for a sample before.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from recombine.mapping import Mapping

#: Of an earlier answer so many numbers are kept; where that would be too few rows, a single row is.
_MOST_NUMBERS, _FEW_ROWS = 2**16, 64

Shapes = tuple[tuple[int, ...], ...]


@dataclass
class Sparing:
    """Spares layers work, and counts the time that this saves.

    Attributes:
        seconds: How long layers work in passes without gradients; the first batch always goes through them in full.
        spent: How long they worked, since :meth:`begin`.
        saved: How long they would have worked for what they only repeated, in seconds.
    """

    seconds: float
    spent: float = 0.0
    saved: float = 0.0

    def spare(self, mappings: Iterable[Mapping]) -> None:
        """Let the layers of mappings work no longer than ``seconds``."""
        for layer in (layer for mapping in mappings for layer in mapping.layers):
            object.__setattr__(layer, "forward", _Spared(layer, self))

    def begin(self) -> None:
        """Let the layers work again for ``seconds``: other networks may come into play."""
        self.spent = 0.0


class Stopwatch:
    """Seconds from now on, with all work of a device done at both ends, and those that layers were spared."""

    def __init__(self, device: torch.device, sparing: Sparing) -> None:
        self._device = device
        self._sparing, self._saved_before = sparing, sparing.saved
        self._wait()
        self._started = time.perf_counter()

    def so_far(self) -> float:
        """Return the seconds so far, without waiting, and without those that were spared."""
        return time.perf_counter() - self._started

    def seconds(self) -> float:
        """Return the seconds until all work is done."""
        self._wait()
        return self.so_far() + self._sparing.saved - self._saved_before

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)


@dataclass
class _Known:
    """What a layer made of inputs of a shape.

    Attributes:
        rows: Some rows of its last answer, of each tensor of it.
        seconds: How long it worked on such inputs.
        count: On how many rows.
    """

    rows: tuple[Tensor, ...] = ()
    seconds: float = 0.0
    count: int = 0


@dataclass
class _Spared:
    """The forward pass of a layer that repeats earlier answers where time is up."""

    layer: nn.Module
    sparing: Sparing
    known: dict[Shapes, _Known] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Keep the layer's own forward pass."""
        self._run: Callable[..., Any] = self.layer.forward

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        """Return what the layer makes of ``inputs (B, ...)``, or rows of what it made of others."""
        if self.layer.training or torch.is_grad_enabled() or named or not _have_rows(inputs, len(inputs[0])):
            return self._run(*inputs, **named)
        known = self.known.setdefault(tuple(tuple(x.shape[1:]) for x in inputs), _Known())
        if known.rows and self.sparing.spent > self.sparing.seconds:
            self.sparing.saved += known.seconds / known.count * len(inputs[0])
            answer = tuple(_repeated(rows, len(inputs[0])) for rows in known.rows)
            return answer if len(answer) > 1 else answer[0]
        return self._worked(inputs, known)

    def _worked(self, inputs: tuple[Tensor, ...], known: _Known) -> Any:
        started = time.perf_counter()
        answer = self._run(*inputs)
        seconds = time.perf_counter() - started
        self.sparing.spent += seconds
        known.seconds, known.count = known.seconds + seconds, known.count + len(inputs[0])
        tensors = answer if isinstance(answer, tuple) else (answer,)
        if _have_rows(tensors, len(inputs[0])):
            known.rows = tuple(map(_some_rows, tensors))
        return answer


def _have_rows(values: tuple[Any, ...], count: int) -> bool:
    """Tell whether all values are tensors with so many rows, and at least one."""
    return all(isinstance(x, Tensor) and x.ndim > 0 and len(x) == count > 0 for x in values)


def _some_rows(x: Tensor) -> Tensor:
    """Return a copy of some rows of ``(B, ...)``."""
    count = _MOST_NUMBERS // max(x[0].numel(), 1)
    return x[: count if count >= _FEW_ROWS else 1].clone()


def _repeated(rows: Tensor, count: int) -> Tensor:
    """Return ``(count, ...)`` of some rows, over and over; a single one takes no memory."""
    if len(rows) == 1:
        return rows.expand(count, *rows.shape[1:])
    return rows[torch.arange(count, device=rows.device) % len(rows)]
