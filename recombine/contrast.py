"""Contrast between two sets of vectors whose rows belong together."""

import torch
from torch import Tensor
from torch.nn import functional


def nt_xent(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """Return the normalised temperature-scaled cross entropy (SimCLR, arXiv 2002.05709), a scalar >= 0.

    Of the 2M vectors, each is an anchor once: its counterpart is the positive, the other 2M - 2 are negatives::

        loss = 1/(2M) sum_i -log( exp(s(i, i')/t) / sum_{j != i} exp(s(i, j)/t) ),   s = cosine similarity

    Args:
        first: Vectors ``(M, D)`` of any length; a vector of zeros has similarity 0 to all.
        second: Their counterparts ``(M, D)``, row by row.
        temperature: t > 0.
    """
    pairs = len(first)
    vectors = functional.normalize(torch.cat([first, second]), dim=1)
    similarities = vectors @ vectors.T / temperature
    itself = torch.eye(2 * pairs, dtype=torch.bool, device=vectors.device)
    positives = torch.cat([similarities.diagonal(pairs), similarities.diagonal(-pairs)])
    return (similarities.masked_fill(itself, -torch.inf).logsumexp(1) - positives).mean()
