import os
from pathlib import Path
from typing import Any

import pytest
import torch

from recombine import data
from recombine.batch_requests import BatchOptions
from recombine.data import Data
from recombine.datasets.base import Samples, open_dataset
from recombine.errors import DataError
from recombine.view import View
from tests.views.compare import images

DATA_ROOT = os.environ.get("RECOMBINE_DATA_ROOT")
AFFINE = {"type": "RandomAffine", "degrees": 30}
ELASTIC = {"type": "ElasticTransform", "alpha": 30.0, "sigma": 2.0}
VIEWS: dict[str, list[dict[str, Any]]] = {"plain": [], "a": [AFFINE], "b": [AFFINE], "slow": [ELASTIC]}


def _data(count: int = 23, seed: int = 0, views: Any = None, **options: Any) -> Data:
    samples = Samples(images(count), torch.arange(count) % 3, ("x", "y", "z"))
    chosen = {"batch_size": 5, "shuffle": True, "drop_last": True, **options}
    return Data("d", samples, VIEWS if views is None else views, BatchOptions(seed=seed, **chosen), torch.device("cpu"))


def _order(data: Data, phase: str, epoch: int) -> list[int]:
    size = data.batches_per_epoch
    return [int(i) for step in range(size) for i in data.training_batch(phase, epoch * size + step, []).index]


def test_basics() -> None:
    data = _data()
    assert data.num_samples == 23
    assert data.labels is not None
    assert data.labels.tolist() == [i % 3 for i in range(23)]
    assert data.class_names == ("x", "y", "z")
    assert data.sample_shape() == (1, 20, 17)
    assert _data(views={"plain": [{"type": "Resize", "size": [4, 6]}]}).sample_shape("plain") == (1, 4, 6)


@pytest.mark.parametrize(("drop_last", "batches", "seen"), [(True, 4, 20), (False, 5, 23)])
def test_an_epoch_visits_samples_once(drop_last: bool, batches: int, seen: int) -> None:
    data = _data(drop_last=drop_last)
    assert data.batches_per_epoch == batches
    order = _order(data, "p", 0)
    assert len(order) == len(set(order)) == seen
    assert set(order) <= set(range(23))


def test_exact_division_has_no_partial_batch() -> None:
    assert _data(20, drop_last=False).batches_per_epoch == _data(20).batches_per_epoch == 4


def test_every_epoch_and_phase_has_an_order_of_its_own() -> None:
    data = _data(drop_last=False)
    orders = [_order(data, "p", 0), _order(data, "p", 1), _order(data, "q", 0), _order(_data(seed=1), "p", 0)]
    assert len({tuple(order[:20]) for order in orders}) == 4


def test_natural_order() -> None:
    data = _data(shuffle=False)
    assert _order(data, "p", 3) == list(range(20))
    assert data.never_trained() == range(20, 23)
    assert len(_data(shuffle=False, drop_last=False).never_trained()) == 0
    assert len(_data(shuffle=True).never_trained()) == 0
    assert len(_data(20, shuffle=False).never_trained()) == 0


def test_a_batch_depends_on_its_place_only() -> None:
    views = ["a", "slow", "plain"]
    walked, jumped = _data(), _data()
    for iteration in range(9):
        batch = walked.training_batch("p", iteration, views)
        walked.training_batch("q", iteration, ["b"])
        list(walked.evaluation_batches(7))
    again = jumped.training_batch("p", 8, list(reversed(views)))
    assert torch.equal(batch.index, again.index)
    assert set(batch.views) == set(again.views) == set(views)
    for view in views:
        assert torch.equal(batch.views[view], again.views[view])


SLOW_VIEWS = {
    "plain": [{"type": "RandomAffine", "degrees": 9, "interpolation": "bilinear"}, ELASTIC],
    "slow": [ELASTIC],
    "still": [{"type": "Resize", "size": 9, "interpolation": "hamming"}],
    "fast": [AFFINE],
}


