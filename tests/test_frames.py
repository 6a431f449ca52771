import numpy as np
import pytest

from recombine.errors import UsageError
from recombine.frames import Frame, Moment, moments, read_frame, write_frame


def frame(phase="training", clusters=(2, 0, 1)):
    found = None if clusters is None else np.array(clusters, dtype=np.int64)
    return Frame(phase, np.array([0, 4, 9]), np.arange(6, dtype=np.float32).reshape(3, 2), found)


@pytest.mark.parametrize("clusters", [(2, 0, 1), None])
@pytest.mark.parametrize("phase", ["training", "", "größer/../x"])
def test_what_is_written_is_read(tmp_path, phase, clusters):
    written = frame(phase, clusters)
    write_frame(tmp_path, Moment(0, 5), written)
    read = read_frame(tmp_path, Moment(0, 5))
    assert read.phase == phase
    assert read.positions.tolist() == [0, 4, 9]
    assert (read.features.dtype, read.features.tolist()) == (np.float32, [[0, 1], [2, 3], [4, 5]])
    assert (read.clusters is None) == (clusters is None)
    assert clusters is None or read.clusters.tolist() == [2, 0, 1]


def test_the_same_frame_is_the_same_file(tmp_path):
    for folder in ("a", "b"):
        write_frame(tmp_path / folder, Moment(0, 5), frame())
    assert (tmp_path / "a" / "00_00000005.npz").read_bytes() == (tmp_path / "b" / "00_00000005.npz").read_bytes()


def test_moments_are_in_order_of_time_and_other_files_are_none(tmp_path):
    assert moments(tmp_path / "nowhere") == []
    order = [Moment(0, 0), Moment(0, 9), Moment(0, 123456789, True), Moment(1, 0), Moment(1, 40, True), Moment(10, 2)]
    for moment in order[::-1]:
        write_frame(tmp_path, moment, frame())
    (tmp_path / "x.npz").touch()
    (tmp_path / ".00_00000001.npz.7.part").touch()
    assert moments(tmp_path) == order


def test_the_end_of_a_phase_takes_the_place_of_its_last_iteration(tmp_path):
    write_frame(tmp_path, Moment(0, 4), frame())
    write_frame(tmp_path, Moment(0, 8), frame(clusters=None))
    write_frame(tmp_path, Moment(0, 8, True), frame())
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["00_00000004.npz", "00_00000008_end.npz"]
    assert read_frame(tmp_path, Moment(0, 8, True)).clusters is not None


@pytest.mark.parametrize("spoil", [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: b"no archive"])
def test_a_damaged_file_is_named(tmp_path, spoil):
    write_frame(tmp_path, Moment(0, 5), frame())
    path = tmp_path / "00_00000005.npz"
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(UsageError, match=r"00_00000005\.npz cannot be read: .* --fresh"):
        read_frame(tmp_path, Moment(0, 5))


def test_nothing_in_a_file_is_unpickled(tmp_path):
    np.savez(tmp_path / "00_00000005.npz", phase=np.array(["x", None], dtype=object))
    with pytest.raises(UsageError, match="cannot be read"):
        read_frame(tmp_path, Moment(0, 5))
