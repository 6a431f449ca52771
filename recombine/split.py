"""Which samples of a dataset train and which are held out: a pure function of seed and dataset, never of labels."""

import torch
from torch import Tensor


def num_held_out(num_samples: int, fraction: float) -> int:
    """Return how many of N samples a fraction in (0, 1) holds out, to the nearest whole number."""
    return round(num_samples * fraction)


def split(num_samples: int, fraction: float, draws: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return the positions that are held out, in random order, ``(H,)``, and the others, ascending, ``(N - H,)``.

    With the same draws, a smaller fraction holds out a part of what a larger one does.

    Args:
        num_samples: N.
        fraction: The share that is held out, in (0, 1).
        draws: Draws the order, on the CPU.
    """
    order, count = torch.randperm(num_samples, generator=draws), num_held_out(num_samples, fraction)
    return order[:count], order[count:].sort().values


def split_problem(num_samples: int, fraction: float, batch_size: int) -> str | None:
    """Return why samples cannot be held out, with the remedy, or None.

    Args:
        num_samples: N.
        fraction: The share that is held out, in (0, 1).
        batch_size: Samples of a training batch.
    """
    count = num_held_out(num_samples, fraction)
    left = num_samples - count
    if count == 0:
        return f"a fraction of {fraction:g} of {num_samples} samples holds out none; a larger fraction holds out some"
    if left < batch_size:
        words = f"holding out {count} of {num_samples} samples leaves {left or 'none'} to train on"
        return f"{words}, and a batch has {batch_size}; a smaller fraction or batch_size leaves more"
    return None