def _seen(data: Data, iterations: list[int]) -> list[torch.Tensor]:
    """Return the views of iterations, and of one evaluation after the first of them."""
    batches = []
    for iteration in iterations:
        batches.append(data.training_batch("p", iteration, SLOW_VIEWS))
        if iteration == iterations[0]:
            batches += list(data.evaluation_batches(9))
    return [values for batch in batches for values in batch.views.values()]


def test_the_number_of_processes_changes_no_bit() -> None:
    iterations = [0, 1, 2, 5, 3]
    alone = _data(views=SLOW_VIEWS, num_workers=0)
    assert {view.num_workers for view in alone.start_workers()} == {0}
    expected = _seen(alone, iterations)
    assert len(expected) == 5 * 4 + 3
    for count in (1, 2):
        data = _data(views=SLOW_VIEWS, num_workers=count)
        assert [(view.name, view.num_workers, view.obstacle) for view in data.start_workers()] == [
            ("plain", count, None),
            ("slow", count, None),
            ("still", count, None),
        ]
        found = _seen(data, iterations)
        assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
        assert set(data._ahead) == {("d", "p", "plain", 4), ("d", "p", "slow", 4)}
        data.close()
        assert torch.equal(data.training_batch("p", 0, ["slow"]).views["slow"], expected[2])


def test_an_error_in_a_process_is_the_error_of_the_main_process() -> None:
    views = {"plain": [ELASTIC, {"type": "RandomCrop", "size": 19}]}
    texts = []
    for count in (0, 1):
        data = _data(views={**SLOW_VIEWS, **views}, num_workers=count)
        data._workers.start(count)
        with pytest.raises(DataError) as error:
            next(data.evaluation_batches(4))
        texts.append(str(error.value))
        data.close()
    assert texts[0] == texts[1]
    assert texts[0].startswith('view "plain": a sample cannot be transformed: Required crop size (19, 19)')


def test_without_a_start_there_are_no_processes() -> None:
    data = _data(views=SLOW_VIEWS)
    data.training_batch("p", 0, SLOW_VIEWS)
    list(data.evaluation_batches(9))
    assert data._workers._pool is None
    assert data._ahead == {}


def test_slow_views_say_what_they_cost() -> None:
    (view,) = _data(num_workers=0).start_workers()
    assert (view.name, view.reason, view.num_workers, view.obstacle) == (
        "slow",
        "ElasticTransform has no batch form",
        0,
        None,
    )
    assert 0 < view.milliseconds < 10_000
    assert _data(views={"plain": []}, num_workers=3).start_workers() == ()


def test_views_line_up_by_sample() -> None:
    values = images(23)
    batch = _data(views={**VIEWS, "still": [{"type": "RandomAffine", "degrees": 0}]}).training_batch(
        "p", 2, ["still", "plain"]
    )
    assert torch.equal(batch.views["plain"], values[batch.index].float() / 255)
    assert torch.equal(batch.views["still"], batch.views["plain"])


def test_equal_views_of_other_names_have_other_parameters() -> None:
    batch = _data().training_batch("p", 0, ["a", "b"])
    assert not torch.equal(batch.views["a"], batch.views["b"])


def test_parameters_change_with_the_iteration() -> None:
    data = _data(5)
    first, second = (data.training_batch("p", iteration, ["a"]) for iteration in (0, 1))
    assert not torch.equal(first.views["a"][first.index.argsort()], second.views["a"][second.index.argsort()])


def test_views_that_nobody_asks_for_are_never_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[str] = []
    finish = View.finish
    monkeypatch.setattr(View, "finish", lambda view, *rest: computed.append(view.name) or finish(view, *rest))
    data = _data()
    data.training_batch("p", 0, {"a"})
    list(data.evaluation_batches(23))
    assert computed == ["a", "plain"]


def test_deterministic_parts_are_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    data = _data(views={"plain": [{"type": "Resize", "size": 8}, {"type": "Grayscale"}], "a": [AFFINE]})
    expected = data.training_batch("p", 0, ["plain"]).views["plain"]
    monkeypatch.setattr(View, "prepare", None)
    assert torch.equal(data.training_batch("p", 0, ["plain"]).views["plain"], expected)


