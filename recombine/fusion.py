"""Consecutive geometric transforms of a view as one sampling grid.

Each transform tells by a :class:`~recombine.views.base.Move` where its pixels come from. The maps of a run are
multiplied, and the images are sampled once instead of once for each transform. What a transform cuts off stays cut
off: a later one sees its fill there, never the pixels beyond the edge.

The draws are those of the transforms one after another. The pixels are the same where only one of the transforms moves
by parts of a pixel, but for the rounding of float32. Elsewhere they differ by the interpolation: the image is
interpolated once, so that less is blurred; it is interpolated bilinearly if any of the transforms does so, which then
smooths the steps that a nearest one leaves; and a colour that fills ends at a sharp edge.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from recombine.imaging import NEAREST_TIE
from recombine.views.base import BatchTransform, Geometric, Move, check_colours

# By how much the distance beyond an edge is multiplied, so that the fill is seen there: a rounding of it is enough.
_STEEP = 1e9
_HALF_PIXEL = torch.tensor([0.5, -0.5], dtype=torch.float64)
_IDENTITY = torch.tensor([[[1, 0], [1, 0]]], dtype=torch.float64)

Fill = tuple[float, ...]


def fused(transforms: Sequence[BatchTransform]) -> list[BatchTransform]:
    """Return transforms with the same effect, in which runs of geometric ones have become one each."""
    result: list[BatchTransform] = []
    run: list[Geometric] = []
    for transform in transforms:
        if isinstance(transform, Geometric):
            run.append(transform)
        else:
            result += [*_joined(run), transform]
            run = []
    return [*result, *_joined(run)]


def _joined(run: list[Geometric]) -> list[BatchTransform]:
    return [FusedGeometry(run)] if _pays(run) else [*run]


def _pays(run: Sequence[Geometric]) -> bool:
    """Whether a grid is worth it: flips, crops and resizes by themselves are faster, and exact, without one."""
    return len(run) > 1 and not all(transform.is_aligned for transform in run)


class FusedGeometry(BatchTransform):
    """A run of geometric transforms, sampled once where that is faithful.

    Args:
        transforms: The run, in order. Those that cannot join a grid at the size of the images are applied by
            themselves, and split it, as does a second colour.
    """

    def __init__(self, transforms: Sequence[Geometric]) -> None:
        self._transforms = list(transforms)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Transform images ``(B, C, H, W)``."""
        for part in self._parts(images.shape[-2], images.shape[-1]):
            if _pays(part):
                images = _sampled_once(part, images, generator)
            else:
                for transform in part:
                    images = transform(images, generator)
        return images

    def _parts(self, height: int, width: int) -> list[list[Geometric]]:
        """Return the run, split where a transform cannot join a grid."""
        parts: list[list[Geometric]] = [[]]
        for transform in self._transforms:
            if not transform.can_join(height, width):
                parts += [[transform], []]
            elif len({_colour(one) for one in (*parts[-1], transform) if one.fill is not None}) > 1:
                parts.append([transform])
            else:
                parts[-1].append(transform)
            height, width = transform.size_after(height, width)
        return parts


