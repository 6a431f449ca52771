import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from recombine import registry, schemas
from recombine.errors import UsageError
from recombine.plugin_packages import allowed, offered
from recombine.plugins import allow
from tests.methods import small, written
from tests.plugin_packages import installed

pytestmark = pytest.mark.usefixtures("at_home")
ROOT = Path(__file__).resolve().parent.parent
NAME = "recombine-wide-spread"
BLOCK = {"pattern": "wide_spread", "encoder_name": "encoder"}
PATTERNS = "/phases/0/design_patterns/1"
RUN = ("-m", "pytest", "-q", "-p", "no:cacheprovider")


@pytest.fixture
def path(tmp_path, monkeypatch):
    """Return a function that puts an installed package on Python's path, until the test ends."""
    before = set(sys.modules)

    def put(**changes):
        place = installed(tmp_path / "packages", **changes)
        monkeypatch.syspath_prepend(place)
        return place

    yield put
    for name in set(sys.modules) - before:
        if name.startswith("recombine_"):
            del sys.modules[name]


def python(place, *arguments):
    """Run Python as a process of its own that can see a package; return exit status, output and errors."""
    variables = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{place}{os.pathsep}{ROOT}"}
    asked = [sys.executable, *map(str, arguments)]
    done = subprocess.run(asked, cwd=place, env=variables, capture_output=True, text=True, timeout=120, check=False)  # noqa: S603
    return done.returncode, done.stdout, done.stderr


def command(place, *arguments):
    """Run a command of recombine likewise."""
    return python(place, ROOT / "main.py", *arguments)


def test_nothing_of_a_package_is_imported_that_the_user_has_not_allowed(path, tmp_path, call):
    path()
    assert offered()["wide_spread"] == NAME
    file = written(tmp_path, small({PATTERNS: BLOCK}))
    status, _, errors = call("validate", file)
    assert status == 2
    assert f"The installed package {NAME} offers it: --plugin {NAME} lets its code take part." in errors
    assert not [name for name in sys.modules if name.startswith("recombine_wide")]
    status, _, errors = call("validate", written(tmp_path, small({"/plugins": [NAME]})))
    assert (status, '"plugins" is not a key that is known here' in errors) == (2, True)


def test_an_allowed_pattern_validates_lists_explains_plans_and_runs_like_ours(tmp_path):
    place = installed(tmp_path)
    status, output, errors = command(place, "validate", "--plugin", NAME, "example.json")
    assert (status, output, errors) == (0, "example.json: valid\n", "")
    misspelt = written(tmp_path, small({PATTERNS: {**BLOCK, "least_deviaton": 2}}))
    status, _, errors = command(place, "validate", "--plugin", NAME, misspelt)
    assert (status, 'Did you mean "least_deviation"?' in errors) == (2, True)
    status, output, _ = command(place, "list", "patterns", "--plugin", NAME)
    assert output.splitlines()[-1].split()[:2] == ["wide_spread", "Keeping"]
    status, output, _ = command(place, "explain", "wide_spread", "--plugin", NAME)
    assert (status, "least_deviation (number," in output) == (0, True)
    status, output, _ = command(place, "explain", "example.json", "--plugin", NAME)
    assert (status, "+ 0.1 x wide_spread" in output) == (0, True)
    assert command(place, "schema", "--bundle", "bundle.json", "--plugin", NAME)[0] == 0
    assert '"least_deviation"' in (place / "bundle.json").read_text()


def test_an_allowed_pattern_runs_in_processes_of_its_own_and_is_recorded(tmp_path):
    place = installed(tmp_path)
    file = written(tmp_path, small({PATTERNS: BLOCK}))
    status, output, errors = command(place, file, "--plugin", NAME, "--seeds", "2", "--jobs", "2", "--log-dir", "logs")
    assert (status, errors) == (0, ""), output
    (first, _) = sorted((place / "logs").glob("*_small_*/environment.json"))
    found = json.loads(first.read_text())
    assert (found["plugins"], found["fingerprint"][NAME]) == ({NAME: "0.1.0"}, "0.1.0")


def test_the_tests_of_a_new_package_pass(tmp_path):
    place = installed(tmp_path)
    status, output, _ = python(place, *RUN, "tests")
    assert (status, "5 passed" in output) == (0, True), output


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"title": None}, 'wide_spread.json lacks "title"'),
        ({"x-losses": {}}, 'wide_spread.json lacks "x-losses"'),
        ({"type": "objekt"}, "wide_spread.json is no JSON schema"),
        ({"x-aliases": ["broad"]}, 'must allow "wide_spread" and its "x-aliases", and nothing else, as the "pattern"'),
        ({"unevaluatedProperties": None}, 'accepts any key: it needs "unevaluatedProperties": false'),
        ({"x-supervised": ["classes"]}, "patterns of other packages never see classes"),
        ({"allOf": [{"$ref": "../../secret.json"}]}, 'refers to "../../secret.json", which is no schema of recombine'),
        ({"allOf": [{"$ref": "https://example.org/x.json"}]}, "which is no schema of recombine"),
        ({"allOf": None}, 'its constructor and its schema differ in "batch_augmentation"'),
        ({"entry": "wide_spread = recombine_wide_spread.wide_spread:WideSpread"}, "must be a module whose last part"),
        ({"entry": "contrastive = recombine_wide_spread.wide_spread"}, "must be a module whose last part"),
        ({"entry": "gone = recombine_wide_spread.gone"}, "cannot be imported: ModuleNotFoundError"),
        ({"entry": "__init__ = recombine_wide_spread.__init__"}, "must be a module whose last part"),
    ],
)
def test_a_package_that_is_not_right_is_refused_whole(path, changes, problem):
    path(**changes)
    with pytest.raises(UsageError) as error:
        allow([NAME])
    assert problem in str(error.value)
    assert NAME in str(error.value)
    assert "wide_spread" not in registry.patterns()
    assert (allowed(), schemas.files().count("design_patterns/wide_spread.json")) == ({}, 0)


def test_a_pattern_may_not_take_the_place_of_another(path, tmp_path, monkeypatch):
    monkeypatch.setattr("recombine.scaffold.registry.patterns", dict)
    place = path(name="contrastive")
    monkeypatch.undo()
    monkeypatch.syspath_prepend(place)
    with pytest.raises(UsageError, match='has a pattern "contrastive", but there is one of that name already'):
        allow(["recombine-contrastive"])


@pytest.mark.parametrize("package", ["no-such-package", "torch", "", "../x"])
def test_packages_that_offer_nothing(call, package):
    status, output, errors = call("list", "patterns", "--plugin", package)
    assert (status, output) == (2, "")
    assert errors.startswith(
        (f'error: there is no installed package "{package}"', f'error: package "{package}" offers')
    )
