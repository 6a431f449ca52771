"""Any dataset of torchvision, opened with a clear word for what is wrong, and decoded into tensors."""

import contextlib
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recombine.datasets.base import NotThereError, Request, Samples, Source, first_complete, image_tensor
from recombine.errors import DataError
from recombine.mapped import gathered, tensor_over
from recombine.torchvision_classes import parameters, refusal, refused_argument, resolve
from recombine.torchvision_import import FAILURES

_SPLIT_OF_TRAIN = {"train": True, "test": False}
_PROBES = 16
_GRAY_DIMENSIONS = 2
_LABEL_ATTRIBUTES = ("targets", "labels")
_LONGEST_CAUSE = 300


class TorchvisionSource(Source):
    """One dataset of torchvision, or several splits of one, joined in the given order.

    Args:
        type_name: Its class in ``torchvision.datasets``.
        parts: The instances, one for each split.
    """

    def __init__(self, type_name: str, parts: list[Any]) -> None:
        self._type_name = type_name
        self._parts = parts

    def __len__(self) -> int:
        """Return the number of samples N."""
        return sum(len(part) for part in self._parts)

    def sample_shape(self) -> tuple[int, ...]:
        """Return the shape of the first sample, ``(C, H, W)`` for an image."""
        return tuple(self._item(self._parts[0], 0)[0].shape)

    def decode(self) -> Samples:
        """Decode every sample; DataError where one cannot be read."""
        held = [samples for samples in map(self._from_array, self._parts) if samples is not None]
        return joined(held) if len(held) == len(self._parts) else self._one_by_one()

    def _from_array(self, part: Any) -> Samples | None:
        """Return the samples from the arrays that the dataset holds, where these are what its items show.

        A layout is believed if images and labels of items spread over the dataset agree with it.
        """
        data = getattr(part, "data", None)
        if not isinstance(data, (np.ndarray, Tensor)) or len(data) != len(part):
            return None
        probes = sorted(set(np.linspace(0, len(part) - 1, _PROBES).round().astype(int).tolist()))
        items = [self._item(part, position) for position in probes]
        images = _laid_out(data, probes, [image for image, _ in items])
        if images is None:
            return None
        wanted = [label for _, label in items]
        if all(label is None for label in wanted):
            return Samples(images)
        labels = _matching_labels(part, probes, wanted)
        return None if labels is None else _labelled(images, labels, part)

    def _one_by_one(self) -> Samples:
        """Return the samples of all parts from their items; what does not fit in memory stays on disk."""
        labels: list[int | None] = []
        values = gathered(self._images(labels), len(self))
        known = [label for label in labels if label is not None]
        numbers = torch.tensor(known, dtype=torch.int64) if len(known) == len(labels) else None
        return _labelled(values, numbers, self._parts[0])

    def _images(self, labels: list[int | None]) -> Iterator[Tensor]:
        """Yield the images of all parts, and append their labels to ``labels``."""
        for part in self._parts:
            for position in range(len(part)):
                image, label = self._item(part, position)
                labels.append(label)
                yield image

    def _item(self, part: Any, position: int) -> tuple[Tensor, int | None]:
        try:
            item = part[position]
        except FAILURES as error:
            raise DataError(
                f'dataset "{self._type_name}": sample {position} cannot be read: {_cause(error)}'
            ) from error
        image, target = (item[0], item[1]) if isinstance(item, tuple) and len(item) > 1 else (item, None)
        tensor = _as_tensor(image)
        if tensor is None:
            raise DataError(f'dataset "{self._type_name}": sample {position} is a {type(image).__name__}, no image')
        return tensor, _label(target)


def open_torchvision(request: Request) -> TorchvisionSource:
    """Open a dataset of torchvision; see :func:`recombine.datasets.base.open_dataset`."""
    reason = refusal("dataset", request.type_name)
    if reason is not None:
        raise DataError(f'dataset "{request.type_name}" cannot be used: {reason}')
    known = [parameter["name"] for parameter in parameters("dataset", request.type_name)]
    _check_arguments(request, known)
    construct = partial(_open_splits, request.type_name)
    if "root" not in known:
        return construct(**request.arguments)
    can_download = "download" in known
    try:
        return first_complete(request, construct, 'add "download": true, ' if can_download else "")
    except NotThereError:
        if not (can_download and request.arguments.get("download") is True):
            raise
    return _downloaded(request)


def joined(parts: list[Samples]) -> Samples:
    """Return several decoded splits as one dataset, in the given order."""
    if len(parts) == 1:
        return parts[0]
    tensors = [part.values for part in parts if isinstance(part.values, Tensor)]
    values: Tensor | Sequence[Tensor]
    if len(tensors) == len(parts) and len({(one.shape[1:], one.dtype) for one in tensors}) == 1:
        values = torch.cat(tensors)
    else:
        values = [sample for part in parts for sample in part.values]
    labels = [part.labels for part in parts if part.labels is not None]
    return Samples(values, torch.cat(labels) if len(labels) == len(parts) else None, parts[0].class_names)


def _check_arguments(request: Request, known: list[str]) -> None:
    """Raise DataError for an argument that the class does not have, that is code, or that is lacking."""
    where = f'dataset "{request.type_name}"'
    for argument in request.arguments:
        reason = refused_argument("dataset", argument)
        if argument in known and reason is not None:
            raise DataError(f'{where}: "{argument}" cannot be given: {reason}')
        if argument not in (*known, "splits"):
            raise DataError(f'{where} has no argument "{argument}"; its arguments: {", ".join(known)}')
    for parameter in parameters("dataset", request.type_name):
        by_splits = "splits" in request.arguments and parameter["name"] == "split"
        if parameter["required"] and parameter["name"] not in request.arguments and not by_splits:
            raise DataError(f'{where} needs the argument "{parameter["name"]}"')


