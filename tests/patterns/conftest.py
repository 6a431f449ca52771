import pytest

from tests.patterns.world import World


@pytest.fixture
def world():
    """The small method in float64."""
    return World()
