"""Any dataset of torchvision, opened with a clear word for what is wrong, and decoded into tensors."""

import contextlib
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recombine.datasets.base import NotThereError, Request, Samples, Source, first_complete, image_tensor
from recombine.errors import DataError
from recombine.inert import inert
from recombine.mapped import gathered, tensor_over
from recombine.torchvision_classes import parameters, refusal, refused_argument, resolve, split_selector
from recombine.torchvision_import import FAILURES
from recombine.torchvision_order import put_in_order

_FLAGS = {"train": {"train": True, "test": False}, "background": {"background": True, "evaluation": False}}
_PROBES = 16
_GRAY_DIMENSIONS = 2
_LABEL_ATTRIBUTES = ("targets", "labels")
#: Folders below ``root`` that constructors make where they are absent, although they are only to look.
_MADE_BY_LOOKING = {"Caltech101": "caltech101", "Caltech256": "caltech256", "INaturalist": ""}
_CLASS_ATTRIBUTES = ("classes", "class_to_idx", "_characters")
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
        known = [label for label in labels if label is not None and label >= 0]
        if len(known) < len(labels):
            return Samples(values)
        numbers = torch.split(torch.tensor(known), [len(part) for part in self._parts])
        names = [_class_names(part, own) for part, own in zip(self._parts, numbers, strict=True)]
        return Samples(values, *_numbered_alike(numbers, names))

    def _images(self, labels: list[int | None]) -> Iterator[Tensor]:
        """Yield the images of all parts, and append their labels to ``labels``."""
        for part in self._parts:
            for position in range(len(part)):
                image, label = self._item(part, position)
                labels.append(label)
                yield image

    def _item(self, part: Any, position: int) -> tuple[Tensor, int | None]:
        try:
            with inert():
                item = part[position]
                image, target = (item[0], item[1]) if isinstance(item, tuple) and len(item) > 1 else (item, None)
                tensor = _as_tensor(image)
        except FAILURES as error:
            raise DataError(
                f'dataset "{self._type_name}": sample {position} cannot be read: {_cause(error)}'
            ) from error
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
    if len(labels) < len(parts):
        return Samples(values)
    return Samples(values, *_numbered_alike(labels, [part.class_names for part in parts]))


def _numbered_alike(
    labels: Sequence[Tensor], names: Sequence[tuple[str, ...] | None]
) -> tuple[Tensor, tuple[str, ...] | None]:
    """Return labels of several splits ``(N,)`` and their names; splits with unlike names are numbered anew."""
    known = [own for own in names if own is not None]
    if len(known) < len(names) or len(set(known)) == 1:
        return torch.cat(list(labels)), names[0]
    positions = {name: position for position, name in enumerate(dict.fromkeys(chain(*known)))}
    anew = [torch.tensor([positions[name] for name in own]) for own in known]
    return torch.cat([table[own] for table, own in zip(anew, labels, strict=True)]), tuple(positions)


def _check_arguments(request: Request, known: list[str]) -> None:
    """Raise DataError for an argument that the class does not have, that is code, or that is lacking."""
    where = f'dataset "{request.type_name}"'
    for argument in request.arguments:
        reason = refused_argument("dataset", argument)
        if argument in known and reason is not None:
            raise DataError(f'{where}: "{argument}" cannot be given: {reason}')
        if argument not in (*known, "splits"):
            raise DataError(f'{where} has no argument "{argument}"; its arguments: {", ".join(known)}')
    selector = split_selector(request.type_name) if "splits" in request.arguments else None
    for parameter in parameters("dataset", request.type_name):
        by_splits = parameter["name"] == selector
        if parameter["required"] and parameter["name"] not in request.arguments and not by_splits:
            raise DataError(f'{where} needs the argument "{parameter["name"]}"')


def _open_splits(type_name: str, **arguments: Any) -> TorchvisionSource:
    """Open a dataset that needs no download.

    Raises:
        NotThereError: If it is not completely below ``root``.
        DataError: If the class refuses the arguments.
    """
    if type_name in _MADE_BY_LOOKING and not (Path(arguments["root"]) / _MADE_BY_LOOKING[type_name]).is_dir():
        raise NotThereError("no such folder")
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
    with inert():
        parts = [create(**plain, **split) for split in _split_arguments(type_name, arguments)]
    if any(len(part) == 0 for part in parts):
        raise NotThereError("it holds no samples")
    for part in parts:
        put_in_order(type_name, part)
    return TorchvisionSource(type_name, parts)


def _split_arguments(type_name: str, arguments: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what selects each split that is to be joined."""
    splits = arguments.get("splits")
    if splits is None:
        return [{}]
    selector = split_selector(type_name)
    if selector is None:
        raise DataError(f'dataset "{type_name}" has no splits')
    if not splits:
        raise DataError(f'dataset "{type_name}": "splits" names no split')
    if selector in arguments:
        raise DataError(f'dataset "{type_name}": give either "{selector}" or "splits"')
    if selector not in _FLAGS:
        return [{selector: split} for split in splits]
    values = _FLAGS[selector]
    unknown = [split for split in splits if split not in values]
    if unknown:
        known = " and ".join(f'"{split}"' for split in values)
        raise DataError(f'dataset "{type_name}" has the splits {known}, not "{unknown[0]}"')
    return [{selector: values[split]} for split in splits]


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
    return Samples(values, labels, _class_names(part, labels))


def _class_names(part: Any, labels: Tensor) -> tuple[str, ...] | None:
    """Return the names of a dataset's classes, if it has one for each of its ``labels (N,)``."""
    found = next((classes for name in _CLASS_ATTRIBUTES if (classes := getattr(part, name, None))), ())
    in_order = not isinstance(found, Mapping) or list(found.values()) == list(range(len(found)))
    named = in_order and len(found) > int(labels.max()) and all(isinstance(name, str) for name in found)
    return tuple(found) if named else None