@dataclass(frozen=True)
class _Leg:
    """A part of the way from positions in the result to positions in the source.

    Attributes:
        matrices: ``(B, 2, 3)``, or one for all, float64; aligned ones are factors and shifts alone, ``(B, 2, 2)``.
        is_aligned: Whether rows stay rows and columns stay columns.
        bounds: The lowest and the highest x, then y, at which pixels are read, ``(B, 2, 2)``; or None.
        frame: The edges beyond which the fill is seen, ``(B, 2, 2)``; or None.
    """

    matrices: Tensor = _IDENTITY
    is_aligned: bool = True
    bounds: Tensor | None = None
    frame: Tensor | None = None

    def takes(self, is_aligned: bool) -> bool:
        """Whether a map can be added: edges must stay edges along rows and columns."""
        return is_aligned or (self.bounds is None and self.frame is None)

    def then(self, move: Move, transform: Geometric) -> "_Leg":
        """Return the way that goes on with ``move`` of ``transform``."""
        bounds, frame = (_edges_after(edges, move.matrices, transform) for edges in (self.bounds, self.frame))
        if move.part is not None:
            bounds = _common(bounds, move.part + _HALF_PIXEL)
            frame = frame if transform.fill is None else _common(frame, move.part)
        matrices = move.matrices
        if self.matrices is not _IDENTITY:
            matrices = _product(move.matrices, self.matrices, transform.is_aligned)
        return _Leg(matrices, self.is_aligned and transform.is_aligned, bounds, frame)

    def scaled(self, unit: Tensor) -> "_Leg":
        """Return the way to positions in other units: ``unit`` ``(2, 1)`` is what x and y are multiplied by."""
        bounds, frame = (edges if edges is None else edges * unit for edges in (self.bounds, self.frame))
        return _Leg(self.matrices * unit, self.is_aligned, bounds, frame)


def _product(after: Tensor, before: Tensor, is_aligned: bool) -> Tensor:
    """Return the maps ``before`` and then ``after``, of which the latter may be aligned."""
    if is_aligned:
        turned = before * after[:, :, :1]
    elif before.shape[2] == after.shape[2]:
        turned = after[:, :, :2] @ before
    else:
        turned = after[:, :, :2] @ torch.cat([before[:, :, 0].diag_embed(), before[:, :, 1:]], 2)
    turned[:, :, -1] += after[:, :, -1]
    return turned


def _edges_after(edges: Tensor | None, matrices: Tensor, transform: Geometric) -> Tensor | None:
    """Return where edges ``(B, 2, 2)`` come to lie by the maps ``(B, 2, 2)`` of a transform, sorted."""
    if edges is None:
        return None
    moved = torch.addcmul(matrices[:, :, 1:], edges, matrices[:, :, :1])
    return moved.sort(2).values if transform.mirrors else moved


def _common(one: Tensor | None, other: Tensor) -> Tensor:
    """Return the part ``(B, 2, 2)`` that two parts share; None is no limit."""
    if one is None:
        return other
    return torch.stack([torch.maximum(one, other)[..., 0], torch.minimum(one, other)[..., 1]], 2)


def _sampled_once(transforms: Sequence[Geometric], images: Tensor, generator: torch.Generator) -> Tensor:
    """Return images ``(B, C, H, W)`` after all the transforms."""
    mode = "bilinear" if any(transform.mode == "bilinear" for transform in transforms) else "nearest"
    fill = next((transform.fill for transform in transforms if transform.fill is not None), (0.0,))
    check_colours(fill, images)
    moves = _moves(transforms, images.shape, generator, mode)
    grid = _grid(_legs(transforms, moves, images.shape), (len(images), *moves[-1].size), images.device, mode)
    if not any(fill):
        return F.grid_sample(images, grid, mode=mode, align_corners=False)
    colour = torch.tensor(fill, dtype=images.dtype, device=images.device).view(1, -1, 1, 1)
    return F.grid_sample(images - colour, grid, mode=mode, align_corners=False) + colour


def _moves(transforms: Sequence[Geometric], shape: torch.Size, generator: torch.Generator, mode: str) -> list[Move]:
    """Return the moves of transforms of images of ``shape`` ``(B, C, H, W)``, drawn in order."""
    batch, _, height, width = shape
    moves = []
    for transform in transforms:
        move = transform.plan(batch, height, width, generator)
        if mode == "nearest" and not transform.is_aligned:
            move = move._replace(matrices=move.matrices + torch.tensor([0, 0, NEAREST_TIE]))
        moves.append(move)
        height, width = move.size
    return moves


