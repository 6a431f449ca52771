"""What the measuring scripts share: where results are kept, and how they get there."""

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results"


def write(name: str, content: Any) -> None:
    """Write a result file, whole or not at all."""
    RESULTS.mkdir(exist_ok=True)
    beside = RESULTS / f".{name}.part"
    beside.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    beside.replace(RESULTS / name)


def read(name: str) -> Any:
    """Return the content of a result file, or None where the script that writes it has not run."""
    path = RESULTS / name
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def history(folder: Path) -> dict[str, dict[str, float]]:
    """Return the scores at each evaluation of a run, by ``phase:iteration``."""
    lines = [json.loads(line) for line in (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()]
    return {
        f"{line['phase']}:{line['iteration']}": line["scores"]
        for line in lines
        if line["event"] == "evaluation" and line["scores"] is not None
    }


def summary(result_file: Path) -> dict[str, Any]:
    """Return what a table needs of a run's ``result.json``, without paths of the machine it ran on."""
    result = json.loads(result_file.read_text(encoding="utf-8"))
    datasets = {
        name: {key: value for key, value in dataset.items() if key != "assignments"}
        for name, dataset in result["datasets"].items()
    }
    kept = ("method", "status", "seed", "seconds", "config_hash", "packages")
    environment = json.loads((result_file.parent / "environment.json").read_text(encoding="utf-8"))
    machine = {key: environment[key] for key in ("device", "threads", "processors")}
    return {**{key: result[key] for key in kept}, "machine": machine, "datasets": datasets}
