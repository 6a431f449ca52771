import json
from pathlib import Path

import pytest

from recombine.explanations import EXPLANATIONS
from recombine.load import load_file
from recombine.problems import CODES
from recombine.shape_checks import with_shapes
from tests.corpus.edits import BASES, NULL, OF_TEXT, WHOLE
from tests.methods import SMALL, changed, shown, written

EXPECTED = json.loads((Path(__file__).parent / "corpus" / "expected.json").read_text(encoding="utf-8"))
NAMES = [*OF_TEXT, *WHOLE, *(name for _, edits in BASES.values() for name in edits)]


def content(name):
    """Return the bytes of a broken file."""
    if name in WHOLE:
        return WHOLE[name]
    if name in OF_TEXT:
        text, (old, new) = json.dumps(SMALL, indent=2), OF_TEXT[name]
        assert text.count(old) == 1
        return text.replace(old, new).encode()
    base, edits = next((base, edits) for base, edits in BASES.values() if name in edits)
    return json.dumps(changed(base, edits[name]), indent=2).replace(json.dumps(NULL), "null").encode()


def problems(name, folder):
    """Return what is said of a broken file: code, line, and the message with its remedy."""
    path = folder / f"{name}.json"
    path.write_bytes(content(name))
    return [[problem.code, problem.line, shown(problem)] for problem in with_shapes(load_file(path)).problems]


def test_the_good_methods_are_good(tmp_path):
    for base, _ in BASES.values():
        assert with_shapes(load_file(written(tmp_path, base))).problems == ()


def test_the_corpus_is_complete():
    assert len(NAMES) == len(set(NAMES)) >= 150
    assert sorted(EXPECTED) == sorted(NAMES)
    codes = {name[:5] for name in NAMES}
    assert {code for code in CODES if code < "RC500"} | {"RC503"} <= codes
    assert codes <= set(EXPLANATIONS)


@pytest.mark.parametrize("name", NAMES)
def test_a_mistake_is_found_where_it_stands_and_said_once(name, tmp_path):
    found = problems(name, tmp_path)
    assert found == [EXPECTED[name]]
    code, line, text = EXPECTED[name]
    assert code == name[:5]
    assert code in text
    assert line > 0 or code in ("RC001", "RC002")
