import json

import pytest

from recombine.label_free import LabelFree
from recombine.metrics import Scores
from recombine.selection import Best, Chosen, Evaluated, Selection, select


def evaluated(iteration, silhouette=None, scores=None, phase="training"):
    """Return an evaluation; ``scores`` is ACC, NMI and ARI."""
    free = LabelFree(silhouette, None, None, 0.5, 3, 0.75, 20, "output of encoder")
    return Evaluated(phase, iteration, Scores(*scores) if scores is not None else None, free)


HISTORY = [
    evaluated(10, 0.5, (0.9, 0.2, 0.3), "pretraining"),
    evaluated(10, 0.7, (0.5, 0.6, 0.3)),
    evaluated(20, 0.7, (0.4, 0.5, 0.1)),
    evaluated(30, None, (0.3, 0.6, 0.2)),
    evaluated(30, 0.1, (0.2, 0.1, 0.1), ""),
]


def test_the_highest_silhouette_is_chosen_and_the_later_of_equals():
    found = select(HISTORY)
    assert found.chosen == Chosen("silhouette", 0.7, "training", 20, Scores(0.4, 0.5, 0.1))
    assert found.num_evaluations == 5


def test_each_score_has_a_best_evaluation_of_its_own():
    assert select(HISTORY).best == {
        "acc": Best(0.9, "pretraining", 10),
        "nmi": Best(0.6, "training", 30),
        "ari": Best(0.3, "training", 10),
    }


def test_scores_against_labels_do_not_choose():
    shuffled = [Evaluated(one.phase, one.iteration, Scores(0.1, 0.1, 0.1), one.label_free) for one in HISTORY]
    assert select(shuffled).chosen.iteration == select(HISTORY).chosen.iteration


def test_the_final_scoring_alone_is_enough():
    found = select([evaluated(5, 0.25, (0.5, 0.4, 0.3), "")])
    assert found.chosen == Chosen("silhouette", 0.25, "", 5, Scores(0.5, 0.4, 0.3))
    assert found.best["acc"] == Best(0.5, "", 5)
    assert found.num_evaluations == 1


def test_a_negative_silhouette_can_be_the_highest():
    assert select([evaluated(1, -0.5), evaluated(2, -0.25), evaluated(3, -0.75)]).chosen.iteration == 2


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ([], Selection(None, None, 0)),
        ([evaluated(5)], Selection(None, None, 1)),
        ([Evaluated("", 5, None, None)], Selection(None, None, 1)),
        ([evaluated(5, 0.5)], Selection(Chosen("silhouette", 0.5, "training", 5, None), None, 1)),
    ],
)
def test_what_nobody_measured_is_not_chosen(history, expected):
    assert select(history) == expected


@pytest.mark.parametrize("one", [*HISTORY, evaluated(3), Evaluated("", 0, None, None)])
def test_evaluations_survive_json(one):
    assert Evaluated.from_dict(json.loads(json.dumps(one.as_dict()))) == one


@pytest.mark.parametrize("history", [HISTORY, [], [evaluated(5)], [evaluated(5, 0.5)]])
def test_selections_survive_json(history):
    found = select(history)
    assert Selection.from_dict(json.loads(json.dumps(found.as_dict()))) == found
