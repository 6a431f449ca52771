"""Two hundred wrong and two hundred right method files; ``bench.fuzz`` tries thousands."""

import copy
import shutil
from collections import Counter
from random import Random

import pytest

from tests.fuzz.files import files
from tests.fuzz.mutants import MISTAKES, mutant, places
from tests.fuzz.steps import RAN, REFUSED, outcome
from tests.fuzz.valid import method
from tests.methods import SMALL

pytestmark = pytest.mark.filterwarnings("ignore")
COUNT, PARTS = 200, 4


def outcomes(kind, part, folder):
    """Return how often each outcome came about for a part of the files; what is raised has the file's number."""
    size = COUNT // PARTS
    found = Counter()
    for number, path in files(kind, part * size, size, folder):
        try:
            found[outcome(path, folder / "logs")[0]] += 1
        except Exception as error:
            error.add_note(f"{kind} {number}: {path.read_text(encoding='utf-8', errors='replace')}")
            raise
        shutil.rmtree(folder / "logs", ignore_errors=True)
    return found


@pytest.mark.parametrize("part", range(PARTS))
def test_a_file_with_mistakes_is_refused_with_a_code_or_runs(part, tmp_path):
    found = outcomes("mutants", part, tmp_path)
    assert found[REFUSED] >= 25
    assert found[RAN] >= 1


@pytest.mark.parametrize("part", range(PARTS))
def test_a_file_that_agrees_with_the_schema_runs_or_is_refused_with_a_code(part, tmp_path):
    found = outcomes("valid", part, tmp_path)
    assert found[RAN] >= 25
    assert found[REFUSED] + found[RAN] >= 45


def test_every_mistake_changes_something():
    for mistake in MISTAKES:
        texts = {str(mutated(mistake, number)) for number in range(9)}
        assert len(texts) > 1
    assert len(list(places(SMALL))) > 40
    assert mutant(SMALL, Random(1)) == mutant(SMALL, Random(1)) != mutant(SMALL, Random(2))


def mutated(mistake, number):
    """Return the small method with one mistake."""
    found = copy.deepcopy(SMALL)
    mistake(found, Random(number))
    return found


def test_drawn_files_differ_and_repeat():
    assert method(Random(3)) == method(Random(3)) != method(Random(4))
