"""Folders of runs as the command line leaves them, written without running anything."""

import json

PROTOCOL = "all samples, evaluation mode, plain view"


def dataset(acc=0.9, nmi=0.8, ari=0.7, **changes):
    """Return what a run says of a dataset."""
    content = {
        "num_samples": 1797,
        "num_clusters": 10,
        "samples_digest": "5a" * 32,
        "labels_digest": "1b" * 32,
        "scored_on": PROTOCOL,
        "oracle": [],
        "assignments": "Digits/assignments.csv",
        "scores": {"acc": acc, "nmi": nmi, "ari": ari, "ami": nmi - 0.01, "num_used_clusters": 10},
        "label_free": {"silhouette": 0.3, "sample_size": 2000, "space": "output of encoder"},
        "chosen": {
            "by": "silhouette",
            "value": 0.35,
            "phase": "p",
            "iteration": 3,
            "scores": {"acc": acc - 0.01, "nmi": nmi, "ari": ari},
        },
        "best": {"acc": {"value": acc + 0.02, "phase": "p", "iteration": 2}},
        "num_evaluations": 12,
    }
    return content | changes


def run(seed=0, method="dec", status="finished", config="c", **changes):
    """Return what ``result.json`` holds."""
    content = {
        "method": method,
        "source": f"{method}.json",
        "overrides": [],
        "status": status,
        "error": None,
        "seed": seed,
        "seconds": 1.5,
        "identity": f"{method}-{config}-{seed}",
        "config_hash": (config * 64)[:64],
        "results_version": 1,
        "generation": 1,
        "parameters": "0" * 64,
        "reused": [],
        "packages": {"torch": "2.13.0"},
        "datasets": {"Digits": dataset()} if status == "finished" else {},
    }
    return content | changes


def scored(seed, acc, **changes):
    """Return a finished run with an ACC."""
    return run(seed, datasets={"Digits": dataset(acc)}, **changes)


def start(content):
    """Return what ``run.json`` of a run holds."""
    data = {
        name: {"samples": entry["samples_digest"], "labels": entry["labels_digest"]}
        for name, entry in content["datasets"].items()
    }
    parts = {
        "configuration": content["config_hash"],
        "data": data,
        "inputs": content.get("inputs", {}),
        "seed": content["seed"],
        "results_version": content["results_version"],
    }
    kept = {key: content[key] for key in ("method", "source", "overrides", "identity", "generation")}
    return {**kept, "folder": "/somewhere", "parts": parts}


def write(log_dir, name, content=None, *, started=None):
    """Write a run's folder.

    ``content`` is the result, the text of a broken file, or None for no result; ``started`` is a run as well, of which
    only what identifies it is written.
    """
    folder = log_dir / name
    folder.mkdir(parents=True)
    if started is not None:
        (folder / "run.json").write_text(json.dumps(start(started)))
    if content is not None:
        text = content if isinstance(content, str) else json.dumps(content, indent=2)
        (folder / "result.json").write_text(text)
    return folder


def write_all(log_dir, contents):
    """Write many runs; return the folder that holds them."""
    for i, content in enumerate(contents):
        write(log_dir, f"2026-01-01_00-00-{i:02}_{content['method']}", content)
    return log_dir
