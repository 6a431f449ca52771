"""Put the table of ``bench/results/fuzz.json`` into ``docs/security.md``, between the two marks there.

python -m bench.write_fuzz
"""

from collections.abc import Iterator

from bench import common
from bench.fuzz import KINDS
from bench.write_results import table
from recombine.files import write_text

_PAGE = common.ROOT / "docs" / "security.md"
_BEGIN, _END = "<!-- fuzz: written by bench.write_fuzz -->", "<!-- end of fuzz -->"
_TITLES = {"mutants": "shipped configurations with 1 to 3 mistakes", "valid": "files drawn from the schemas"}
_OUTCOMES = ("refused", "ran", "diverged", "stopped with a message", "traceback")


def page() -> str:
    """Return the page with the table of the last run in it."""
    before, _, rest = _PAGE.read_text(encoding="utf-8").partition(_BEGIN)
    return f"{before}{_BEGIN}\n\n{''.join(_lines())}\n{_END}{rest.partition(_END)[2]}"


def _lines() -> Iterator[str]:
    found = common.read("fuzz.json")
    rows = []
    for kind in KINDS:
        outcomes = found[kind]["outcomes"]
        rows.append([_TITLES[kind], sum(outcomes.values()), *(outcomes.get(name, 0) for name in _OUTCOMES)])
    yield table(["files", "n", "refused with a code", "ran", "diverged", "stopped with a message", "traceback"], rows)
    codes = found["mutants"]["codes"]
    spans = {kind: ", ".join(f"{first} to {end - 1}" for first, end in found[kind]["numbers"]) for kind in KINDS}
    yield f"\nNumbers {spans['mutants']} of the first, {spans['valid']} of the second; {found['minutes']:.0f} minutes. "
    yield "Codes of the refused mutants, each counted once a file: "
    yield f"{', '.join(f'{code} {count}' for code, count in codes.items())}.\n"


def main() -> None:
    """Write the page."""
    write_text(_PAGE, page())


if __name__ == "__main__":
    main()
