import os

import pytest
import torch

from recombine import measure_plan
from recombine.measure_plan import Order, measure, measured_here
from recombine.overrides import Override
from recombine.peak import Kept, peak_bytes, resident_bytes, tensor_bytes
from recombine.plan_text import measured_parts
from tests.methods import DIVERGING, rich, small, written


def order(folder, method, *overrides):
    """Return the order to measure a method."""
    return Order(written(folder, method), overrides, None, 1)


def files(folder):
    """Return all files in a folder."""
    return sorted(path.name for path in folder.rglob("*"))


def test_every_phase_is_measured_and_nothing_is_left(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    answer = measured_here(order(tmp_path, rich()))
    measured = answer.measured
    assert files(tmp_path) == ["method.json"]
    assert [(one.dataset, one.phase, one.iterations) for one in measured.phases] == [
        ("few", "pretraining", 3),
        ("few", "finetuning", 3),
    ]
    assert all(one.step_seconds > 0 and one.seconds >= 3 * one.step_seconds for one in measured.phases)
    assert (measured.phases[0].evaluation_seconds, measured.phases[1].evaluation_seconds > 0) == (0, True)
    assert measured.seconds > sum(one.seconds for one in measured.phases)
    assert (measured.device_peak_bytes, measured.device) == (None, f"cpu ({torch.get_num_threads()} threads)")


def test_memory_has_its_parts(tmp_path):
    memory = measured_here(order(tmp_path, small())).measured.memory
    parameters = 4 * (64 * 8 + 8 + 8 * 3 + 3 + 3 * 64 + 64)
    means = 4 * 4 * 3
    assert (memory.parameters, memory.gradients) == (parameters + means, parameters)
    assert 2 * parameters <= memory.optimizer_state <= 2 * parameters + 4 * 6
    assert memory.views == 20 * 64 * 4
    assert memory.data >= 60 * 64
    assert memory.activations > 20 * 8 * 4
    assert memory.program > 2**20


def test_stages_count_for_as_long_as_they_last(tmp_path, monkeypatch):
    block = "/phases/0/design_patterns/0/loss_weight_schedule"
    changes = {block: {"start_at_iteration": 75}, "/phases/0/exit_criteria/iterations": 100}
    seconds = {0: 1.0, 75: 5.0}
    monkeypatch.setattr(measure_plan._Measurement, "_timed_from", lambda self, phase, start, limit: seconds[start])
    (phase,) = measured_here(order(tmp_path, small(changes))).measured.phases
    assert phase.step_seconds == pytest.approx(2.0)
    assert phase.seconds == pytest.approx(200, rel=0.1)


def test_what_comes_at_intervals_counts_as_often_as_it_comes(tmp_path, monkeypatch):
    change = {"/phases/1/design_patterns/1/target_distribution_recalculation_interval": 20}
    method = rich({**change, "/phases/1/exit_criteria": {"iterations": 50}})
    seen = []
    monkeypatch.setattr(measure_plan._Measurement, "_timed_from", lambda self, phase, start, limit: 1.0)
    monkeypatch.setattr(
        measure_plan._Measurement, "_one_step", lambda self, phase, iteration: seen.append(iteration) or 5.0
    )
    _, finetuning = measured_here(order(tmp_path, method)).measured.phases
    assert seen == [20]
    assert finetuning.step_seconds == pytest.approx(1 + 4 / 20)


def test_a_phase_that_only_scores_end_has_no_known_time(tmp_path):
    change = {"/phases/0/exit_criteria": {"learning_rate_le": 1e-9}}
    scheduler = [{"type": "ExponentialLR", "optimizer_name": "Adam_0", "gamma": 0.9}]
    method = small({**change, "/phases/0/optimizer_learning_rate_schedulers": scheduler})
    measured = measured_here(order(tmp_path, method)).measured
    assert (measured.phases[0].seconds, measured.seconds) == (None, None)
    assert measured.phases[0].step_seconds > 0
    assert "Time of the run: not known" in " ".join(part for part in measured_parts(measured) if isinstance(part, str))


def test_where_steps_take_long_fewer_are_done(tmp_path, monkeypatch):
    steps = []
    real = measure_plan.train_step
    monkeypatch.setattr(measure_plan, "train_step", lambda phase: steps.append(phase.config.name) or real(phase))
    monkeypatch.setattr(measure_plan, "_intervals", lambda phase: set())
    measured_here(order(tmp_path, rich()))
    assert steps == 13 * ["pretraining"] + 13 * ["finetuning"]
    steps.clear()
    monkeypatch.setattr(measure_plan, "_STEPS_SECONDS", 0.0)
    measured_here(order(tmp_path, rich()))
    assert steps == 2 * ["pretraining"] + 2 * ["finetuning"]


def test_passes_that_are_spared_count_in_full(tmp_path, monkeypatch):
    monkeypatch.setattr(measure_plan, "_PASSES_SECONDS", 0.0)
    spared = []
    real = measure_plan.Sparing.begin
    monkeypatch.setattr(measure_plan.Sparing, "begin", lambda self: spared.append(self) or real(self))
    measured_here(order(tmp_path, rich()))
    assert spared[-1].saved > 0


def test_mistakes_that_need_the_data_are_found_as_for_a_run(tmp_path):
    answer = measured_here(order(tmp_path, small({"/datasets/0/batch_size": 61})))
    assert answer.measured is None
    assert [problem.code for problem in answer.problems] == ["RC502"]


def test_a_process_of_its_own_measures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    answer = measure(order(tmp_path, small(), Override("/phases/0/exit_criteria/iterations", 5)))
    assert answer.measured.phases[0].iterations == 5
    assert answer.measured.peak_bytes > answer.measured.memory.program
    assert files(tmp_path) == ["method.json"]


def test_a_process_that_cannot_go_on_says_why(tmp_path):
    answer = measure(order(tmp_path, small(DIVERGING)))
    assert answer.measured is None
    assert "a loss became NaN or infinite" in answer.error


def test_the_end_of_a_process_is_put_into_words():
    assert "SIGKILL, perhaps as memory ran out" in measure_plan._end_in_words(-9)
    assert "failed" in measure_plan._end_in_words(1)


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="Linux tells it")
def test_the_peak_stays_where_it_was():
    before = peak_bytes()
    held = torch.ones(2**26)
    assert resident_bytes() >= held.nbytes
    del held
    assert peak_bytes() >= max(before, 4 * 2**26)


def test_tensors_that_share_memory_count_once():
    whole = torch.zeros(100)
    assert tensor_bytes([whole, whole[:10], torch.zeros(5)]) == 4 * 105


def test_what_is_kept_for_the_way_back_is_counted_without_parameters():
    layer = torch.nn.Linear(10, 20)
    kept = Kept(layer.parameters())
    with kept.noting():
        layer(torch.ones(7, 10)).sigmoid().sum()
    assert kept.bytes == 4 * (7 * 10 + 7 * 20)
