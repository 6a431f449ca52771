import json
from pathlib import Path

import pytest

from recombine import registry
from recombine.explanations import EXPLANATIONS
from recombine.load import load_text
from recombine.problems import CODES
from recombine.shape_checks import with_shapes
from tests.methods import changed, rich, small, written

pytestmark = pytest.mark.usefixtures("at_home")

#: Codes that need data, a machine or other files to be found.
NOT_BY_THE_FILE_ALONE = {"RC001", "RC501", "RC502", "RC504", "RC505", "RC506", "RC507"}
_PAIRS = {
    "pattern": "contrastive",
    "contrastive_learning_head_name": "decoder",
    "batch_augmentation_name_1": "plain",
    "batch_augmentation_name_2": "plain",
}
_MIRROR = {"name": "decoder", "type": "design_pattern_specific", "mirror_of": "encoder"}
#: What else the method of an example has.
SETTINGS = {"RC405": {"/phases/0/design_patterns/0": _PAIRS}, "RC408": {"/mappings/1": _MIRROR}}
_HERE = "the example stands here"


def problems(code, example, folder):
    """Return the problems of a method with an example of a code in its place."""
    method = changed(small(SETTINGS.get(code)), {EXPLANATIONS[code].place: _HERE})
    text = json.dumps(method, indent=2).replace(json.dumps(_HERE), example)
    return [(problem.code, str(problem)) for problem in with_shapes(load_text(text, folder / "m.json")).problems]


def test_every_code_is_explained():
    assert list(EXPLANATIONS) == list(CODES)
    for explanation in EXPLANATIONS.values():
        assert all(text for name, text in explanation._asdict().items() if name != "place")


@pytest.mark.parametrize("code", [code for code in CODES if code not in NOT_BY_THE_FILE_ALONE])
def test_the_wrong_example_has_the_mistake_and_the_right_one_has_none(code, tmp_path):
    found = problems(code, EXPLANATIONS[code].wrong, tmp_path)
    assert [each for each, _ in found] == [code], found
    assert problems(code, EXPLANATIONS[code].right, tmp_path) == []


@pytest.mark.parametrize("code", sorted(NOT_BY_THE_FILE_ALONE - {"RC001"}))
def test_mistakes_that_only_data_shows_are_none_of_the_file(code, tmp_path):
    assert problems(code, EXPLANATIONS[code].wrong, tmp_path) == []
    assert problems(code, EXPLANATIONS[code].right, tmp_path) == []


def test_a_code_is_explained_with_examples(call):
    status, output, errors = call("explain", "rc403")
    assert (status, errors) == (0, "")
    assert output.startswith("RC403: a loss that no optimizer minimises\n\nThe loss of a pattern belongs to a group")
    assert 'Wrong, at /phases/0/optimizers/0 for example:\n    {"type": "Adam",' in output
    assert "\nRight:\n" in output


@pytest.mark.parametrize("entry", [*registry.patterns().values(), *registry.strategies().values()], ids=lambda e: e.id)
def test_everything_about_a_pattern_or_strategy_is_told(call, entry):
    status, output, errors = call("explain", entry.id)
    assert (status, errors) == (0, "")
    assert output.startswith(f"{entry.id}: {entry.title}\n\n")
    lines = output.splitlines()
    assert {"Formula:", "Papers:", "Options:", "Example:"} <= set(lines)
    assert all(paper["url"] in output for paper in entry.schema["x-papers"])
    for key in entry.schema["properties"]:
        assert any(line.startswith(f"  {key} (") or line.startswith(f"  {key},") for line in lines), key
    for alias in entry.aliases:
        assert call("explain", alias)[1] == output
    assert "`" not in output
    example = output.rpartition("Example:\n")[2]
    assert json.loads(example) == entry.schema["examples"][0]


def test_options_have_type_range_default_and_meaning(call):
    lines = call("explain", "contrastive")[1].splitlines()
    at = lines.index("  batch_augmentation_name_1 (name of a view, required)")
    assert lines[at + 1].startswith("    First view:")
    assert "  loss_weight (number, default 1)" in lines
    assert "  loss_report_interval (integer, at least 1)" in lines


