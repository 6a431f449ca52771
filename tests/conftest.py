"""What tests of the command line share."""

import signal

import pytest

from recombine import cli


@pytest.fixture
def at_home(monkeypatch, tmp_path):
    """Work in a folder of its own, and give SIGTERM back what it did before."""
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RECOMBINE_DATA_ROOT", raising=False)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def call(capsys):
    """Return a function that calls the command line, and returns exit status, output and errors."""
    return lambda *arguments: called(capsys, *arguments)


def called(capsys, *arguments):
    """Call the command line in this process."""
    with pytest.raises(SystemExit) as caught:
        cli.main([str(argument) for argument in arguments], prog_name="recombine")
    output = capsys.readouterr()
    return caught.value.code, output.out, output.err
