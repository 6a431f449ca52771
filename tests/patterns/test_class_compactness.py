"""Distances to the means of classes against loops."""

import pytest
import torch

from recombine.errors import NetworkError
from tests.patterns.given_sets import GivenSets

BLOCK = {"pattern": "class_compactness", "mapping_name": "set_network"}
CLASSES = [[4, 9, 4, 4, 2], [1, 1, 1, 1, 1], [4, 2, 9, 4, 2], [0, 1, 2, 3, 4]]
PINNED = 0.5383104


def features(dtype=torch.float64):
    """Return features of all objects, (B, n, D)."""
    return torch.randn(4, 5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)


def loss_of(world, classes, values):
    """Return the loss of features."""
    losses = world.build(BLOCK).losses(GivenSets(classes, set_network=values))
    assert list(losses) == ["class_compactness"]
    return losses["class_compactness"]


def by_hand(classes, values):
    """Return the mean squared distance to the mean of the own class in the own set."""
    terms = []
    for row, objects in zip(classes, values.tolist(), strict=True):
        for label, one in zip(row, objects, strict=True):
            own = [other for name, other in zip(row, objects, strict=True) if name == label]
            for d, value in enumerate(one):
                terms.append((value - sum(other[d] for other in own) / len(own)) ** 2)
    return sum(terms) / len(terms)


def test_the_loss_is_that_by_hand(world):
    loss = loss_of(world, CLASSES, features())
    assert loss.item() == pytest.approx(by_hand(CLASSES, features()), rel=1e-12)
    assert loss.item() == pytest.approx(PINNED, abs=1e-6)


@pytest.mark.parametrize("shape", [(20, 3), (4, 5, 3, 1), (20, 1, 3)])
def test_features_may_come_object_by_object(world, shape):
    assert torch.equal(loss_of(world, CLASSES, features().reshape(shape)), loss_of(world, CLASSES, features()))


def test_classes_of_different_sets_are_strangers(world):
    # One class throughout, yet each set has a mean of its own.
    values = features() + torch.arange(4).view(4, 1, 1) * 100
    torch.testing.assert_close(loss_of(world, [[0] * 5] * 4, values), loss_of(world, [[0] * 5] * 4, features()))


def test_names_of_classes_mean_nothing(world):
    names = [5, 3, 8, 1, 0, 12, 2, 7, 9, 4]
    renamed = [[names[label] for label in row] for row in CLASSES]
    torch.testing.assert_close(loss_of(world, renamed, features()), loss_of(world, CLASSES, features()))


def test_nothing_is_lost_where_every_object_is_a_class_or_like_its_class(world):
    assert loss_of(world, [list(range(5))] * 4, features()).item() == pytest.approx(0, abs=1e-30)
    places = torch.tensor([[0.0, 1], [5, 2], [3, 3]], dtype=torch.float64)
    classes = torch.tensor([[0, 1, 2, 0, 0]] * 2)
    assert loss_of(world, classes.tolist(), places[classes]).item() == pytest.approx(0, abs=1e-30)


def test_gradients(world):
    torch.autograd.gradcheck(lambda x: loss_of(world, CLASSES, x), features().requires_grad_())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_are_finite(world, dtype):
    for classes in ([[0] * 5] * 4, [list(range(5))] * 4):
        values = features(dtype).requires_grad_()
        loss = loss_of(world, classes, values)
        assert loss.dtype == dtype
        assert torch.autograd.grad(loss, values)[0].isfinite().all()


def test_a_mapping_over_samples_or_over_sets(world):
    step = world.step()
    encoded = world.mappings["encoder"](step.view("view_1"))
    classes = world.classes[:8].view(2, 4).tolist()
    for name, values in (("encoder", encoded), ("set_network", world.mappings["set_network"](encoded))):
        pattern = world.build({**BLOCK, "mapping_name": name, "batch_augmentation_name": "view_1"})
        loss = pattern.losses(step)["class_compactness"]
        assert loss.item() == pytest.approx(by_hand(classes, values.view(2, 4, -1)), rel=1e-12)


@pytest.mark.parametrize("shape", [(4, 3), (3, 5, 3), (5, 4, 3)])
def test_what_gives_nothing_for_each_object_is_refused(world, shape):
    with pytest.raises(NetworkError, match=r"an output for each of 5 objects of 4 sets is needed, not \("):
        loss_of(world, CLASSES, torch.zeros(shape))
