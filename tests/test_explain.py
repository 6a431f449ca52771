import json

import pytest

from recombine.explanations import EXPLANATIONS
from recombine.load import load_text
from recombine.problems import CODES
from tests.methods import changed, small

#: Codes that need data, a machine or other files to be found.
NOT_BY_THE_FILE_ALONE = {"RC001", "RC501", "RC502", "RC503", "RC504", "RC505", "RC506", "RC507", "RC508"}
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
    return [(problem.code, str(problem)) for problem in load_text(text, folder / "m.json").problems]


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
