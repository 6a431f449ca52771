import pytest

from recombine import memory
from recombine.errors import DataError


def test_the_budget_is_half_of_the_memory(monkeypatch):
    monkeypatch.delenv("RECOMBINE_MEMORY_BUDGET", raising=False)
    monkeypatch.setattr(memory, "physical_memory", lambda: 8e9)
    assert memory.memory_budget() == 4e9


def test_the_user_may_set_it(monkeypatch):
    monkeypatch.setenv("RECOMBINE_MEMORY_BUDGET", " 1000 ")
    assert memory.memory_budget() == 1000
    monkeypatch.setenv("RECOMBINE_MEMORY_BUDGET", "8G")
    with pytest.raises(DataError, match='RECOMBINE_MEMORY_BUDGET is "8G", which is no number of bytes'):
        memory.memory_budget()


def test_a_machine_has_memory():
    assert memory.physical_memory() > 2**28


@pytest.mark.parametrize(("text", "size"), [("268435456\n", 2**28), ("max\n", None), ("9223372036854771712", None)])
def test_a_container_has_what_it_was_given(tmp_path, monkeypatch, text, size):
    whole = memory.physical_memory()
    (tmp_path / "limit").write_text(text)
    monkeypatch.setattr(memory, "_LIMITS", (tmp_path / "none", tmp_path / "limit"))
    assert memory.physical_memory() == (size or whole)


def test_in_words():
    assert (memory.in_words(3 * 2**29), memory.in_words(2**20)) == ("1.5 GiB", "1.0 MiB")
