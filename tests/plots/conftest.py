import pytest

from tests.pictures import TWO_PHASES, run_of


@pytest.fixture(scope="session")
def two_phases(tmp_path_factory):
    """Return the folder of a finished run of two phases with embeddings every iteration."""
    return run_of(tmp_path_factory.mktemp("two_phases"), TWO_PHASES, interval=1)
