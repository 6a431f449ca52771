"""What becomes of a method file: it is refused with codes, or it runs a step of every phase."""

import math
from dataclasses import replace
from pathlib import Path
from unittest import mock

import torch

from recombine import preflight
from recombine.api import run
from recombine.datasets.base import open_dataset, own_datasets, own_parameters
from recombine.errors import DivergedError, RecombineError
from recombine.load import load_file
from recombine.plan_samples import made_samples
from recombine.problems import CODES, InvalidMethodError, has_errors
from recombine.shape_checks import with_shapes

REFUSED, RAN, DIVERGED, STOPPED = "refused", "ran", "diverged", "stopped with a message"
_BATCH, _SETS, _SAMPLES = 8, 2, 48
_LARGE, _CLUSTERS = 4096, 4
_SHARES = {"train": 0.4, "validation": 0.3, "test": 0.3}
_ANY_IMAGE = (3, 32, 32)


def outcome(path: Path, log_dir: Path) -> tuple[str, tuple[str, ...]]:
    """Return what became of a method file, and the codes with which it was refused; anything else is raised.

    A run has one iteration of every phase, on made samples of the shape of the dataset's.
    """
    loaded = with_shapes(load_file(path))
    if has_errors(loaded.problems):
        return REFUSED, codes(loaded.problems)
    try:
        with mock.patch.object(preflight, "load_samples", _made):
            run(path, overrides=shortened(loaded.require()), device="cpu", log_dir=log_dir)
    except InvalidMethodError as error:
        return REFUSED, codes(error.problems)
    except DivergedError:
        return DIVERGED, ()
    except RecombineError:
        return STOPPED, ()
    return RAN, ()


def codes(problems):
    """Return the codes of the errors among problems, each a known one with a message."""
    found = [problem for problem in problems if not problem.is_warning]
    assert found
    assert all(problem.code in CODES and problem.message and "\n" not in str(problem)[:20] for problem in found)
    return tuple(problem.code for problem in found)


def shortened(config):
    """Return the changes that make a run as short as can be."""
    changes = {}
    for i, phase in enumerate(config.resolved["phases"]):
        changes[f"/phases/{i}/exit_criteria"] = {"iterations": 1}
        if phase.get("performance_evaluation_interval") is not None:
            changes[f"/phases/{i}/performance_evaluation_interval"] = 1
    has_classifier = any(mapping["type"].endswith("classifier") for mapping in config.resolved["mappings"])
    for i, dataset in enumerate(config.resolved["datasets"]):
        most = _SETS if dataset.get("sets") else _BATCH
        changes[f"/datasets/{i}/batch_size"] = min(dataset["batch_size"], most)
        if dataset.get("sets"):
            changes |= _fewer_objects(f"/datasets/{i}", dataset)
        elif not has_classifier:
            changes[f"/datasets/{i}/num_clusters"] = min(dataset["num_clusters"], _CLUSTERS)
    return changes


def _fewer_objects(place, dataset):
    """Return the changes that make sets small, and the dataset that they are drawn from."""
    sets = dataset["sets"]
    least = dataset["num_clusters"] * sets["min_objects_per_cluster"]
    changes = {f"{place}/sets/num_evaluation_sets": 2, f"{place}/sets/num_objects": least}
    if all(isinstance(sets["classes"][part], float) for part in _SHARES):
        changes |= {f"{place}/sets/classes/{part}": share for part, share in _SHARES.items()}
    return changes


def _made(dataset, folder, data_root):
    """Return noise that looks like a dataset, in the place of its data."""
    del data_root
    own = own_datasets().get(dataset.dataset)
    if own is not None and "root" not in {parameter.name for parameter in own_parameters(dataset.dataset)}:
        open_dataset(dataset.dataset, dataset.arguments, folder)
    known = made_samples(dataset, folder)
    if known is None:
        known = made_samples(replace(dataset, dataset="FakeData", arguments={"image_size": _ANY_IMAGE}), folder)
    if dataset.sets is not None or known.set_generator is not None:
        return known
    shape = tuple(known.values[0].shape)
    count = max(_SAMPLES, 3 * dataset.num_clusters) if math.prod(shape) < _LARGE else dataset.num_clusters + _BATCH
    draws = torch.Generator().manual_seed(0)
    if known.values[0].dtype == torch.uint8:
        values = torch.randint(256, (count, *shape), generator=draws, dtype=torch.uint8)
    else:
        values = torch.rand(count, *shape, generator=draws)
    return replace(known, values=values, labels=torch.arange(count) % min(dataset.num_clusters, math.ceil(count / 2)))
