"""What tables call configurations and datasets: as short as tells them apart."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from recombine.result_files import RunRecord

_SHOWN_DIGITS = 8
_SEED = "/seed"


class Variant(NamedTuple):
    """What the runs of one configuration have in common, whatever they ran on.

    Attributes:
        method: The method's name.
        config_hash: SHA-256 of the configuration, or None where it is not known.
        results_version: Version of the program's results, or None.
        inputs: SHA-256 of the files that it reads beside its data, or None where there are none.
    """

    method: str
    config_hash: str | None
    results_version: int | None
    inputs: str | None = None


class Data(NamedTuple):
    """A dataset as runs saw it; its name alone where no run tells what it saw.

    Attributes:
        name: The dataset's name; empty where no run of a configuration came far enough to tell.
        num_samples: N, or None.
        samples_digest: SHA-256 of the samples, or None.
        labels_digest: SHA-256 of the labels, or None.
    """

    name: str = ""
    num_samples: int | None = None
    samples_digest: str | None = None
    labels_digest: str | None = None


@dataclass(frozen=True)
class Name:
    """What a table calls a configuration.

    Attributes:
        text: The method's name, and what tells it from other configurations of that name.
        overrides: The changes by which it differs from those, in full.
        pointers: What the short names of options in ``text`` stand for.
    """

    text: str
    overrides: tuple[str, ...] = ()
    pointers: Mapping[str, str] = field(default_factory=dict)


def variant_names(
    runs: Mapping[Variant, Sequence[RunRecord]], datasets: Mapping[Variant, Sequence[Data]]
) -> list[Name]:
    """Return what to call each configuration, in the order of ``runs``.

    The method's name is enough unless another configuration of that name ran on a dataset of the same name. Then the
    changes that not all of them have are appended, and where these are the same, digits of the configuration's hash.

    Args:
        runs: The runs of each configuration.
        datasets: What each configuration ran on.
    """
    rivals: dict[str, list[Variant]] = defaultdict(list)
    for variant in runs:
        rivals[variant.method].append(variant)
    names: dict[Variant, Name] = {}
    for method, variants in rivals.items():
        if _are_apart(variants, datasets):
            names |= {variant: Name(method) for variant in variants}
        else:
            names |= _with_digits(_with_overrides(method, {variant: runs[variant] for variant in variants}))
    return [names[variant] for variant in runs]


def dataset_names(datasets: Iterable[Data]) -> dict[Data, str]:
    """Return what to call each dataset: its name, with digits of a digest where other data has the same name."""
    rivals: dict[str, list[Data]] = defaultdict(list)
    for data in dict.fromkeys(datasets):
        rivals[data.name].append(data)
    return {data: _dataset_name(data, same) for same in rivals.values() for data in same}


def digits(digest: str | None, otherwise: str = "unknown") -> str:
    """Return the first digits of a digest."""
    return otherwise if digest is None else digest[:_SHOWN_DIGITS]


def _dataset_name(data: Data, same: Sequence[Data]) -> str:
    if len({other.samples_digest for other in same}) > 1:
        return f"{data.name} (data {digits(data.samples_digest)})"
    if len({other.labels_digest for other in same}) > 1:
        return f"{data.name} (labels {digits(data.labels_digest, 'none')})"
    return data.name


def _are_apart(variants: Sequence[Variant], datasets: Mapping[Variant, Sequence[Data]]) -> bool:
    """Tell whether no two configurations ran, as far as is known, on datasets of one name."""
    names = [{data.name for data in datasets[variant]} for variant in variants]
    return len(variants) == 1 or ("" not in set().union(*names) and sum(map(len, names)) == len(set().union(*names)))


def _with_overrides(method: str, runs: Mapping[Variant, Sequence[RunRecord]]) -> dict[Variant, Name]:
    """Append the changes that not all configurations have."""
    changes = {variant: _common_overrides(records) for variant, records in runs.items()}
    everywhere = set.intersection(*map(set, changes.values()))
    own = {variant: [text for text in found if text not in everywhere] for variant, found in changes.items()}
    pointers = list(dict.fromkeys(text.partition("=")[0] for found in own.values() for text in found))
    short = {pointer: _shortest(pointer, pointers) for pointer in pointers}
    return {variant: _named(method, found, short) for variant, found in own.items()}


def _named(method: str, changes: Sequence[str], short: Mapping[str, str]) -> Name:
    pairs = [text.partition("=") for text in changes]
    text = " ".join([method, *(f"{short[pointer]}={value}" for pointer, _, value in pairs)])
    return Name(text, tuple(changes), {short[pointer]: pointer for pointer, _, _ in pairs})


def _common_overrides(runs: Sequence[RunRecord]) -> list[str]:
    """Return the changes that all runs of a configuration have; the seed is none that tells it from others."""
    return [
        text
        for text in runs[0].overrides
        if text.partition("=")[0] != _SEED and all(text in run.overrides for run in runs)
    ]


def _shortest(pointer: str, pointers: Collection[str]) -> str:
    """Return the shortest end of a pointer, in whole parts, that no other one has."""
    parts = pointer.split("/")
    for start in range(len(parts) - 1, 0, -1):
        end = "/".join(parts[start:])
        if sum(f"/{other}".endswith(f"/{end}") for other in pointers) == 1:
            return end
    return pointer


def _with_digits(names: Mapping[Variant, Name]) -> dict[Variant, Name]:
    """Append digits of the hash, the version of the results and digits of other inputs where names are the same."""
    found = dict(names)
    for word in (_hash_word, _version_word, _inputs_word):
        rivals: dict[str, list[Variant]] = defaultdict(list)
        for variant, name in found.items():
            rivals[name.text].append(variant)
        for same in rivals.values():
            if len({word(variant) for variant in same}) > 1:
                found |= {variant: _extended(found[variant], word(variant)) for variant in same}
    return found


def _extended(name: Name, word: str) -> Name:
    return Name(f"{name.text} ({word})", name.overrides, name.pointers)


def _hash_word(variant: Variant) -> str:
    return digits(variant.config_hash)


def _version_word(variant: Variant) -> str:
    return f"results {variant.results_version}"


def _inputs_word(variant: Variant) -> str:
    return f"inputs {digits(variant.inputs, 'none')}"
