"""The files of a fuzzing run, by their numbers."""

import json
import shutil
from pathlib import Path
from random import Random

from tests.fuzz import mutants, valid

KINDS = ("mutants", "valid")
_CONFIGURATIONS = Path(__file__).resolve().parents[2] / "configurations"


def files(kind, first, count, place):
    """Yield the numbers and paths of ``count`` files from ``first`` on, each written when it is asked for."""
    shutil.copytree(_CONFIGURATIONS, place / "configurations")
    bases = [path for path in sorted((place / "configurations").rglob("*.json")) if "phases" in _content(path)]
    for number in range(first, first + count):
        draws = Random(number)
        if kind == "valid":
            path, text = place / "random.json", json.dumps(valid.method(draws))
        else:
            base = draws.choice(bases)
            path, (text, _) = base.with_name("mutant.json"), mutants.mutant(_content(base), draws)
        path.write_text(text, encoding="utf-8", errors="surrogatepass")
        yield number, path


def _content(path):
    return json.loads(path.read_text(encoding="utf-8"))
