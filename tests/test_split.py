import pytest
import torch

from recombine.split import num_held_out, split, split_problem


def _split(fraction, num_samples=50, seed=1):
    return split(num_samples, fraction, torch.Generator().manual_seed(seed))


def test_every_sample_is_on_one_side():
    held_out, trained = _split(0.3)
    assert (len(held_out), len(trained)) == (15, 35)
    assert sorted([*held_out.tolist(), *trained.tolist()]) == list(range(50))
    assert trained.tolist() == sorted(trained.tolist())
    assert held_out.tolist() != sorted(held_out.tolist())


def test_the_draws_decide_and_a_smaller_share_is_part_of_a_larger_one():
    held_out, _ = _split(0.3)
    assert torch.equal(held_out, _split(0.3)[0])
    assert not torch.equal(held_out, _split(0.3, seed=2)[0])
    assert torch.equal(held_out[:5], _split(0.1)[0])


@pytest.mark.parametrize(
    ("num_samples", "fraction", "count"), [(60_000, 0.1, 6000), (23, 0.1, 2), (10, 0.01, 0), (10, 0.96, 10)]
)
def test_the_number_is_rounded(num_samples, fraction, count):
    assert num_held_out(num_samples, fraction) == count
    assert len(_split(fraction, num_samples)[0]) == count


def test_what_cannot_be_split_says_why():
    assert split_problem(60, 0.1, 20) is None
    assert split_problem(60, 2 / 3, 20) is None
    assert split_problem(60, 0.001, 20) == (
        "a fraction of 0.001 of 60 samples holds out none; a larger fraction holds out some"
    )
    assert split_problem(60, 0.9, 20) == (
        "holding out 54 of 60 samples leaves 6 to train on, and a batch has 20; a smaller fraction or batch_size "
        "leaves more"
    )
    assert "leaves none to train on" in split_problem(60, 0.999, 20)
