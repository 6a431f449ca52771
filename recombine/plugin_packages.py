"""Which installed packages offer design patterns, and which of them the user has allowed. Nothing of theirs is run."""

from importlib import metadata

GROUP = "recombine.design_patterns"

#: The packages that were allowed in this process, with their versions.
_allowed: dict[str, str] = {}


def offered() -> dict[str, str]:
    """Return the installed package that offers each pattern, by the pattern's identifier."""
    found = {point.name: point.dist.name for point in metadata.entry_points(group=GROUP) if point.dist is not None}
    return dict(sorted(found.items()))


def allowed() -> dict[str, str]:
    """Return the versions of the packages that the user has allowed, by their names."""
    return dict(_allowed)


def remember(package: str, version: str) -> None:
    """Count a package among those that the user has allowed."""
    _allowed[package] = version
