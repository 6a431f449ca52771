"""Measure how long ``recombine validate`` takes for all shipped configurations, beyond the imports that it needs.

    python -m bench.validation [--rounds 5]

Each round is a process of its own, which imports whatever a validation imports and then validates every shipped method
file once, in one call: shapes without weights included. Writes ``bench/results/validation.json``;
``bench/write_speed.py`` makes the page.
"""

import json
import sys
import tempfile
from pathlib import Path

from bench import common, machine
from bench.startup import Command, importing, modules_of_validate

_TIMED = """
import time
from recombine.cli import main
sys.argv = ["main.py", "validate", *sys.argv[1:]]
started = time.perf_counter()
with contextlib.suppress(SystemExit):
    main()
sys.stdout.write(f"{time.perf_counter() - started}\\n")
"""


def main() -> None:
    """Measure and write."""
    arguments = machine.parser(__doc__, rounds=5).parse_args()
    device = machine.settle(arguments)
    files = [str(path.relative_to(common.ROOT)) for path in shipped()]
    with tempfile.TemporaryDirectory() as place:
        imports = importing(modules_of_validate(files, Path(place) / "names.json"))
    command = Command([sys.executable, "-c", imports + _TIMED, *files])
    for _ in range(arguments.rounds + 1):
        command()
    seconds = [float(line) / len(files) for line in command.last_lines[1:]]
    found = {"machine": machine.machine(device), "files": len(files), "seconds_a_file": machine.spread(seconds)}
    common.write("validation.json", found)


def shipped() -> list[Path]:
    """Return the method files that come with the project."""
    files = sorted((common.ROOT / "configurations").rglob("*.json"))
    return [path for path in files if "phases" in json.loads(path.read_text(encoding="utf-8"))]


if __name__ == "__main__":
    main()