def _legs(transforms: Sequence[Geometric], moves: Sequence[Move], shape: torch.Size) -> list[_Leg]:
    """Return the way from positions in the result to those in images ``(B, C, H, W)``, there from -1 to 1."""
    legs = [_Leg()]
    for transform, move in zip(reversed(transforms), reversed(moves), strict=True):
        if not legs[-1].takes(transform.is_aligned):
            legs.append(_Leg())
        legs[-1] = legs[-1].then(move, transform)
    return [*legs[:-1], legs[-1].scaled(torch.tensor([[2 / shape[3]], [2 / shape[2]]], dtype=torch.float64))]


def _grid(legs: Sequence[_Leg], shape: tuple[int, int, int], device: torch.device, mode: str) -> Tensor:
    """Return where the pixels of results of ``shape`` ``(B, H, W)`` come from, ``(B, H, W, 2)``; far off for the fill.

    All of it is arithmetic, as comparisons of whole batches and choices by them take the CPU several times as long.
    """
    batch, height, width = shape
    x = torch.arange((1 - width) / 2, width / 2, device=device).view(1, 1, -1)
    y = torch.arange((1 - height) / 2, height / 2, device=device).view(1, -1, 1)
    grid = torch.empty(batch, 2, height, width, device=device)
    beyond: list[tuple[Tensor, Tensor]] = []
    for leg in legs:
        x, y = _moved(x, y, leg, grid.unbind(1) if leg is legs[-1] else (None, None))
        if leg.frame is not None:
            left, right, top, bottom = _numbers(leg.frame, device)
            beyond.append((_distance(x, left, right), _distance(y, top, bottom)))
        if leg.bounds is not None and mode == "bilinear":
            left, right, top, bottom = _numbers(leg.bounds, device)
            x, y = _kept_within(x, left, right, x), _kept_within(y, top, bottom, y)
    for distances in beyond:
        for values, distance in zip((x, y), distances, strict=True):
            # Distances from several frames must not cancel each other out.
            values.add_(distance if len(beyond) == 1 else distance.abs_(), alpha=_STEEP)
    return grid.movedim(1, 3)


def _moved(x: Tensor, y: Tensor, leg: _Leg, out: Sequence[Tensor | None]) -> tuple[Tensor, Tensor]:
    """Return positions ``x`` and ``y``, each ``(B or 1, H or 1, W or 1)``, after a leg, in ``out`` if it is given."""
    m = _numbers(leg.matrices, x.device)
    if leg.is_aligned:
        return torch.add(x * m[0], m[1], out=out[0]), torch.add(y * m[2], m[3], out=out[1])
    return (
        torch.add(x * m[0], torch.addcmul(m[2], y, m[1]), out=out[0]),
        torch.add(x * m[3], torch.addcmul(m[5], y, m[4]), out=out[1]),
    )


def _distance(values: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Return how far positions lie beyond edges ``(B, 1, 1)``: below 0 before ``low``, above 0 behind ``high``."""
    nearest = _kept_within(values, low, high, None)
    return torch.sub(values, nearest, out=nearest)


def _kept_within(values: Tensor, low: Tensor, high: Tensor, out: Tensor | None) -> Tensor:
    """Return the positions nearest to ``values`` between edges ``(B, 1, 1)``, in ``out`` if it is given."""
    # One clamp by tensors takes the CPU four times as long.
    kept = torch.maximum(values, low, out=out)
    return torch.minimum(kept, high, out=kept)


def _numbers(values: Tensor, device: torch.device) -> tuple[Tensor, ...]:
    """Return the numbers of each sample, ``(B, ...)``, as tensors ``(B, 1, 1)``, float32."""
    return values.float().to(device).reshape(len(values), -1, 1, 1).unbind(1)


def _colour(transform: Geometric) -> Fill | None:
    """Return the colour with which a transform fills, one value where all channels have the same; or None."""
    fill = transform.fill
    return fill[:1] if fill is not None and len(set(fill)) == 1 else fill
