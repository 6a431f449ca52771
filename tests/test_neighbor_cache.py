import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from filelock import FileLock

from recombine import neighbor_cache as module
from recombine.checked_files import checksum
from recombine.cli import main
from recombine.datasets.base import Samples
from recombine.errors import DataError
from recombine.neighbor_cache import NeighborCache
from recombine.neighbors import Neighbors, Search, nearest_neighbors

CONFIGURATIONS = Path(__file__).resolve().parent.parent / "configurations"


@pytest.fixture(autouse=True)
def _forgetful(monkeypatch):
    """Begin every test as a new process does."""
    monkeypatch.setattr(module, "_memory", type(module._memory)())


@pytest.fixture
def searches(monkeypatch):
    """Return the list of the searches that were made."""
    made = []

    def counted(samples, search, *rest, **options):
        made.append(search)
        return nearest_neighbors(samples, search, *rest, **options)

    monkeypatch.setattr(module, "nearest_neighbors", counted)
    return made


@pytest.fixture
def said():
    return []


def values(seed=0, num=50):
    return torch.randn(num, 4, generator=torch.Generator().manual_seed(seed))


def exact(k):
    return Search(k, "exact", 0)


def same(one, other):
    return torch.equal(one.indices, other.indices) and torch.equal(one.distances, other.distances)


def forget():
    module._memory.clear()


def test_the_process_remembers(searches, said):
    first = NeighborCache(None, said.append).nearest(values(), exact(3))
    again = NeighborCache(None, said.append).nearest(Samples(values().clone()), exact(3))
    assert same(first, again)
    assert same(first, nearest_neighbors(values(), exact(3)))
    assert (searches, said) == ([exact(3)], [])


def test_the_folder_remembers(searches, said, tmp_path):
    folder = tmp_path / "logs" / "shared"
    first = NeighborCache(folder, said.append).nearest(values(), exact(3))
    forget()
    again = NeighborCache(folder, said.append).nearest(values(), exact(3))
    assert same(first, again)
    assert again.indices.dtype == torch.int64
    assert (len(searches), said) == (1, [])
    (file,) = folder.glob("*.npz")
    with np.load(file, allow_pickle=False) as arrays:
        assert sorted(arrays) == ["distances", "indices", "key"]


def test_more_serve_fewer_and_replace_them(searches, said, tmp_path):
    cache = NeighborCache(tmp_path, said.append)
    cache.nearest(values(), exact(3))
    cache.nearest(values(), exact(6))
    assert len(list(tmp_path.glob("*.npz"))) == 1
    for _ in range(2):
        assert same(cache.nearest(values(), exact(2)), nearest_neighbors(values(), exact(2)))
        forget()
    assert searches == [exact(3), exact(6)]


def test_what_differs_is_searched_for(searches, said, tmp_path):
    cache = NeighborCache(tmp_path, said.append)
    cache.nearest(values(), exact(3))
    cache.nearest(values(1), exact(3))
    cache.nearest(values(), exact(3), values(1))
    cache.nearest(values(1), exact(3), values())
    cache.nearest(values(), Search(3, "approximate", 0))
    cache.nearest(values(), Search(3, "approximate", 1))
    cache.nearest(values().double(), exact(3))
    assert len(searches) == 7
    assert len(list(tmp_path.glob("*.npz"))) == 7
    # An exact search draws nothing, and an approximate one for other k finds others.
    cache.nearest(values(), Search(3, "exact", 9))
    assert len(searches) == 7
    cache.nearest(values(), Search(2, "approximate", 0))
    assert len(searches) == 8


def test_another_version_searches_again(searches, said, tmp_path, monkeypatch):
    cache = NeighborCache(tmp_path, said.append)
    cache.nearest(values(), exact(3))
    monkeypatch.setattr(module, "VERSION", module.VERSION + 1)
    cache.nearest(values(), exact(3))
    assert len(searches) == 2


def test_another_version_of_the_library_searches_again(searches, said, monkeypatch):
    cache = NeighborCache(None, said.append)
    approximate = Search(3, "approximate", 0)
    for installed in ("0.6.0", "0.7.0"):
        monkeypatch.setattr(module, "_installed", lambda name, found=installed: found)
        cache.nearest(values(), approximate)
        cache.nearest(values(), exact(3))
    assert searches == [approximate, exact(3), approximate]


def _torn(file):
    file.write_bytes(file.read_bytes()[:-20])


def _changed(file):
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def _empty(file):
    file.write_bytes(b"")


