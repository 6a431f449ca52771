"""Small files in the layouts of torchvision's datasets."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image


def write_idx(path: Path, array: NDArray[np.uint8]) -> None:
    """Write an array of bytes in MNIST's format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    path.write_bytes(header + array.tobytes())


def write_mnist(root: Path, train: int = 40, test: int = 12, name: str = "MNIST") -> dict[str, torch.Tensor]:
    """Write a small dataset in MNIST's layout; return its images ``(N, 1, 28, 28)`` and labels ``(N,)`` by split."""
    random = np.random.default_rng(0)
    written = {}
    for prefix, size in (("train", train), ("t10k", test)):
        images = random.integers(0, 256, (size, 28, 28), dtype=np.uint8)
        labels = random.integers(0, 10, size, dtype=np.uint8)
        write_idx(root / name / "raw" / f"{prefix}-images-idx3-ubyte", images)
        write_idx(root / name / "raw" / f"{prefix}-labels-idx1-ubyte", labels)
        written[prefix] = torch.from_numpy(images).unsqueeze(1)
        written[f"{prefix}_labels"] = torch.from_numpy(labels).long()
    return written


def write_image_folder(root: Path, shapes: list[tuple[int, int]]) -> list[NDArray[np.uint8]]:
    """Write colour PNGs of the given heights and widths into the classes ``a`` and ``b`` in turn."""
    random = np.random.default_rng(1)
    images = []
    for number, (height, width) in enumerate(shapes):
        image = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
        path = root / "ab"[number % 2] / f"{number:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
        images.append(image)
    return images
