from typing import Any

import pytest
import torch
from torch import Tensor

from recombine.errors import DataError
from recombine.fusion import FusedGeometry, fused
from recombine.imaging import edges
from tests.views.compare import compiled, images, seeded, view_of

Spec = dict[str, Any]

H_FLIP, V_FLIP = {"type": "RandomHorizontalFlip"}, {"type": "RandomVerticalFlip", "p": 0.3}
STRETCH = {"type": "RandomResizedCrop", "size": 24, "scale": [0.4, 1.0]}
WIDE = {**STRETCH, "size": 48}
AFFINE = {"type": "RandomAffine", "degrees": 20}
WARP = {"type": "RandomAffine", "degrees": 30, "translate": [0.1, 0.2], "scale": [0.8, 1.3], "shear": 10}
BILINEAR = {**WARP, "interpolation": "bilinear"}
SHIFT = {"type": "RandomAffine", "degrees": 0, "translate": [0.4, 0.3]}
ZOOM = {"type": "RandomAffine", "degrees": 0, "scale": [2, 2], "interpolation": "bilinear"}
TURN = {"type": "RandomRotation", "degrees": [90, 90]}
HALF_TURN = {"type": "RandomRotation", "degrees": [180, 180]}
TO_TENSOR = {"type": "ToTensor"}


def blobs() -> Tensor:
    """Return blurred blobs on black, ``(32, 1, 48, 48)``, in [0, 1]; the outermost pixels are nearly black."""
    draws = seeded(11)
    x, y = torch.linspace(-1, 1, 48).view(1, 1, 1, -1), torch.linspace(-1, 1, 48).view(1, 1, -1, 1)
    result = torch.zeros(32, 1, 48, 48)
    for _ in range(3):
        place = 0.6 * torch.rand(2, 32, 1, 1, 1, generator=draws) - 0.3
        result += torch.exp(-((x - place[0]) ** 2 + (y - place[1]) ** 2) / 0.04)
    return result.clamp_(max=1)


def parts(*specs: Spec, on_pil: bool = True) -> list[Any]:
    """Return the batch forms of transforms."""
    return [compiled(on_pil, **spec) for spec in specs]


