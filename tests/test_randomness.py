import pytest
import torch

from recombine.randomness import derive, generator, global_generator, seed_global


def test_derived_seeds_are_pinned():
    assert derive(0, "order", "MNIST", 3) == 3016662844219804098
    assert derive(1, "order", "MNIST", 3) == 9131833321899777580


def test_every_part_of_the_key_counts():
    keys = [(0, "a"), (1, "a"), (0, "b"), (0, "a", 0), (0, "a", 1), (0, "a", 0, 1), (0, "a", "01")]
    seeds = {derive(*key) for key in keys}
    assert len(seeds) == len(keys)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_generators_are_fresh_each_time():
    first, second = generator(0, "a", 1), generator(0, "a", 1)
    torch.rand(5, generator=first)
    assert second.initial_seed() == derive(0, "a", 1)
    assert not torch.equal(torch.rand(3, generator=first), torch.rand(3, generator=second))
    assert torch.equal(torch.rand(3, generator=generator(0, "a")), torch.rand(3, generator=generator(0, "a")))


def test_global_generator_is_seeded_and_restored():
    torch.manual_seed(5)
    expected = torch.rand(4)
    torch.manual_seed(5)
    with global_generator(0, "a"):
        inside = torch.rand(4)
    assert torch.equal(torch.rand(4), expected)
    assert torch.equal(inside, torch.rand(4, generator=generator(0, "a")))


def test_other_accelerators_are_seeded_too(monkeypatch):
    seeds = []
    monkeypatch.setattr("recombine.randomness._has_other_accelerator", lambda: True)
    monkeypatch.setattr(torch, "manual_seed", seeds.append)
    seed_global(0, "a", 1)
    assert seeds == [derive(0, "a", 1)]


def test_seeding_for_good():
    with torch.random.fork_rng():
        seed_global(0, "a")
        assert torch.equal(torch.rand(4), torch.rand(4, generator=generator(0, "a")))


def test_global_generator_is_restored_after_an_error():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    with pytest.raises(ZeroDivisionError), global_generator(0, "a"):
        torch.rand(1)
        raise ZeroDivisionError
    assert torch.equal(torch.get_rng_state(), before)
