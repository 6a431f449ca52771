import pytest
import torch

from recombine.errors import DataError
from recombine.torchvision_transform import build_transform


def test_strings_become_what_torchvision_wants() -> None:
    resize = build_transform({"type": "Resize", "size": [8, 9], "interpolation": "bicubic"})
    assert resize.interpolation.value == "bicubic"
    assert resize.size == (8, 9)
    assert build_transform({"type": "ConvertImageDtype", "dtype": "float64"}).dtype == torch.float64
    assert build_transform({"type": "AutoAugment", "policy": "cifar10"}).policy.value == "cifar10"


def test_nested_transforms() -> None:
    spec = {"type": "RandomApply", "p": 0.3, "transforms": [{"type": "RandomHorizontalFlip", "p": 0.25}]}
    built = build_transform(spec)
    assert built.p == 0.3
    assert built.transforms[0].p == 0.25


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"type": "RandomAffin", "degrees": 3}, 'did you mean "RandomAffine"'),
        ({"degrees": 3}, "there is no transform"),
        ({"type": "RandomAffine", "degree": 3}, 'no argument "degree"; did you mean "degrees"'),
        ({"type": "RandomAffine"}, 'needs the argument "degrees"'),
        ({"type": "RandomAffine", "degrees": 3, "scale": [-1, 1]}, "scale values should be positive"),
        ({"type": "Resize", "size": 3, "interpolation": "cubic"}, '"interpolation" is one of nearest, .*not "cubic"'),
        ({"type": "ConvertImageDtype", "dtype": "nn"}, '"dtype" is the name of a torch dtype'),
        ({"type": "Lambda", "lambd": "print"}, "runs code"),
        ({"type": "RandomApply", "transforms": [{"type": "Flip"}]}, 'there is no transform "Flip"'),
    ],
)
def test_mistakes(spec: dict, text: str) -> None:
    with pytest.raises(DataError, match=text):
        build_transform(spec)
