from recombine.timeline import Span, curves, spans


def event(kind, phase, iteration, **values):
    return {"event": kind, "dataset": "d", "phase": phase, "iteration": iteration, **values}


EVENTS = [
    {"event": "dataset_started", "dataset": "d", "num_samples": 5},
    event("phase_started", "a", 0),
    event("losses", "a", 10, losses={"x": 4.0, "y": 1.0}),
    event("losses", "a", 20, losses={"x": 3.0, "y": None}),
    event("phase_ended", "a", 25),
    event("phase_started", "b", 0),
    event("evaluation", "b", 5, scores=None, reassignment_ratio=0.5),
    event("losses", "b", 10, losses={"x": 2.0}),
    event("evaluation", "b", 15, scores={"acc": 0.5}, reassignment_ratio=None),
]


def test_phases_follow_each_other_as_far_as_the_history_goes():
    assert spans(EVENTS) == [Span("a", 0, 25), Span("b", 25, 40)]
    assert spans([]) == []


def test_curves_have_a_part_for_each_phase_and_leave_out_what_is_null():
    assert curves(EVENTS, "losses", "losses") == {
        "x": [[(10, 4.0), (20, 3.0)], [(35, 2.0)]],
        "y": [[(10, 1.0)]],
    }
    assert curves(EVENTS, "evaluation", "scores") == {"acc": [[(40, 0.5)]]}
    assert curves(EVENTS, "evaluation", "reassignment_ratio") == {"reassignment_ratio": [[(30, 0.5)]]}
    assert curves(EVENTS, "evaluation", "label_free") == {}
