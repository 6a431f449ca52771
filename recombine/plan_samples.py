"""What the samples of a dataset look like where its data need not be at hand, and made samples of that look."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from recombine.build import build_data
from recombine.config import Block, DatasetConfig
from recombine.data import Data
from recombine.datasets.base import Samples, open_dataset, own_datasets, own_parameters
from recombine.errors import DataError
from recombine.factory import REFUSALS
from recombine.graph import Graph
from recombine.randomness import generator
from recombine.set_draws import PARTS

Shape = tuple[int, ...]

#: Shapes of stored samples, (channels, height, width), as the documentation of torchvision or of the data has them.
KNOWN: Mapping[str, Shape] = {
    **dict.fromkeys(("MNIST", "FashionMNIST", "KMNIST", "EMNIST", "QMNIST"), (1, 28, 28)),
    **dict.fromkeys(("CIFAR10", "CIFAR100", "SVHN"), (3, 32, 32)),
    **dict.fromkeys(("STL10", "PCAM"), (3, 96, 96)),
    "USPS": (1, 16, 16),
    "SEMEION": (1, 16, 16),
    "FER2013": (1, 48, 48),
    "EuroSAT": (3, 64, 64),
    "Omniglot": (1, 105, 105),
    "CelebA": (3, 218, 178),
    "COIL20": (1, 128, 128),
}
_RGB = ("ImageFolder", "ImageNet", "Imagenette", "Flowers102", "Food101", "DTD", "Country211", "FGVCAircraft", "GTSRB")
#: Numbers of channels of datasets whose images have many sizes.
_COLOURS: Mapping[str, tuple[int, ...]] = dict.fromkeys(_RGB, (3,))
_ANY_COLOURS = (1, 3)
#: Two sizes of images: transforms that make the same of both fix the size of a view.
_TRIAL_SIZES = ((257, 301), (331, 270))
#: What the classes FakeData and SpeechFolder take by default.
_FAKE_IMAGE, _FRAMES, _BANDS = (3, 224, 224), 128, 128
_IMAGE_DIMENSIONS, _BYTE = 3, 255
_FEW = 8


@dataclass(frozen=True)
class Look:
    """What the samples of a dataset look like.

    Attributes:
        samples: A few made samples of that look.
        source: How their shape is known: ``data``, ``dataset``, ``transforms`` or ``--sample-shape``.
        count: Number of samples N that the run uses, or None where the data is not at hand.
    """

    samples: Samples
    source: str
    count: int | None


def look_of(dataset: DatasetConfig, folder: Path, data_root: Path | None, given: Shape | None) -> Look:
    """Return what the samples of a dataset look like: as its data says, its class, its transforms, or the user.

    Args:
        dataset: The dataset.
        folder: The method file's folder.
        data_root: Where data is looked for first, or None.
        given: The shape of stored samples where nothing else tells, or None.

    Raises:
        DataError: Nothing tells, or the file asks for samples that the data has not.
    """
    arguments = {key: value for key, value in dataset.arguments.items() if key != "download"}
    try:
        source = open_dataset(dataset.dataset, arguments, folder, data_root)
        shape, count = source.sample_shape(), len(source)
    except DataError as error:
        return _look_without_data(dataset, given, error)
    if count == 1:
        # What generates sets has a single sample to show.
        return _look(dataset, source.decode(), "data", None)
    return _look(dataset, _made(dataset, shape), "data", _count_used(dataset, shape, count))


def made_samples(dataset: DatasetConfig, folder: Path) -> Samples | None:
    """Return a few made samples that look like those of a dataset, without its data; None where nothing tells how."""
    own = own_datasets().get(dataset.dataset)
    try:
        if own is not None and not any(parameter.name == "root" for parameter in own_parameters(dataset.dataset)):
            source = open_dataset(dataset.dataset, dataset.arguments, folder)
            return source.decode() if len(source) == 1 else _made(dataset, source.sample_shape())
        return _look_without_data(dataset, None, DataError("")).samples
    except DataError:
        return None


def _look_without_data(dataset: DatasetConfig, given: Shape | None, absent: DataError) -> Look:
    known = _known_shape(dataset)
    if known is not None:
        return _look(dataset, _made(dataset, known), "dataset", None)
    fixed = _fixed_by_transforms(dataset)
    if fixed is not None:
        return _look(dataset, fixed, "transforms", None)
    if given is not None:
        return _look(dataset, _made(dataset, given), "--sample-shape", None)
    reason = " ".join(str(absent).split()).removesuffix(".")
    raise DataError(
        f'the shape of a sample of dataset "{dataset.name}" is not known: neither its class nor its transforms fix it, '
        f"and its data cannot be looked at: {reason}. Without the data, give for example --sample-shape 3x128x128"
    )


def _look(dataset: DatasetConfig, samples: Samples, source: str, count: int | None) -> Look:
    """Return a look whose made images are of floats where the transforms work on these alone."""
    if not works_on(dataset, samples) and samples.kind == "image":
        floats = replace(samples, values=samples.tensor() / _BYTE)
        samples = floats if works_on(dataset, floats) else samples
    return Look(samples, source, count)


def works_on(dataset: DatasetConfig, samples: Samples) -> bool:
    """Tell whether the transforms of a dataset work on samples."""
    if all(map(keeps_shape, (dataset.transforms, *(view["transforms"] for view in dataset.batch_augmentations)))):
        return True
    try:
        view_shapes(dataset, samples)
    except DataError:
        return False
    return True


def set_size(dataset: DatasetConfig) -> int | None:
    """Return how many samples a set has at most; None where there are no sets."""
    if dataset.sets is None:
        return None
    size: int | tuple[int, int] = dataset.sets["num_objects"]
    return size if isinstance(size, int) else max(size)


def keeps_shape(transforms: Sequence[Block]) -> bool:
    """Tell whether a view shows samples as they are stored, which needs no torchvision to be told."""
    return [dict(transform) for transform in transforms] == [{"type": "ToTensor"}]


def view_shapes(dataset: DatasetConfig, samples: Samples) -> list[Shape]:
    """Return the shape of one sample in each view, the plain one first.

    Raises:
        DataError: The transforms of a view do not work on the samples.
    """
    alone = replace(dataset, sets=None, batch_size=1)
    try:
        data = build_data(alone, samples, 0, torch.device("cpu"))
        return [data.sample_shape(view) for view in data.views]
    except REFUSALS as error:
        raise DataError(f'the transforms of dataset "{dataset.name}" do not work on a sample: {error}') from error


def _known_shape(dataset: DatasetConfig) -> Shape | None:
    """Return the shape of stored samples where the class fixes it."""
    arguments = dataset.arguments
    if dataset.dataset == "FakeData":
        return tuple(arguments.get("image_size", _FAKE_IMAGE))
    if dataset.dataset == "SpeechFolder":
        return (1, arguments.get("window", _FRAMES), arguments.get("num_mel_bands", _BANDS))
    return KNOWN.get(dataset.dataset)


def _fixed_by_transforms(dataset: DatasetConfig) -> Samples | None:
    """Return samples of a shape that does not matter, as the transforms make the same of any; None where it does."""
    made = [
        _made(dataset, (channels, *size))
        for channels in _COLOURS.get(dataset.dataset, _ANY_COLOURS)
        for size in _TRIAL_SIZES
    ]
    try:
        shapes = {tuple(view_shapes(dataset, samples)) for samples in made}
    except DataError:
        return None
    return made[0] if len(shapes) == 1 else None


def whole_data(dataset: DatasetConfig, look: Look) -> Data | None:
    """Return a dataset with as many samples as it has; None where their number, or that of its sets, is not known.

    The samples are all the same one, and take the memory of one.

    Raises:
        DataError: A batch is larger than the dataset.
    """
    one = look.samples.tensor()[:1]
    if dataset.sets is not None:
        generates = look.samples.set_generator is not None
        return build_data(dataset, look.samples, 0, torch.device("cpu")) if generates else None
    if look.count is None:
        return None
    return build_data(dataset, Samples(one.expand(look.count, *one.shape[1:])), 0, torch.device("cpu"))


def _count_used(dataset: DatasetConfig, shape: Shape, count: int) -> int:
    """Return how many of N samples a run uses; DataError where the file asks for others."""
    first, last = dataset.index_of_first_sample_to_use, dataset.index_of_last_sample_to_use
    return len(Samples(torch.zeros(1, *shape).expand(count, *shape)).subset(first, last))


def _number_format(shape: Shape) -> torch.dtype:
    return torch.uint8 if len(shape) == _IMAGE_DIMENSIONS else torch.float32


def _made(dataset: DatasetConfig, shape: Shape) -> Samples:
    """Return a few samples of noise, with what else the dataset may have: labels, names of classes, edges."""
    if dataset.sets is None:
        labels, names = torch.arange(_FEW) % dataset.num_clusters, None
    else:
        labels, names = _classes(dataset.sets, dataset.num_clusters)
    draws = generator(0, "plan", dataset.name)
    if _number_format(shape) == torch.uint8:
        one = torch.randint(_BYTE + 1, shape, generator=draws, dtype=torch.uint8)
    else:
        one = torch.rand(shape, generator=draws)
    values = one.expand(len(labels), *shape)
    return Samples(values, labels, names, _ring(len(labels)) if dataset.dataset == "Graph" else None)


def _ring(count: int) -> Graph:
    """Return a graph in which each node has the two beside it as neighbours."""
    nodes = torch.arange(count)
    sources, targets = nodes.repeat(2), torch.cat([(nodes + 1) % count, (nodes - 1) % count])
    return Graph.of_edges(sources, targets, torch.ones(len(sources)), count)


def _classes(sets: Block, num_clusters: int) -> tuple[Tensor, tuple[str, ...]]:
    """Return labels ``(N,)`` and names of so many classes that every part has enough, those named in the file too."""
    parts = [sets["classes"][part] for part in PARTS]
    listed = [word for part in parts if isinstance(part, Sequence) for word in part]
    words = [word for word in listed if isinstance(word, str)]
    numbered = max((word + 1 for word in listed if not isinstance(word, str)), default=0)
    shares = [part for part in parts if not isinstance(part, Sequence) and part > 0]
    others = math.ceil(num_clusters / min(shares)) + num_clusters if shares else 0
    names = (*(f"class {i}" for i in range(numbered)), *dict.fromkeys(words), *(f"other {i}" for i in range(others)))
    size = sets["num_objects"]
    objects = _FEW if sets["with_replacement"] else max(size) if isinstance(size, Sequence) else size
    return torch.arange(len(names)).repeat_interleave(2 * objects), names