def test_what_is_too_large_to_keep_gives_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = _data().training_batch("p", 1, ["plain"])
    monkeypatch.setattr("recombine.data._CACHE_LIMIT_BYTES", 10)
    assert torch.equal(_data().training_batch("p", 1, ["plain"]).views["plain"], kept.views["plain"])


def test_samples_that_the_device_has_no_room_for_stay_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere, values = torch.device("meta"), images(23)
    size = values.nbytes
    monkeypatch.setattr("recombine.data.memory_budget", lambda: 2 * size)
    assert data._near(values, elsewhere).device == elsewhere
    monkeypatch.setattr("recombine.data.memory_budget", lambda: 2 * size - 1)
    assert data._near(values, elsewhere) is values
    assert data._near(values, torch.device("cpu")) is values


@pytest.mark.parametrize("count", [23, 1024, 1030])
def test_what_is_computed_once_for_all_is_computed_in_parts(count: int) -> None:
    samples = Samples(images(count))
    options = BatchOptions(batch_size=5, shuffle=True, drop_last=True, seed=0)
    resized = [{"type": "Resize", "size": [4, 6]}]
    ours = Data("d", samples, {"plain": resized}, options, torch.device("cpu"))
    (batch,) = ours.evaluation_batches(count)
    expected = View("plain", resized, samples, True)(samples.tensor(), torch.Generator())
    torch.testing.assert_close(batch.views["plain"], expected, atol=1e-6, rtol=0)


def test_a_view_that_fails_is_not_kept_half_done() -> None:
    samples = Samples([*images(1030), torch.zeros(1, 5, 5, dtype=torch.uint8)])
    options = BatchOptions(batch_size=5, shuffle=False, drop_last=True, seed=0)
    ours = Data("d", samples, {"plain": [{"type": "Pad", "padding": 1}]}, options, torch.device("cpu"))
    for _ in range(2):
        with pytest.raises(DataError, match="unequal shapes after the transforms"):
            ours.training_batch("p", 0, ["plain"])


@pytest.mark.parametrize("size", [1, 7, 23, 100])
def test_evaluation_sees_every_sample_once(size: int) -> None:
    batches = list(_data().evaluation_batches(size))
    assert torch.equal(torch.cat([batch.index for batch in batches]), torch.arange(23))
    assert torch.equal(torch.cat([batch.views["plain"] for batch in batches]), images(23).float() / 255)
    assert all(set(batch.views) == {"plain"} for batch in batches)


def test_evaluation_in_a_random_plain_view_has_fixed_parameters() -> None:
    data = _data(views={"plain": [AFFINE]})
    first, second = ([batch.views["plain"] for batch in data.evaluation_batches(7)] for _ in range(2))
    assert all(torch.equal(x, y) for x, y in zip(first, second, strict=True))


def test_batches_carry_no_labels() -> None:
    assert set(vars(_data().training_batch("p", 0, ["plain"]))) == {"index", "views", "num_sets"}


def test_a_batch_larger_than_the_dataset() -> None:
    with pytest.raises(DataError, match='dataset "d": batch_size is 24, but the dataset has only 23 samples'):
        _data(batch_size=24)


def test_features() -> None:
    samples = Samples(torch.arange(12.0).view(6, 2))
    options = BatchOptions(batch_size=4, shuffle=False, drop_last=True, seed=0)
    data = Data("d", samples, {"plain": [{"type": "ToTensor"}]}, options, torch.device("cpu"))
    assert data.labels is None
    assert data.sample_shape() == (2,)
    assert torch.equal(data.training_batch("p", 1, ["plain"]).views["plain"], samples.tensor()[:4])


