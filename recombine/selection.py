"""Which evaluation of a dataset counts: the last, the one chosen without labels, or the best by labels.

The three are kept apart. The last is what the trained networks do. The best by labels, taken from many evaluations, is
an upper bound that nobody without labels can reach: it is always called oracle. Between them stands the evaluation
with the highest silhouette, which everybody could have picked.

A silhouette in a learned space is only a hint. The network moves the features, and a loss that pulls samples to
centroids raises the silhouette of any partition, wrong ones included: it may go up while the clusters get worse. So
whatever shows a chosen score says by what it was chosen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from recombine.label_free import LabelFree
from recombine.metrics import Scores

#: The label-free score that the choice is made by; the highest wins.
CHOSEN_BY = "silhouette"


@dataclass(frozen=True)
class Evaluated:
    """One evaluation of a dataset, as the history keeps it.

    Attributes:
        phase: The phase in which it was made; empty for the final scoring.
        iteration: Iterations of the phase done by then; at the final scoring, those of the last phase.
        scores: Agreement with the labels, or None where there are none.
        label_free: Scores without labels, or None where none were made.
    """

    phase: str
    iteration: int
    scores: Scores | None
    label_free: LabelFree | None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Evaluated":
        """Return what :meth:`as_dict` described."""
        found = values["label_free"]
        free = LabelFree.from_dict(found) if found is not None else None
        return cls(values["phase"], values["iteration"], _scores(values["scores"]), free)


@dataclass(frozen=True)
class Chosen:
    """The evaluation chosen without labels.

    Attributes:
        by: Name of the score that chose it.
        value: That score.
        phase: The phase in which it was made; empty for the final scoring.
        iteration: Iterations of the phase done by then.
        scores: Agreement with the labels, or None where there are none.
    """

    by: str
    value: float
    phase: str
    iteration: int
    scores: Scores | None


@dataclass(frozen=True)
class Best:
    """The highest value of a score against labels.

    Attributes:
        value: The score.
        phase: The phase in which it was reached; empty for the final scoring.
        iteration: Iterations of the phase done by then.
    """

    value: float
    phase: str
    iteration: int


@dataclass(frozen=True)
class Selection:
    """What stands beside the last scores of a dataset.

    Attributes:
        chosen: The evaluation with the highest silhouette, or None if no evaluation has one.
        best: The highest value of each of acc, nmi and ari, each with its own evaluation: oracle; None without labels.
        num_evaluations: How many evaluations there were to choose from, the final scoring among them.
    """

    chosen: Chosen | None
    best: Mapping[str, Best] | None
    num_evaluations: int

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, as ``result.json`` has them."""
        return {
            "chosen": asdict(self.chosen) if self.chosen is not None else None,
            "best": {name: asdict(best) for name, best in self.best.items()} if self.best is not None else None,
            "num_evaluations": self.num_evaluations,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Selection":
        """Return what :meth:`as_dict` described."""
        chosen, best = values["chosen"], values["best"]
        return cls(
            Chosen(**{**chosen, "scores": _scores(chosen["scores"])}) if chosen is not None else None,
            {name: Best(**found) for name, found in best.items()} if best is not None else None,
            values["num_evaluations"],
        )


def select(history: Sequence[Evaluated]) -> Selection:
    """Choose among the evaluations of a dataset, given in order of time; of equal ones, the later counts."""
    return Selection(_chosen(history), _best(history), len(history))


def _chosen(history: Sequence[Evaluated]) -> Chosen | None:
    """Return the evaluation with the highest silhouette."""
    found: Chosen | None = None
    for one in history:
        value = one.label_free.silhouette if one.label_free is not None else None
        if value is not None and (found is None or value >= found.value):
            found = Chosen(CHOSEN_BY, value, one.phase, one.iteration, one.scores)
    return found


def _best(history: Sequence[Evaluated]) -> dict[str, Best] | None:
    """Return the highest value of each score against labels."""
    found: dict[str, Best] = {}
    for one in history:
        for name, value in (one.scores.as_dict() if one.scores is not None else {}).items():
            if name not in found or value >= found[name].value:
                found[name] = Best(value, one.phase, one.iteration)
    return found or None


def _scores(values: Mapping[str, float] | None) -> Scores | None:
    return Scores(**values) if values is not None else None
