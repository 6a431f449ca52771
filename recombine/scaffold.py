"""What ``recombine new`` writes: a method, or a package with a design pattern, to begin with and to change."""

import keyword
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Template

from recombine import registry
from recombine.errors import UsageError
from recombine.files import write_text
from recombine.problems import printable

_TEMPLATES = Path(__file__).parent / "templates"
_SUFFIX = ".tmpl"
_ID = re.compile(r"[a-z][a-z0-9_]{0,49}\Z")
_METHOD_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,49}\Z")
_PREFIX = "recombine"


@dataclass(frozen=True)
class Scaffold:
    """What was written.

    Attributes:
        place: The file or the folder.
        next: Commands to go on with.
    """

    place: Path
    next: tuple[str, ...]


def new_method(name: str, folder: Path) -> Scaffold:
    """Write a method file into a folder: it validates and runs as it is.

    Raises:
        UsageError: The name is none for a file, or the file is there already.
    """
    if not _METHOD_NAME.match(name):
        raise UsageError(f'"{printable(name)}" cannot name a method file: take letters, digits, - and _')
    place = folder / f"{name}.json"
    _refuse_existing(place)
    write_text(place, _filled(_TEMPLATES / "method" / f"name.json{_SUFFIX}", {"name": name}))
    shown = printable(str(place))
    return Scaffold(place, (f"recombine validate {shown}", f"recombine plan {shown}", f"recombine run {shown}"))


def new_pattern(name: str, folder: Path) -> Scaffold:
    """Write a package with a design pattern into a folder: schema, module, an example, and tests that pass.

    Raises:
        UsageError: The name cannot be that of a Python module, is taken, or the package is there already.
    """
    if not _ID.match(name) or keyword.iskeyword(name):
        raise UsageError(f'"{printable(name)}" cannot name a pattern: take small letters, digits and _, like "my_loss"')
    if any(name in (entry.id, *entry.aliases) for entry in registry.patterns().values()):
        raise UsageError(f'there is a pattern "{name}" already: `recombine explain {name}` tells about it')
    words = {
        "id": name,
        "Class": "".join(part.capitalize() for part in name.split("_")),
        "package": f"{_PREFIX}_{name}",
        "distribution": f"{_PREFIX}-{name.replace('_', '-')}",
    }
    place = folder / words["distribution"]
    _refuse_existing(place)
    _write_whole(place, dict(_files(words)))
    shown, plugin = printable(str(place)), f"--plugin {words['distribution']}"
    return Scaffold(
        place,
        (
            f"pip install -e {shown}",
            f"recombine validate {plugin} {shown}/example.json",
            f"recombine run {plugin} {shown}/example.json",
            f"python -m pytest {shown}/tests",
        ),
    )


def _files(words: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield paths and texts of the files of a package."""
    root = _TEMPLATES / "pattern"
    for path in sorted(root.rglob(f"*{_SUFFIX}")):
        relative = path.relative_to(root).as_posix().removesuffix(_SUFFIX)
        place = relative.replace("package/", f"{words['package']}/").replace("id.", f"{words['id']}.")
        yield place, _filled(path, words)
    yield "example.json", _example(words["id"])


def _example(name: str) -> str:
    """Return the method of ``recombine new method`` with the pattern as a companion of its first phase."""
    text = _filled(_TEMPLATES / "method" / f"name.json{_SUFFIX}", {"name": f"{name}_example"})
    marker = '          "loss_report_interval": 500\n        }\n'
    block = f'        {{ "pattern": "{name}", "encoder_name": "encoder", "loss_weight": 0.1 }}\n'
    return text.replace(marker, f"{marker.rstrip()},\n{block}")


def _filled(path: Path, words: dict[str, str]) -> str:
    return Template(path.read_text(encoding="utf-8")).substitute(words)


def _refuse_existing(place: Path) -> None:
    if place.exists() or place.is_symlink():
        raise UsageError(f"{printable(str(place))} is there already, and nothing was written")


def _write_whole(place: Path, files: dict[str, str]) -> None:
    """Write the files of a folder, all or none: beside it first, then renamed."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=f".{place.name}.") as beside:
        whole = Path(beside) / place.name
        for name, text in files.items():
            write_text(whole / name, text)
        whole.rename(place)
