import subprocess
import sys

import pytest
import torch

from recombine import torchvision_import


def test_import_gives_transforms_and_datasets() -> None:
    module = torchvision_import.torchvision()
    assert module.__name__ == "torchvision"
    assert module.transforms.ToTensor.__name__ == "ToTensor"
    assert module.datasets.MNIST.__name__ == "MNIST"


def test_nothing_is_declared_beside_a_cpu_build(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text("")
    (tmp_path / "torchvision" / "version.py").write_text("__version__ = '0.28.0+cpu'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    assert not torchvision_import._built_for_cuda()
    (tmp_path / "torchvision" / "version.py").write_text("__version__ = '0.28.0+cu130'\n")
    assert torchvision_import._built_for_cuda()


@pytest.mark.skipif(
    torch.version.cuda is not None or not torchvision_import._built_for_cuda(),
    reason="torch and torchvision are of the same kind here",
)
def test_without_the_declaration_the_import_fails() -> None:
    done = subprocess.run([sys.executable, "-c", "import torchvision"], capture_output=True, text=True, check=False)  # noqa: S603
    assert "torchvision::nms does not exist" in done.stderr