def test_an_unknown_word_gets_the_nearest(call):
    assert call("explain", "contrastiv") == (
        2,
        "",
        'error: "contrastiv" is no code, pattern, strategy or file. Did you mean "contrastive"?\n',
    )
    assert "Did you mean" in call("explain", "RC1O1")[2]
    assert '"recombine list patterns" shows patterns' in call("explain", "zzzzzz")[2]


def test_the_objective_of_a_file_is_told_phase_by_phase(call, tmp_path):
    path = written(tmp_path, rich({"/phases/0/design_patterns/1/autoencoder_loss_weight": 0.5}))
    status, output, errors = call("explain", path)
    assert (status, errors) == (0, "")
    for line in (
        'Method "rich"',
        'Phase "pretraining", on "few"',
        '  The loss of group "autoencoder": 1 x reconstruction + 0.5 x adversarial_interpolation.autoencoder',
        "    may train encoder, decoder",
        '  The loss of group "critic": 1 x adversarial_interpolation.critic',
        "    may train critic",
        "  reconstruction (encoder_name encoder; decoder_name decoder):",
        '  Optimizer SGD_0: SGD, lr 0.01; trains encoder, decoder by group "autoencoder"',
        "  Learning rate of rival: StepLR, step_size 1; stepped every epoch",
        "  Ends as soon as 1 epoch is done.",
        'Phase "finetuning", on "few"',
        '  The loss of group "default": 1 x contrastive + 1 x target_distribution + 1 x assignment_entropy '
        "(rising over 2 iterations)",
        "    may train encoder, head, classifier, the centroids",
        "  contrastive (contrastive_learning_head_name head; views plain, view_1):",
        "  Optimizers take turns: Adam_0 for 1 iteration.",
        "  Ends as soon as 3 iterations are done or ACC is greater than 0.99.",
        '  Centroids in "finetuning":',
        "    begin by classical_clustering",
    ):
        assert line in output.splitlines(), line
    assert "      reconstruction = 1/B sum_i ||dec(enc(x_i)) - x_i||^2" in output


@pytest.mark.parametrize(
    ("criteria", "words"),
    [
        ({"iterations": 5, "learning_rate_le": 0.5}, "the learning rate is at most 0.5"),
        (
            {"iterations": 5, "learning_rate_le": {"optimizer_name": "Adam_0", "value": 0.5}},
            "the learning rate of Adam_0 is at most 0.5",
        ),
        ({"patience": 30}, "Ends as soon as validation_loss was lowest 30 iterations ago."),
        (
            {"iterations": 5, "validation_lt": {"metric": "validation_loss", "value": 1}},
            "validation_loss is less than 1",
        ),
        (
            {"iterations": 5, "performance_evaluation_cluster_reassignment_ratio_lt": 0.1},
            "less than 0.1 of the samples change cluster between evaluations",
        ),
        (
            {"iterations": 5, "performance_evaluation_ari_lt_after_iterations": {"value": 0.2, "iterations": 3}},
            "ARI is less than 0.2 from iteration 3 on",
        ),
    ],
)
def test_what_ends_a_phase_is_told(call, tmp_path, criteria, words):
    changes = {"/phases/0/exit_criteria": criteria, "/phases/0/validation": {"fraction": 0.1, "interval": 10}}
    rates = [{"type": "StepLR", "optimizer_name": "Adam_0", "step_size": 1, "interval": 5}]
    changes |= {"/phases/0/performance_evaluation_interval": 2, "/phases/0/optimizer_learning_rate_schedulers": rates}
    status, output, errors = call("explain", written(tmp_path, small(changes)))
    assert (status, errors) == (0, "")
    assert words in output
    assert "StepLR, step_size 1; stepped every 5 iterations" in output


def test_every_shipped_configuration_is_told(call):
    paths = sorted((Path(__file__).parent.parent / "configurations").glob("*/*.json"))
    assert len(paths) > 10
    for path in paths[::4]:
        status, output, _ = call("explain", path)
        assert status == 0
        assert "  Ends as soon as " in output
        assert "\nClusters: " in output


def test_a_bad_file_gets_its_mistakes(call, tmp_path):
    status, output, errors = call("explain", written(tmp_path, small({"/seed": -1})))
    assert (status, output) == (2, "")
    assert "error RC104 at /seed" in errors