@pytest.mark.parametrize("breaks", [_torn, _changed, _empty])
def test_a_broken_file_is_passed_over_and_replaced(breaks, searches, said, tmp_path):
    cache = NeighborCache(tmp_path, said.append)
    first = cache.nearest(values(), exact(3))
    (file,) = tmp_path.glob("*.npz")
    sound = file.read_bytes()
    breaks(file)
    forget()
    assert same(cache.nearest(values(), exact(3)), first)
    assert said == [f"{file.name} is passed over: it is damaged: its bytes do not match the checksum in its name"]
    assert file.read_bytes() == sound
    assert len(searches) == 2


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"no arrays", "it holds no neighbours"), (None, "it belongs to other samples")],
)
def test_a_file_of_something_else_is_passed_over(content, reason, searches, said, tmp_path):
    cache = NeighborCache(tmp_path, said.append)
    cache.nearest(values(), exact(3))
    (file,) = tmp_path.glob("*.npz")
    key = file.name.split("_")[1]
    if content is None:
        cache.nearest(values(1), exact(3))
        content = next(other for other in tmp_path.glob("*.npz") if other != file).read_bytes()
    file.unlink()
    foreign = tmp_path / f"neighbours_{key}_{checksum(content)}.npz"
    foreign.write_bytes(content)
    forget()
    cache.nearest(values(), exact(3))
    assert said == [f"{foreign.name} is passed over: {reason}"]
    assert file.exists()
    assert not foreign.exists()


def test_a_folder_that_cannot_be_written_does_no_harm(searches, said, tmp_path):
    (tmp_path / "file").write_text("in the way")
    found = NeighborCache(tmp_path / "file" / "shared", said.append).nearest(values(), exact(3))
    assert same(found, nearest_neighbors(values(), exact(3)))
    assert len(said) == 1
    assert "cannot be written, so neighbours are not kept: Not a directory" in said[0]


def test_only_the_last_are_remembered(searches, said):
    cache = NeighborCache(None, said.append)
    for seed in range(module._REMEMBERED + 1):
        cache.nearest(values(seed), exact(3))
    cache.nearest(values(1), exact(3))
    assert len(searches) == module._REMEMBERED + 1
    cache.nearest(values(0), exact(3))
    assert len(searches) == module._REMEMBERED + 2


def test_mistakes_are_said_as_ever(said, tmp_path):
    with pytest.raises(DataError, match="^codes: 50 nearest neighbours are asked for"):
        NeighborCache(tmp_path, said.append).nearest(values(), exact(50), name="codes")
    assert list(tmp_path.glob("*.npz")) == []


_OTHER = """
import sys, torch
from pathlib import Path
from recombine import neighbor_cache as module
from recombine.neighbors import Search
module.nearest_neighbors = None
samples = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
found = module.NeighborCache(Path(sys.argv[1]), print).nearest(samples, Search(3, "exact", 0))
sys.stdout.write(str(found.indices.tolist()))
"""


def test_another_process_finds_what_this_one_left(said, tmp_path):
    found = NeighborCache(tmp_path, said.append).nearest(values(), exact(3))
    command = [sys.executable, "-c", _OTHER, str(tmp_path)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    assert answer.stdout == str(found.indices.tolist())


def test_who_waits_too_long_searches_itself(searches, said, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_SECONDS_FOR_OTHERS", 0.1)
    cache = NeighborCache(tmp_path, said.append)
    key = module._key(Samples(values()), None, exact(3))
    with FileLock(tmp_path / f".neighbours_{key}.lock"):
        assert isinstance(cache.nearest(values(), exact(3)), Neighbors)
    assert len(searches) == 1


def test_a_run_leaves_the_neighbours_of_samples_to_others(tmp_path, monkeypatch):
    """And those of features to nobody: another run has other networks."""
    sizes = []

    def noted(samples, *rest, **options):
        sizes.append(len(samples))
        return nearest_neighbors(samples, *rest, **options)

    monkeypatch.setattr(module, "nearest_neighbors", noted)
    method = json.loads((CONFIGURATIONS / "cnc" / "digits.json").read_text(encoding="utf-8"))
    method["phases"] = method["phases"][:2]  # one that looks among samples, one among features
    for phase in method["phases"]:
        phase["exit_criteria"] = {"iterations": 1}
    file = tmp_path / "method.json"
    file.write_text(json.dumps(method), encoding="utf-8")
    for seed in ("0", "1"):
        options = ["--device", "cpu", "--log-dir", str(tmp_path), "--seed", seed]
        assert CliRunner().invoke(main, ["run", str(file), *options]).exit_code == 0
        forget()
    assert sizes.count(1797) == 3, f"samples once, features twice, beside trials on fewer: {sizes}"
    assert len(list((tmp_path / "shared").glob("neighbours_*.npz"))) == 1
