from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recombine.datasets.base import NotThereError
from recombine.datasets.coil20 import COIL20
from recombine.errors import DataError


def _write(root: Path, name: str) -> None:
    for item in range(1, 21):
        for view in range(72):
            path = root / name.format(item=item, view=view)
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((2, 3), 10 * item + view // 10, dtype=np.uint8)).save(path)


@pytest.mark.parametrize("name", ["obj{item:02d}/view{view:02d}.png", "obj{item}__{view}.png"])
def test_both_layouts(tmp_path: Path, name: str) -> None:
    _write(tmp_path, name)
    source = COIL20(tmp_path)
    samples = source.decode()
    assert source.sample_shape() == (1, 2, 3)
    assert tuple(samples.tensor().shape) == (len(source), 1, 2, 3) == (1440, 1, 2, 3)
    expected = [10 * item + view // 10 for item in range(1, 21) for view in range(72)]
    assert samples.tensor()[:, 0, 0, 0].tolist() == expected
    assert samples.labels is not None
    assert samples.labels.tolist() == [item for item in range(20) for _ in range(72)]

    (tmp_path / name.format(item=7, view=5)).write_bytes(b"no image")
    with pytest.raises(DataError, match="cannot be read"):
        COIL20(tmp_path).decode()
    (tmp_path / name.format(item=7, view=5)).unlink()
    with pytest.raises(NotThereError, match="1,439 of 1,440"):
        COIL20(tmp_path)


def test_absent_folder(tmp_path: Path) -> None:
    with pytest.raises(NotThereError, match="0 of 1,440"):
        COIL20(tmp_path / "nowhere")
