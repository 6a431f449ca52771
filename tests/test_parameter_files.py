import os
import pickle
import warnings
import zipfile

import numpy as np
import pytest
import torch
from torch import nn

from recombine.errors import ParameterFileError
from recombine.parameter_files import check_parameters, load_parameters, load_tensor, save_tensors


class Bomb:
    """Runs a command when it is unpickled without care."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return (os.system, (f"touch {self.target}",))


def module():
    """Return a network of four numbers and a bias of two."""
    return nn.Sequential(nn.Linear(2, 2))


def refusal(path, own=None):
    """Return why a file cannot be loaded."""
    with warnings.catch_warnings(), pytest.raises(ParameterFileError) as caught:
        warnings.simplefilter("error")
        check_parameters(own or module(), path)
    return str(caught.value)


def saved(path, content):
    """Write tensors to a file and return its path."""
    torch.save(content, path)
    return path


def test_parameters_come_back_as_they_were(tmp_path):
    first, second, path = module(), module(), tmp_path / "deep" / "x.pth"
    save_tensors(first.state_dict(), path)
    load_parameters(second, path)
    assert all(torch.equal(second.state_dict()[name], tensor) for name, tensor in first.state_dict().items())
    assert [file.name for file in path.parent.iterdir()] == ["x.pth"]


def test_a_tensor_comes_back_as_it_was(tmp_path):
    tensor = torch.arange(6.0).reshape(3, 2)
    save_tensors(tensor, tmp_path / "c.pth")
    assert torch.equal(load_tensor(tmp_path / "c.pth"), tensor)


def test_something_else_than_a_tensor_is_named(tmp_path):
    path = saved(tmp_path / "x.pth", {"a": torch.zeros(1)})
    with pytest.raises(ParameterFileError) as caught:
        load_tensor(path)
    assert str(caught.value) == f"{path}: holds dict, not a tensor"
    path = saved(tmp_path / "x.pth", torch.zeros(1))
    assert refusal(path) == f"{path}: holds Tensor, not the parameters of a mapping"


@pytest.mark.parametrize(
    ("content", "difference"),
    [
        (
            {"0.weight": torch.zeros(3, 2), "0.bias": torch.zeros(2)},
            '"0.weight" has the shape (3, 2), but the mapping needs (2, 2)',
        ),
        ({"0.weight": torch.zeros(2, 2)}, 'it lacks "0.bias"'),
        (
            {"0.weight": torch.zeros(2, 2), "0.bias": torch.zeros(2), "x": torch.zeros(1)},
            'it has "x", which the mapping lacks',
        ),
        ({"0.weight": torch.zeros(2, 2), "0.bias": 5}, '"0.bias" is no tensor'),
        ({"0.weight": torch.zeros(2, 2), "0.bias": None}, '"0.bias" is no tensor'),
        (
            {"state_dict": {"0.weight": torch.zeros(2, 2)}},
            'it lacks "0.weight"; it lacks "0.bias"; it has "state_dict", which the mapping lacks',
        ),
    ],
)
def test_parameters_of_another_network_say_how_they_differ(tmp_path, content, difference):
    path = saved(tmp_path / "x.pth", content)
    assert refusal(path) == f"{path}: does not fit the mapping: {difference}"


def test_many_differences_are_cut(tmp_path):
    path = saved(tmp_path / "x.pth", {str(i): torch.zeros(1) for i in range(5)})
    assert refusal(path).endswith('it has "1", which the mapping lacks; and 3 more')


def test_layers_without_sizes_take_any(tmp_path):
    first, lazy = module(), nn.Sequential(nn.LazyLinear(2))
    path = saved(tmp_path / "x.pth", first.state_dict())
    load_parameters(lazy, path)
    assert torch.equal(lazy[0].weight, first[0].weight)


@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("writer", ["pickle", "torch", "torch, old format"])
def test_a_bomb_does_not_go_off(tmp_path, writer, wrap):
    target, path = tmp_path / "executed", tmp_path / "bomb.pth"
    content = {"0.weight": Bomb(target), "0.bias": torch.zeros(2)} if wrap else Bomb(target)
    if writer == "pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=writer == "torch")
    assert refusal(path) == (
        f"{path}: refused: it is no plain file of tensors. Files with other objects can run code when opened; save the "
        "tensors alone (torch.save(module.state_dict(), path))"
    )
    assert not target.exists()
    function, arguments = Bomb(target).__reduce__()
    function(*arguments)
    assert target.exists()


def test_files_that_cannot_be_read_say_why(tmp_path):
    assert refusal(tmp_path / "no.pth") == f"{tmp_path}/no.pth: cannot be read: No such file or directory"
    assert refusal(tmp_path) == f"{tmp_path}: cannot be read: Is a directory"
    (tmp_path / "empty.pth").write_bytes(b"")
    assert refusal(tmp_path / "empty.pth") == f"{tmp_path}/empty.pth: cannot be read as a file of tensors: EOFError"


def test_a_program_of_torch_is_refused(tmp_path):
    path = tmp_path / "x.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/constants.pkl", b"")
        archive.writestr("x/version", b"3")
    assert refusal(path).startswith(f"{path}: cannot be read as a file of tensors: ")


def test_broken_files_are_told_in_one_line_whatever_is_in_them(tmp_path):
    path = saved(tmp_path / "x.pth", module().state_dict())
    whole, draws = path.read_bytes(), np.random.default_rng(0)
    for attempt in range(60):
        path.write_bytes(whole[: draws.integers(len(whole))] if attempt % 2 else draws.bytes(64))
        assert "\n" not in refusal(path)


def test_a_file_that_cannot_be_written_says_why(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ParameterFileError) as caught:
        save_tensors(torch.zeros(1), tmp_path / "file" / "deep" / "x.pth")
    assert str(caught.value) == f"{tmp_path}/file/deep/x.pth: cannot be written: Not a directory"
