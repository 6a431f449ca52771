from recombine.callbacks.base import Callback
from tests.runs import method, same, train


def test_a_callback_that_does_nothing_hears_a_whole_run():
    phase = {"performance_evaluation_interval": 2}
    assert same(train(method(phase=phase), [Callback()]).bits(), train(method()).bits())
    Callback().run_ended(None)


def test_stages_are_those_of_patterns_that_work_in_stages():
    views = []

    class Listener(Callback):
        def iteration_done(self, phase, state, losses):
            views.append(phase.stages(state.clock))

    pairs = [
        {"encoder_layer_names": ["first"], "decoder_layer_names": ["second"], "train_for_iterations": 2},
        {"encoder_layer_names": ["last"], "decoder_layer_names": ["Linear_0"], "train_for_iterations": 2},
    ]
    pattern = {
        "pattern": "layer_wise_pretraining",
        "encoder_name": "encoder",
        "decoder_name": "decoder",
        "dropout_rate": 0,
        "encoder_decoder_layer_pairs": pairs,
    }
    described = method(phase={"exit_criteria": {"iterations": 5}})
    described["phases"][0]["design_patterns"].append(pattern)
    described["mappings"][1]["layers"] = [
        {"type": "Linear", "in_features": 2, "out_features": 4},
        {"type": "Linear", "name": "second", "in_features": 4, "out_features": 6},
    ]
    train(described, [Listener()])
    told = [stages[0][1] for stages in views]
    assert told == ["layer pair 1 of 2", *["layer pair 2 of 2"] * 2, *["all layer pairs trained"] * 2]
    assert {name for stages in views for name, _ in stages} == {"layer_wise_pretraining"}
