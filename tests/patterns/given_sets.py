"""Sets of which the outputs of both heads are given, for patterns over sets."""

import torch

from recombine.step import Batch

COUNTS = (1, 2, 3)


class GivenSets:
    """Stands for a step over sets of which only outputs and classes matter.

    Args:
        classes: Class of each object, ``(B, n)``.
        share: The share of pairs of the same class that the dataset has.
        outputs: What each mapping gives, by its name: logits or features, on any view.
    """

    def __init__(self, classes, share=0.3, **outputs):
        self.classes = torch.as_tensor(classes)
        self.outputs = outputs
        self.same_class_share = share
        self.batch = Batch(torch.arange(self.classes.numel()), {}, len(self.classes))

    def logits(self, mapping, view="plain"):
        """Return what was given for a mapping."""
        return self.outputs[mapping.name]

    output = head = logits

    def target(self, name):
        """Return the classes, as a batch has them."""
        assert name == "classes"
        return self.classes.flatten()

    def renamed(self, names):
        """Return the same sets, class ``c`` called ``names[c]``."""
        return GivenSets(torch.tensor(names)[self.classes], self.same_class_share, **self.outputs)


def random_sets(classes, counts=COUNTS, dtype=torch.float64, seed=0):
    """Return sets for which both heads say anything."""
    classes = torch.as_tensor(classes)
    draws = torch.Generator().manual_seed(seed)
    sets, size = classes.shape
    return GivenSets(
        classes,
        count_head=2 * torch.randn(sets, len(counts), generator=draws, dtype=torch.float64).to(dtype),
        assignment_head=2 * torch.randn(sets, size, sum(counts), generator=draws, dtype=torch.float64).to(dtype),
    )


def certain_sets(classes, counts=COUNTS, log_prob=-1e4, dtype=torch.float64):
    """Return sets about which both heads are right and certain, each logit 0 or ``log_prob``.

    For another number of clusters than the true one, class c of a set is in cluster c mod k.
    """
    classes = torch.as_tensor(classes)
    places = torch.stack([row.unique(return_inverse=True)[1] for row in classes])
    count = torch.tensor([len(row.unique()) for row in classes]) - counts[0]
    heads = [torch.nn.functional.one_hot(places % k, k) for k in counts]
    return GivenSets(
        classes,
        count_head=((1 - torch.nn.functional.one_hot(count, len(counts))) * log_prob).to(dtype),
        assignment_head=((1 - torch.cat(heads, 2)) * log_prob).to(dtype),
    )


def with_gradients(given):
    """Return the same sets, whose outputs want gradients, and these outputs."""
    outputs = {name: output.clone().requires_grad_() for name, output in given.outputs.items()}
    return GivenSets(given.classes, given.same_class_share, **outputs), list(outputs.values())


def probabilities(logits):
    """Return softmax probabilities of a list of logits, by hand."""
    powers = [2.718281828459045 ** (one - max(logits)) for one in logits]
    return [power / sum(powers) for power in powers]


def heads_by_hand(row, counts=COUNTS):
    """Return the probabilities of one object's clusters for every number of clusters, from its logits ``(T,)``."""
    found, start = {}, 0
    for k in counts:
        found[k] = probabilities(row[start : start + k])
        start += k
    return found
