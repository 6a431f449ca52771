"""Euclidean distances between two sets of points, and which are the nearest."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """Return the squared Euclidean distances ``(B, K)`` between ``x (B, D)`` and ``y (K, D)``.

    ``||x - y||^2 = ||x||^2 + ||y||^2 - 2 x y`` by one matrix product, after both sets are moved so that the mean of
    ``y`` is the origin: distances do not change by that, but far from the origin the three terms would cancel and
    leave rounding errors. What rounding still pushes below 0 is clamped. The wider of the two types is used, also
    under autocast.

    Args:
        x: Points ``(B, D)``.
        y: Points ``(K, D)``, K >= 1.
    """
    dtype = torch.promote_types(x.dtype, y.dtype)
    with _full_precision(x.device.type):
        origin = y.detach().to(dtype).mean(0)
        left, right = x.to(dtype) - origin, y.to(dtype) - origin
        norms = left.square().sum(1, keepdim=True) + right.square().sum(1)
        return torch.addmm(norms, left, right.T, alpha=-2).clamp_min(0)


def euclidean_distances(x: Tensor, y: Tensor) -> Tensor:
    """Return the Euclidean distances ``(B, K)`` between ``x (B, D)`` and ``y (K, D)``, not squared.

    They are computed from the differences: where two points nearly coincide, the root of what the matrix product of
    :func:`squared_distances` leaves would have a gradient of noise. Where they do coincide, the gradient is 0.

    Args:
        x: Points ``(B, D)``.
        y: Points ``(K, D)``.
    """
    dtype = torch.promote_types(x.dtype, y.dtype)
    with _full_precision(x.device.type):
        return torch.cdist(x.to(dtype), y.to(dtype), compute_mode="donot_use_mm_for_euclid_dist")


def sums_of_nearest(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return the sum ``(K, D)`` and the number ``(K,)``, of the same type, of the points that are nearest to each y.

    The order of the sums is that of a matrix product, so that the same points give the same bits.

    Args:
        x: Points ``(B, D)``.
        y: Points ``(K, D)``, K >= 1. Of several that are equally near, the first counts.
    """
    distances = squared_distances(x, y)
    members = torch.zeros_like(distances).scatter_(1, distances.argmin(1, keepdim=True), 1)
    return members.T @ x.to(members.dtype), members.sum(0)


def _full_precision(device_type: str) -> AbstractContextManager[object]:
    """Switch autocast off where it is on; the meta device, on which shapes are planned, does not know it."""
    if torch.amp.is_autocast_available(device_type) and torch.is_autocast_enabled(device_type):
        return torch.autocast(device_type, enabled=False)
    return nullcontext()