def test_images_of_unequal_sizes() -> None:
    samples = Samples([images(1)[0], images(1, height=25)[0], images(1)[0]])
    options = BatchOptions(batch_size=2, shuffle=False, drop_last=False, seed=0)
    even = {"plain": [{"type": "CenterCrop", "size": 16}], "a": [{"type": "RandomCrop", "size": 16}]}
    data = Data("d", samples, even, options, torch.device("cpu"))
    batch = data.training_batch("p", 0, ["plain", "a"])
    assert tuple(batch.views["plain"].shape) == tuple(batch.views["a"].shape) == (2, 1, 16, 16)
    uneven = Data("d", samples, {"plain": []}, options, torch.device("cpu"))
    with pytest.raises(DataError, match='view "plain": the samples have unequal shapes'):
        uneven.training_batch("p", 0, ["plain"])


def test_pinned_batch() -> None:
    batch = _data().training_batch("p", 3, ["a"])
    assert batch.index.tolist() == [17, 6, 16, 14, 12]
    assert float(batch.views["a"].sum()) == pytest.approx(757.239, rel=1e-4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_device_gets_the_samples_that_the_cpu_gets() -> None:
    samples = Samples(images(23))
    options = BatchOptions(batch_size=5, shuffle=True, drop_last=True, seed=0)
    crop = [{"type": "RandomResizedCrop", "size": 12}, *VIEWS["a"], {"type": "RandomHorizontalFlip"}]
    views = {**VIEWS, "crop": crop}
    here, there = (Data("d", samples, views, options, torch.device(name)) for name in ("cpu", "cuda"))
    ours, theirs = (data.training_batch("p", 3, views) for data in (here, there))
    assert theirs.index.is_cuda
    assert torch.equal(ours.index, theirs.index.cpu())
    for view, values in theirs.views.items():
        assert values.is_cuda
        assert float(((values.cpu() - ours.views[view]).abs() > 1e-4).float().mean()) < 1e-3
    assert all(batch.views["plain"].is_cuda for batch in there.evaluation_batches(7))


@pytest.mark.skipif(DATA_ROOT is None, reason="RECOMBINE_DATA_ROOT names no folder with MNIST")
def test_real_mnist() -> None:
    samples = open_dataset("MNIST", {"root": "x", "train": False}, Path(), Path(str(DATA_ROOT))).decode()
    options = BatchOptions(batch_size=256, shuffle=True, drop_last=True, seed=0)
    data = Data("MNIST", samples, {"plain": []}, options, torch.device("cpu"))
    batch = data.training_batch("p", 0, ["plain"])
    assert data.batches_per_epoch == 39
    assert torch.equal(batch.views["plain"], samples.tensor()[batch.index].float() / 255)


@pytest.mark.parametrize("shuffle", [True, False])
def test_orders_of_what_is_not_held_out_depend_on_nothing_else(shuffle: bool) -> None:
    data, again = _data(shuffle=shuffle).holding_out(0.2), _data(shuffle=shuffle)
    orders = [_order(data, "p", epoch) for epoch in (0, 1)]
    _order(again, "p", 1)
    other = again.holding_out(0.2)
    assert [_order(other, "p", epoch) for epoch in (1, 0)] == orders[::-1]
    assert (orders[0] == orders[1]) == (not shuffle)
    assert set(orders[0]).isdisjoint(data.held_out.tolist())


@pytest.mark.parametrize("workers", [0, 1])
def test_excerpts_have_the_same_views_each_time(workers: int) -> None:
    data = _data(num_workers=workers)
    data.start_workers()
    try:
        index = torch.tensor([7, 3, 11, 0, 22, 5])
        first, again = ([*data.excerpts(torch.split(index, 4), {"a", "b", "slow"})] for _ in range(2))
    finally:
        data.close()
    assert [batch.index.tolist() for batch in first] == [[7, 3, 11, 0], [22, 5]]
    assert all(set(batch.views) == {"a", "b", "slow"} for batch in first)
    for one, two in zip(first, again, strict=True):
        assert all(torch.equal(one.views[name], two.views[name]) for name in one.views)
    assert not torch.equal(first[0].views["a"], first[0].views["b"])
