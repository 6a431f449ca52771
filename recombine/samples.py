"""Samples of a dataset as pictures need them."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recombine.data import Data
from recombine.evaluate import batch_size
from recombine.step import PLAIN_VIEW


def plain_view(data: Data, positions: NDArray[np.int64]) -> Tensor:
    """Return samples at ``positions (S,)`` of a dataset as networks get them, ``(S, ...)``, on the CPU."""
    index = torch.from_numpy(positions)
    return torch.cat([batch.views[PLAIN_VIEW].cpu() for batch in data.excerpts(torch.split(index, batch_size(data)))])