def both(batch: Tensor, transforms: list[Any], seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return the batch after transforms fused and after the same one after another; the draws must be the same."""
    ours, theirs = seeded(seed), seeded(seed)
    together, apart = FusedGeometry(transforms)(batch, ours), batch
    for transform in transforms:
        apart = transform(apart, theirs)
    assert torch.equal(ours.get_state(), theirs.get_state())
    assert together.shape == apart.shape
    return together, apart


EXACT = {
    "flips": [H_FLIP, V_FLIP, TURN],
    "turns": [TURN, HALF_TURN, TURN],
    "crop, turn": [STRETCH, TURN],
    "crop, flips, turn": [STRETCH, H_FLIP, V_FLIP, TURN],
    "turn, crop": [TURN, STRETCH],
    "turn, flip, crop, turn": [HALF_TURN, H_FLIP, STRETCH, TURN],
    "zoom by whole numbers, flip": [H_FLIP, ZOOM],
    "part, shift": [{"type": "RandomCrop", "size": [13, 17]}, SHIFT],
    "shift, part, shift": [SHIFT, {"type": "RandomCrop", "size": [13, 17]}, H_FLIP, SHIFT],
    "border, shift": [{"type": "RandomCrop", "size": [25, 21], "padding": [3, 1, 0, 2]}, SHIFT],
    "needed border": [SHIFT, {"type": "RandomCrop", "size": 27, "pad_if_needed": True}, SHIFT],
    "middle, shift": [H_FLIP, {"type": "CenterCrop", "size": [11, 16]}, SHIFT],
    "larger middle": [H_FLIP, {"type": "CenterCrop", "size": [11, 29]}, SHIFT],
    "colour": [{**SHIFT, "fill": 100}, H_FLIP, {"type": "RandomCrop", "size": 26, "padding": 2, "fill": 100}],
    "nearest": [H_FLIP, WARP, V_FLIP],
    "nearest off centre": [{**WARP, "center": [3, 5], "fill": 30}, {"type": "RandomCrop", "size": 15}],
}


@pytest.mark.parametrize("specs", EXACT.values(), ids=EXACT.keys())
def test_where_one_alone_interpolates_the_pixels_are_the_same(specs: list[Spec]) -> None:
    batch = images(48, channels=2, height=24, width=24).float() / 255
    together, apart = both(batch, parts(*specs))
    assert float(((together - apart).abs() > 1e-5).float().mean()) < 2e-4
    assert float(apart.std()) > 0.05


def test_images_need_not_be_square() -> None:
    batch = images(48, channels=3, height=20, width=17).float() / 255
    specs = [H_FLIP, {"type": "RandomCrop", "size": [13, 16]}, {**WARP, "fill": [9, 90, 30]}, V_FLIP]
    together, apart = both(batch, parts(*specs))
    assert float(((together - apart).abs().amax(1) > 1e-5).float().mean()) < 5e-4


@pytest.mark.parametrize(
    ("specs", "greatest", "mean"),
    [
        ([WIDE, BILINEAR], 0.1, 0.002),
        ([BILINEAR, H_FLIP, WIDE], 0.1, 0.002),
        ([BILINEAR, {"type": "RandomRotation", "degrees": 40, "interpolation": "bilinear"}], 0.1, 0.002),
        ([V_FLIP, {"type": "Resize", "size": [51, 53]}, BILINEAR], 0.1, 0.002),
        ([WIDE, WARP], 0.2, 0.01),
        ([WARP, WIDE], 0.2, 0.01),
    ],
)
def test_interpolating_once_changes_smooth_images_a_little(specs: list[Spec], greatest: float, mean: float) -> None:
    together, apart = both(blobs(), parts(*specs))
    differences = (together - apart).abs()
    assert float(differences.max()) < greatest
    assert float(differences.mean()) < mean
    assert float(apart.mean()) > 0.05


@pytest.mark.parametrize("before", [[], [{"type": "Resize", "size": [24, 20]}]])
@pytest.mark.parametrize("turn", [AFFINE, {**AFFINE, "interpolation": "bilinear"}])
def test_what_a_crop_cut_off_stays_cut_off(turn: Spec, before: list[Spec]) -> None:
    crop, turn_by = parts(STRETCH, {**turn, "degrees": [45, 45]})
    boxes = crop.draw(40, 24, 20, seeded(2))
    left, top = boxes.left.view(-1, 1, 1, 1), boxes.top.view(-1, 1, 1, 1)
    x, y = torch.arange(20).view(1, 1, 1, -1), torch.arange(24).view(1, 1, -1, 1)
    inside = (x >= left) & (x < left + boxes.width.view(-1, 1, 1, 1))
    inside = inside & (y >= top) & (y < top + boxes.height.view(-1, 1, 1, 1))
    result = FusedGeometry([*parts(*before), crop, turn_by])(torch.where(inside, 0.25, 1.0), seeded(2))
    seen = result > 0
    torch.testing.assert_close(result[seen], torch.full_like(result[seen], 0.25))
    expected = turn_by(torch.ones(40, 1, 24, 24), seeded(2)) > 0
    assert float((seen != expected).float().mean()) < 1e-3
    assert not bool(seen[:, :, 0, 0].any())


def test_what_an_image_moved_out_of_sight_stays_out_of_sight() -> None:
    there, back = ({**SHIFT, "translate": [0.5, 0], "type": "RandomAffine"} for _ in range(2))
    together, apart = both(torch.ones(64, 1, 16, 16), parts(there, TURN, back))
    assert torch.equal(together, apart)
    assert 0.3 < float(apart.mean()) < 0.9


ALONE = {
    "reduction": [{**STRETCH, "size": 23}, AFFINE],
    "bicubic": [{**STRETCH, "interpolation": "bicubic"}, AFFINE],
    "second colour": [{**SHIFT, "fill": 9}, {**AFFINE, "fill": 10}],
    "mirrored border": [{"type": "RandomCrop", "size": 20, "padding": 2, "padding_mode": "reflect"}, AFFINE],
    "no turn": [STRETCH, H_FLIP, V_FLIP],
    "one": [AFFINE],
}


@pytest.mark.parametrize("specs", ALONE.values(), ids=ALONE.keys())
def test_what_cannot_join_runs_by_itself(specs: list[Spec]) -> None:
    together, apart = both(images(16, height=24, width=24).float() / 255, parts(*specs))
    assert torch.equal(together, apart)


def test_bilinear_values_that_mix_with_the_fill_on_tensors_run_by_themselves() -> None:
    together, apart = both(images().float() / 255, parts(H_FLIP, BILINEAR, on_pil=False))
    assert torch.equal(together, apart)


def test_a_run_is_split_at_what_cannot_join() -> None:
    reduction = {**STRETCH, "size": 12}
    together, apart = both(images(32, height=24, width=24).float() / 255, parts(H_FLIP, WARP, reduction, V_FLIP, TURN))
    assert float(((together - apart).abs() > 1e-5).float().mean()) < 1e-3


def test_runs_of_a_list() -> None:
    normalize = {"type": "Normalize", "mean": 0.5, "std": 0.5}
    found = fused([*parts(STRETCH, AFFINE, TO_TENSOR), *parts(normalize, H_FLIP, TURN, on_pil=False)])
    names = [type(transform).__name__ for transform in found]
    assert names == ["FusedGeometry", "ToTensor", "Normalize", "FusedGeometry"]
    lone = parts(STRETCH, H_FLIP)
    assert fused(lone) == lone
    assert fused([]) == []


def test_views_fuse_unless_told_otherwise() -> None:
    batch = images(height=24, width=24)
    specs = [STRETCH, TO_TENSOR, H_FLIP, AFFINE, {"type": "Normalize", "mean": 0.1, "std": 0.5}]
    transforms = parts(*specs[:2]) + parts(*specs[2:], on_pil=False)
    draws, expected = seeded(4), batch.float() / 255
    for transform in transforms:
        expected = transform(expected, draws)
    assert torch.equal(view_of(batch, *specs, fuse=False)(batch, seeded(4)), expected)
    fused_view = view_of(batch, *specs)
    assert not torch.equal(fused_view(batch, seeded(4)), expected)
    assert torch.equal(
        fused_view(batch, seeded(4)), view_of(batch, STRETCH, H_FLIP, AFFINE, TO_TENSOR, *specs[4:])(batch, seeded(4))
    )


def test_a_sample_does_not_depend_on_the_others() -> None:
    batch = images(8, height=24, width=24).float() / 255
    transform = FusedGeometry(parts(H_FLIP, STRETCH, BILINEAR))
    other = batch.clone()
    other[3] = 0
    rows = (transform(other, seeded()) != transform(batch, seeded())).flatten(1).any(1)
    assert rows.nonzero().flatten().tolist() == [3]


def test_colours_and_sizes_are_checked() -> None:
    batch = images(channels=3).float()
    with pytest.raises(DataError, match="a fill of 2 values does not suit images of 3 channels"):
        FusedGeometry(parts(H_FLIP, {**AFFINE, "fill": [1, 2]}))(batch, seeded())
    with pytest.raises(DataError, match="RandomCrop takes 30 x 30 pixels of images of only 20 x 17"):
        FusedGeometry(parts({"type": "RandomCrop", "size": 30}, AFFINE))(batch, seeded())


def test_edges() -> None:
    boxes = compiled(**STRETCH).draw(5, 24, 20, seeded())
    expected = [
        [[x - 10, x + w - 10], [y - 12, y + h - 12]] for y, x, h, w in zip(*(v.tolist() for v in boxes), strict=True)
    ]
    assert edges(boxes, 24, 20).tolist() == expected
