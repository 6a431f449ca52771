"""Where a run keeps what belongs to one of its datasets."""

from collections.abc import Sequence

from recombine.files import safe_name

#: Names that other files of a run's folder have.
_RESERVED = (
    "checkpoints",
    "config.json",
    "environment.json",
    "events.jsonl",
    "plots",
    "result.json",
    "run.json",
    "run.log",
    "saved.json",
    "traceback.txt",
)


def dataset_folders(names: Sequence[str]) -> dict[str, str]:
    """Return the folder within a run's folder for each dataset of a method.

    It depends on the names and their order alone, so that a run that goes on writes to the same place. Datasets whose
    names differ only in what a file name cannot hold, or in case, are numbered.
    """
    folders: dict[str, str] = {}
    taken = set(_RESERVED)
    for name in names:
        stem = folder = safe_name(name)
        number = 1
        while folder.casefold() in taken:
            number += 1
            folder = f"{stem}_{number}"
        taken.add(folder.casefold())
        folders[name] = folder
    return folders