def _open_splits(type_name: str, **arguments: Any) -> TorchvisionSource:
    """Open a dataset that needs no download.

    Raises:
        NotThereError: If it is not completely below ``root``.
        DataError: If the class refuses the arguments.
    """
    if any(parameter["name"] == "download" for parameter in parameters("dataset", type_name)):
        arguments["download"] = False
    try:
        return _instances(type_name, arguments)
    except (RuntimeError, OSError) as error:
        raise NotThereError(_cause(error)) from error
    except FAILURES as error:
        raise DataError(f'dataset "{type_name}" cannot be opened: {_cause(error)}') from error


def _downloaded(request: Request) -> TorchvisionSource:
    """Download a dataset without its progress bars and open it; DataError if that fails."""
    root = request.download_root()
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            return _instances(request.type_name, {**request.arguments, "root": root})
    except FAILURES as error:
        raise DataError(
            f'dataset "{request.type_name}" could not be downloaded to {root}: {_cause(error)}. '
            "Mend the cause, or put the files there, or give --data-root."
        ) from error


def _instances(type_name: str, arguments: Mapping[str, Any]) -> TorchvisionSource:
    """Instantiate the class once, or once for each of the ``splits``; its own exceptions pass."""
    plain = {key: value for key, value in arguments.items() if key != "splits"}
    create: Callable[..., Any] = resolve("dataset", type_name)
    parts = [create(**plain, **split) for split in _split_arguments(type_name, arguments)]
    if any(len(part) == 0 for part in parts):
        raise NotThereError("it holds no samples")
    return TorchvisionSource(type_name, parts)


def _split_arguments(type_name: str, arguments: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what selects each split that is to be joined: ``train`` where the class has it, else ``split``."""
    splits = arguments.get("splits")
    if splits is None:
        return [{}]
    known = [parameter["name"] for parameter in parameters("dataset", type_name)]
    selector = "train" if "train" in known else "split"
    if selector not in known:
        raise DataError(f'dataset "{type_name}" has no splits')
    if not splits:
        raise DataError(f'dataset "{type_name}": "splits" names no split')
    if selector in arguments:
        raise DataError(f'dataset "{type_name}": give either "{selector}" or "splits"')
    if selector == "split":
        return [{"split": split} for split in splits]
    unknown = [split for split in splits if split not in _SPLIT_OF_TRAIN]
    if unknown:
        raise DataError(f'dataset "{type_name}" has the splits "train" and "test", not "{unknown[0]}"')
    return [{"train": _SPLIT_OF_TRAIN[split]} for split in splits]


def _cause(error: BaseException) -> str:
    """Return an exception's text in one line, without torchvision's advice on its Python arguments."""
    if isinstance(error, ModuleNotFoundError):
        return f"it needs the package {error.name}: pip install {error.name}"
    text = " ".join(str(error).split()).split(". You can ")[0].split(". You may ")[0]
    return (text or type(error).__name__)[:_LONGEST_CAUSE]


def _as_tensor(image: Any) -> Tensor | None:
    """Return an item's image ``(C, H, W)``, or other numbers of any shape; None for what is neither."""
    if hasattr(image, "getbands"):
        return image_tensor(image)
    if isinstance(image, np.ndarray) and image.dtype.kind in "fiub":
        image = torch.from_numpy(image)
    if not isinstance(image, Tensor):
        return None
    numbers = image if image.dtype == torch.uint8 else image.float()
    return numbers.unsqueeze(0) if numbers.ndim == _GRAY_DIMENSIONS else numbers


def _label(target: Any) -> int | None:
    if isinstance(target, (np.ndarray, Tensor)) and target.ndim == 0:
        target = target.item()
    return int(target) if isinstance(target, (int, np.integer)) and not isinstance(target, bool) else None


def _laid_out(data: Any, probes: list[int], images: list[Tensor]) -> Tensor | None:
    """Return an array of images as ``(N, C, H, W)`` in the layout in which it shows ``images`` at ``probes``."""
    tensor = data if isinstance(data, Tensor) else tensor_over(np.ascontiguousarray(data))
    if tensor.dtype != torch.uint8:
        return None
    tensor = tensor.unsqueeze(1) if tensor.ndim == _GRAY_DIMENSIONS + 1 else tensor
    for laid_out in [tensor, tensor.movedim(-1, 1)]:
        if all(torch.equal(laid_out[probe], image) for probe, image in zip(probes, images, strict=True)):
            return laid_out.contiguous()
    return None


def _matching_labels(part: Any, probes: list[int], wanted: list[int | None]) -> Tensor | None:
    """Return the dataset's labels ``(N,)`` if some attribute holds them as its items show them at ``probes``."""
    for attribute in _LABEL_ATTRIBUTES:
        found = np.asarray(getattr(part, attribute, ()))
        if found.shape == (len(part),) and found.dtype.kind in "iu" and found[probes].tolist() == wanted:
            return torch.from_numpy(found.astype(np.int64))
    return None


def _labelled(values: Tensor | Sequence[Tensor], labels: Tensor | None, part: Any) -> Samples:
    """Return samples with labels; negative labels, which mark unlabelled samples, mean that there are none."""
    if labels is None or int(labels.min()) < 0:
        return Samples(values)
    classes = getattr(part, "classes", None) or ()
    named = len(classes) > int(labels.max()) and all(isinstance(name, str) for name in classes)
    return Samples(values, labels, tuple(classes) if named else None)
