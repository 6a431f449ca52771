import dataclasses

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.neighbors import NearestNeighbors

from recombine.datasets.base import Samples
from recombine.errors import DataError
from recombine.mapped import open_array, tensor_over
from recombine.neighbors import Search, nearest_neighbors
from tests.neighborhoods import by_differences

EXACT = Search(5, "exact", 0)


def images(num=300, seed=0):
    return torch.randint(256, (num, 1, 6, 6), generator=torch.Generator().manual_seed(seed)).byte()


def test_digits_have_the_neighbours_of_scikit_learn():
    values = load_digits().data.astype(np.float32)
    found = nearest_neighbors(torch.from_numpy(values), EXACT)
    distances, indices = NearestNeighbors(n_neighbors=5, algorithm="brute").fit(values.astype(np.float64)).kneighbors()
    assert (found.indices.dtype, found.distances.dtype) == (torch.int64, torch.float32)
    assert np.allclose(found.distances.numpy(), distances, rtol=1e-6)
    # Digits are whole numbers, and some are equally far away; scikit-learn then takes any.
    differing = found.indices.numpy() != indices
    assert np.allclose(distances[differing], found.distances.numpy()[differing])
    assert differing.mean() < 0.02
    assert found.indices[0].tolist() == [877, 1365, 1541, 1167, 1029]


def test_images_of_bytes_count_zero_to_one():
    found = nearest_neighbors(images(), EXACT)
    as_floats = nearest_neighbors(images().float() / 255, EXACT)
    lowest, order = by_differences(images(), 5)
    assert torch.equal(found.indices, order)
    assert torch.equal(found.distances, (lowest.sqrt() / 255).float())
    assert torch.allclose(found.distances, as_floats.distances, rtol=1e-6)


def test_samples_of_a_dataset_are_taken():
    assert torch.equal(nearest_neighbors(Samples(images()), EXACT).indices, nearest_neighbors(images(), EXACT).indices)


def test_images_in_a_file_are_read_in_blocks(tmp_path, monkeypatch):
    monkeypatch.setenv("RECOMBINE_MEMORY_BUDGET", "0")
    np.save(tmp_path / "images.npy", images(600).numpy())
    mapped = tensor_over(open_array(tmp_path / "images.npy"))
    found = nearest_neighbors(mapped, EXACT)
    assert torch.equal(found.indices, by_differences(images(600), 5)[1])


def test_held_out_samples_have_neighbours_among_the_others():
    found = nearest_neighbors(images(), EXACT, images(40, seed=1))
    lowest, order = by_differences(images(), 5, images(40, seed=1))
    assert torch.equal(found.indices, order)
    assert torch.equal(found.distances, (lowest.sqrt() / 255).float())
    among_themselves = nearest_neighbors(images(), EXACT, images())
    assert torch.equal(among_themselves.indices[:, 0], torch.arange(300))
    assert (among_themselves.distances[:, 0] == 0).all()


def test_fewer_are_the_first_of_more():
    more = nearest_neighbors(images(), Search(12, "exact", 0))
    fewer = more.first(5)
    assert torch.equal(fewer.indices, nearest_neighbors(images(), EXACT).indices)
    assert torch.equal(fewer.distances, nearest_neighbors(images(), EXACT).distances)
    assert more.first(12) is more


@pytest.mark.parametrize("k", [300, 1000])
def test_says_how_many_neighbours_there_are(k):
    expected = (
        rf"^images: {k} nearest neighbours are asked for, but there are 300 samples, and none is its own neighbour; "
        "ask for at most 299, or use more samples$"
    )
    with pytest.raises(DataError, match=expected):
        nearest_neighbors(images(), Search(k, "exact", 0), name="images")


def test_says_how_many_references_there_are():
    expected = r"there are 300 samples to find them among; ask for at most 300, or use more samples$"
    with pytest.raises(DataError, match=expected):
        nearest_neighbors(images(), Search(301, "exact", 0), images(5))
    found = nearest_neighbors(images(), Search(300, "exact", 0), images(5))
    assert torch.equal(found.indices.sort(1).values, torch.arange(300).expand(5, 300))


@pytest.mark.parametrize(
    ("queries", "words"),
    [(torch.zeros(4, 36), "36 numbers"), (torch.zeros(4, 1, 6, 7).byte(), "42 bytes of an image")],
)
def test_refuses_queries_of_another_kind(queries, words):
    expected = f"^images: the queries are {words} each, the samples 36 bytes of an image each, and there are no distanc"
    with pytest.raises(DataError, match=expected):
        nearest_neighbors(images(), EXACT, queries, name="images")


def test_says_where_queries_are_not_finite():
    queries = torch.zeros(4, 3)
    queries[3, 2] = torch.nan
    with pytest.raises(DataError, match="^codes, queries: number 2 of sample 3 "):
        nearest_neighbors(torch.zeros(9, 3), EXACT, queries, name="codes")


def test_no_neighbours_are_an_error_of_ours():
    with pytest.raises(ValueError, match="0 neighbours"):
        nearest_neighbors(images(), Search(0, "exact", 0))


def test_a_search_has_no_defaults():
    """Options of methods have theirs in the schema."""
    assert all(field.default is dataclasses.MISSING for field in dataclasses.fields(Search))


def test_threads_change_nothing():
    values, before = torch.randn(900, 30, generator=torch.Generator().manual_seed(0)), torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            results.append(nearest_neighbors(values, EXACT))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(results[0].indices, results[1].indices)
    assert torch.equal(results[0].distances, results[1].distances)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_finds_the_same():
    values = torch.randn(3000, 30, generator=torch.Generator().manual_seed(0))
    gpu = torch.device("cuda")
    expected = nearest_neighbors(values, EXACT)
    for found in (nearest_neighbors(values, EXACT, device=gpu), nearest_neighbors(values.to(gpu), EXACT)):
        assert torch.equal(found.indices, expected.indices)
        assert torch.allclose(found.distances, expected.distances, rtol=1e-6)
        assert found.indices.device.type == "cpu"
