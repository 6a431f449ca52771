"""Measure how long the command line takes until it does what was asked for.

    python -m bench.startup --data-root DIR [--rounds 5] [--files 20]

Every figure is the time of a whole process of its own, with all files in the cache, as each command runs once before
it is measured. ``until``: from the start of ``main.py configurations/dec_cc_hybrid/mnist.json`` to time stamps in
``events.jsonl``: when the run begins (all checks done), when the first phase begins, and when the losses of the first
iteration are written; the run is then ended. ``validate``: of one file and of several copies of it, beside a process
that imports the same modules by name and does nothing. What the files themselves take is too little for a difference
of processes: ``seconds_after_imports`` is told by a process that first imports everything and then calls the command.
``cpu_seconds`` are those of all threads of a process, which other work on the machine disturbs less. Writes
``bench/results/startup.json``; ``bench/write_speed.py`` makes the page.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import common, machine
from bench.stepping import alternate

_COMMAND = (sys.executable, "main.py")
_REPORT = "/phases/0/design_patterns/0/loss_report_interval=1"
_MOMENTS = ("run_started", "phase_started", "losses")
_POLL_SECONDS, _PATIENCE_SECONDS = 0.02, 300
#: Beside a torch without CUDA torchvision cannot be imported by its name alone.
_TORCHVISION = "from recombine.torchvision_import import torchvision\ntorchvision()\n"
_TIMED = """
import time
from recombine.cli import main
sys.argv = ["main.py", "validate", sys.argv[1]]
started = time.perf_counter()
with contextlib.suppress(SystemExit):
    main()
sys.stdout.write(f"{time.perf_counter() - started}\\n")
"""


def main() -> None:
    """Measure and write."""
    parser = machine.parser(__doc__, rounds=5, needs_data=True)
    parser.add_argument("--files", type=int, default=20, help="method files of the larger validation")
    arguments = parser.parse_args()
    device = machine.settle(arguments)
    if arguments.threads is not None:
        os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    machine.mnist(arguments.data_root)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        content = {
            "machine": machine.machine(device),
            "files": arguments.files,
            "until": _until_first_iteration(arguments.data_root, folder, arguments.rounds),
            **_commands(folder, arguments.files, arguments.rounds),
        }
    common.write("startup.json", content)


def _until_first_iteration(data_root: Path, folder: Path, rounds: int) -> dict[str, dict[str, float]]:
    """Return the seconds from the start of the process to moments of a run, by event."""
    courses = [_course(data_root, folder / f"logs_{i}") for i in range(rounds + 1)][1:]
    return {moment: machine.spread([course[moment] for course in courses]) for moment in _MOMENTS}


def _course(data_root: Path, logs: Path) -> dict[str, float]:
    """Run the method until its first iteration is reported; return the seconds to each event."""
    method = str(machine.HYBRID.relative_to(common.ROOT))
    command = [*_COMMAND, method, "--data-root", str(data_root.resolve()), "--log-dir", str(logs), "--set", _REPORT]
    started = time.time()
    with subprocess.Popen(command, cwd=common.ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:  # noqa: S603  (our own command)
        moments = _wait_for_losses(process, logs)
        process.terminate()
    return {event: moment - started for event, moment in moments.items()}


def _wait_for_losses(process: "subprocess.Popen[bytes]", logs: Path) -> dict[str, float]:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        moments = _moments(logs)
        if _MOMENTS[-1] in moments:
            return moments
        if process.poll() is not None and process.stderr is not None:
            raise SystemExit(f"the run ended before its first iteration:\n{process.stderr.read().decode()[-500:]}")
        time.sleep(_POLL_SECONDS)
    process.terminate()
    raise SystemExit(f"no iteration within {_PATIENCE_SECONDS} seconds")


def _moments(logs: Path) -> dict[str, float]:
    """Return when each event happened first, by its name."""
    texts = [path.read_text(encoding="utf-8") for path in logs.glob("*/events.jsonl")]
    lines = [json.loads(line) for text in texts for line in text.splitlines(keepends=True) if line.endswith("\n")]
    return {line["event"]: line["time"] for line in reversed(lines)}


def _commands(folder: Path, num_files: int, rounds: int) -> dict[str, Any]:
    """Measure the commands that train nothing."""
    one, many = _copies(folder / "one", 1), _copies(folder / "many", num_files)
    imports = importing(modules_of_validate([str(one)], folder / "names.json"))
    calls = {
        "help": Command([*_COMMAND, "--help"]),
        "import torch": Command([sys.executable, "-c", "import torch"]),
        "imports": Command([sys.executable, "-c", imports]),
        "validate one": Command([*_COMMAND, "validate", str(one)]),
        "validate many": Command([*_COMMAND, "validate", str(many)]),
    }
    timed = [sys.executable, "-c", imports + _TIMED]
    after = {"one file": Command([*timed, str(one)]), "many files": Command([*timed, str(many)])}
    for call in (*calls.values(), *after.values()):
        call()
    seconds = alternate({**calls, **after}, rounds, 1)
    cpu_seconds = {name: call.cpu_seconds[1:] for name, call in calls.items()}
    told = {name: [float(line) for line in call.last_lines[1:]] for name, call in after.items()}
    return {
        "seconds": machine.spreads({name: seconds[name] for name in calls}),
        "cpu_seconds": machine.spreads(cpu_seconds),
        "seconds_after_imports": machine.spreads(told),
        "seconds_a_file": machine.spread([value / num_files for value in told["many files"]]),
    }


class Command:
    """Runs a command in a process of its own.

    Attributes:
        cpu_seconds: What each run so far took of the processors, in all threads.
        last_lines: The last line that each run so far wrote.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = list(command)
        self.cpu_seconds: list[float] = []
        self.last_lines: list[str] = []

    def __call__(self) -> None:
        """Run it; the end of the script where it fails."""
        before = _cpu_seconds_of_children()
        done = subprocess.run(self._command, cwd=common.ROOT, capture_output=True, text=True, check=False)  # noqa: S603  (our own command)
        self.cpu_seconds.append(_cpu_seconds_of_children() - before)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(self._command)[:200]} failed:\n{done.stderr[-500:]}")
        self.last_lines.append(done.stdout.rpartition("\n")[0].rpartition("\n")[2])


def _cpu_seconds_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _copies(folder: Path, num: int) -> Path:
    folder.mkdir()
    for i in range(num):
        shutil.copy(machine.HYBRID, folder / f"{i:03}.json")
    return folder


def modules_of_validate(paths: Sequence[str], file: Path) -> list[str]:
    """Return the names of the modules that a validation has imported when it ends, in the order of their import."""
    text = (
        "import atexit, json, sys\n"
        f"atexit.register(lambda: json.dump(list(sys.modules), open({str(file)!r}, 'w')))\n"
        f"sys.argv = ['main.py', 'validate', *{list(paths)!r}]\n"
        "from recombine.cli import main\n"
        "main()\n"
    )
    Command([sys.executable, "-c", text])()
    names: list[str] = json.loads(file.read_text(encoding="utf-8"))
    return names


def importing(names: Sequence[str]) -> str:
    """Return a program that imports modules by name; those that are made at run time are not there to be imported."""
    return (
        "import contextlib, importlib, sys\n"
        f"{_TORCHVISION if 'torchvision' in names else ''}"
        f"for name in {[name for name in names if name != '__main__']!r}:\n"
        "    if name not in sys.modules:\n"
        "        with contextlib.suppress(ImportError):\n"
        "            importlib.import_module(name)\n"
    )


if __name__ == "__main__":
    main()
