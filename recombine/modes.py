"""Networks in evaluation mode for a while."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import nn

from recombine.mapping import Mapping


@contextmanager
def evaluating(mappings: Sequence[Mapping]) -> Iterator[None]:
    """Put mappings in evaluation mode, then every module of them back into the mode it was in."""
    modules: list[nn.Module] = [module for mapping in mappings for module in mapping.modules()]
    training = [module.training for module in modules]
    try:
        for mapping in mappings:
            mapping.eval()
        yield
    finally:
        for module, mode in zip(modules, training, strict=True):
            module.training = mode
