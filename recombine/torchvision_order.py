"""Datasets of torchvision that list folders as the file system does, brought into the order of names.

Without that, the order of samples, and Omniglot's labels, would differ from one machine to another.
"""

from typing import Any


def put_in_order(type_name: str, dataset: Any) -> None:
    """Sort the samples of an instance of a class of ``torchvision.datasets``, where it does not sort them itself."""
    if type_name in _SORTERS:
        _SORTERS[type_name](dataset)


def _sort_omniglot(dataset: Any) -> None:
    characters = sorted(dataset._characters)
    places = {name: position for position, name in enumerate(characters)}
    images = [(places[dataset._characters[label]], image) for image, label in dataset._flat_character_images]
    dataset._characters = characters
    dataset._flat_character_images = [(image, label) for label, image in sorted(images)]


def _sort_sun397(dataset: Any) -> None:
    samples = sorted(zip(dataset._image_files, dataset._labels, strict=True))
    dataset._image_files = [path for path, _ in samples]
    dataset._labels = [label for _, label in samples]


def _sort_inaturalist(dataset: Any) -> None:
    dataset.index.sort()


_SORTERS = {"Omniglot": _sort_omniglot, "SUN397": _sort_sun397, "INaturalist": _sort_inaturalist}
