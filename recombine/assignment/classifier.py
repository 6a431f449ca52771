"""Soft assignments from the output of classifier mappings."""

import math
from collections.abc import Hashable
from collections.abc import Mapping as Dictionary
from typing import Any

import torch
from torch import Tensor

from recombine.assignment.base import AssignmentStrategy, StrategyContext
from recombine.clock import Clock
from recombine.mapping import Mapping
from recombine.metrics import Scores
from recombine.step import PLAIN_VIEW, Forward


class Classifier(AssignmentStrategy):
    """Assignments by one classifier, or by the mean of all.

    Args:
        context: The method's parts.
        classifier_selection_criterion: ``first_declared``, ``name``, ``average``, or ``highest_{last,average}_{acc,
            nmi,ari}``. The latter choose by the scores of evaluations during a phase, which use labels: results are
            marked ``oracle``. Before the first evaluation they average; a new phase keeps the choice until its own
            first evaluation.
        classifier: The classifier for ``name``.
    """

    def __init__(
        self, context: StrategyContext, *, classifier_selection_criterion: str, classifier: Mapping | None
    ) -> None:
        super().__init__()
        self.criterion = classifier_selection_criterion
        self._classifiers = [mapping for mapping in context.mappings.values() if mapping.is_classifier]
        self._named = [classifier] if classifier is not None else []
        self._by_score = classifier_selection_criterion.startswith("highest_")
        self._history: dict[str, list[dict[str, float]]] = {}
        self._history_is_old = False

    def log_probs(self, forward: Forward, view: str = PLAIN_VIEW) -> Tensor:
        """Return log soft assignments ``(B, K)``."""
        chosen = self.chosen()
        each = torch.stack([forward.log_probs(view, classifier) for classifier in chosen])
        return each[0] if len(chosen) == 1 else each.logsumexp(0) - math.log(len(chosen))

    def recording_key(self) -> Hashable:
        """Return the names of the chosen classifiers."""
        return tuple(mapping.name for mapping in self.chosen())

    def chosen(self) -> list[Mapping]:
        """Return the classifiers whose mean is the assignment now."""
        if self.criterion == "first_declared":
            return self._classifiers[:1]
        if self.criterion == "name":
            return self._named
        if self._by_score and self._history:
            best = max(self._history, key=self._standing)
            return [mapping for mapping in self._classifiers if mapping.name == best]
        return self._classifiers

    def candidates(self, forward: Forward) -> dict[str, Tensor]:
        """Return the labels ``(B,)`` by each classifier alone, where the choice depends on scores."""
        mappings = self._classifiers if self._by_score else []
        return {mapping.name: forward.log_probs(classifier=mapping).argmax(1) for mapping in mappings}

    def update(self, clock: Clock) -> None:
        """Notice that a phase starts: its first evaluation begins a new history."""
        self._history_is_old |= clock.iteration == 0

    def record(self, scores: Dictionary[str, Scores]) -> None:
        """Append the scores of an evaluation to the history of the phase that ``highest_*`` chooses by."""
        if self._history_is_old:
            self._history, self._history_is_old = {}, False
        for name, values in scores.items():
            self._history.setdefault(name, []).append(values.as_dict())

    def get_extra_state(self) -> dict[str, Any]:
        """Return the history of scores."""
        return {"history": self._history, "is_old": self._history_is_old}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take up what :meth:`get_extra_state` returned."""
        self._history, self._history_is_old = dict(state["history"]), bool(state["is_old"])

    def _standing(self, name: str) -> float:
        _, span, metric = self.criterion.split("_")
        values = [scores[metric] for scores in self._history[name]]
        return values[-1] if span == "last" else sum(values) / len(values)
