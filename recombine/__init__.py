"""Describe deep clustering methods in JSON; train, score and recombine them.

``recombine.run("method.json")`` trains and scores a method and returns a :class:`recombine.results.Result`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recombine.api import run
    from recombine.results import Result

__all__ = ["Result", "run"]

_HOMES = {"run": "recombine.api", "Result": "recombine.results"}


def __getattr__(name: str) -> Any:
    """Import what is public on first use, so that ``recombine --help`` need not import torch."""
    if name not in _HOMES:
        raise AttributeError(f"module 'recombine' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
