"""Sets that were clustered, for tests."""

import torch

from recombine.set_examples import SetExample

COUNTS = (1, 2, 3, 4)


def example_of(values, classes, count_probs=(0.1, 0.2, 0.6, 0.1), class_names=None, number=0):
    """Return a set whose heads put the objects of the class at place c in cluster ``c mod k``, with p = 0.9."""
    labels = torch.tensor(classes)
    places = labels.unique(return_inverse=True)[1]
    probs = []
    for count in range(1, len(count_probs) + 1):
        rest = 0.1 / max(count - 1, 1)
        soft = torch.full((len(classes), count), rest if count > 1 else 1.0)
        soft[torch.arange(len(classes)), places % count] = 0.9 if count > 1 else 1.0
        probs.append(soft)
    index = torch.arange(len(classes)) * 10
    counts = tuple(range(1, len(count_probs) + 1))
    return SetExample(number, index, values, labels, counts, torch.tensor(count_probs), tuple(probs), class_names)


def points(number=0, class_names=None):
    """Return four points of the classes 7, 2, 7 and 4."""
    values = torch.tensor([[0.1, 0.2], [1 / 3, 0.5], [0.1, 0.2], [1.0, 0.0]])
    return example_of(values, [7, 2, 7, 4], class_names=class_names, number=number)


def images(channels=3, side=8, class_names=None):
    """Return five images in [-1, 1] of the classes 0, 1, 0, 2 and 1."""
    values = torch.linspace(-1, 1, 5 * channels * side * side).view(5, channels, side, side)
    return example_of(values, [0, 1, 0, 2, 1], class_names=class_names)


def features():
    """Return three objects of five features of the classes 0, 1 and 0."""
    return example_of(torch.arange(15.0).view(3, 5), [0, 1, 0], count_probs=(0.3, 0.7))
