import pytest

from recombine import factory
from recombine.catalog import entries
from recombine.cli import list_

KINDS = list_.params[0].type.choices


@pytest.mark.parametrize(
    ("kind", "some"),
    [
        ("patterns", {"reconstruction": "Training a feature extractor through reconstruction of samples"}),
        ("strategies", {"classifier": "Cluster assignment by the output of classifiers"}),
        ("datasets", {"MNIST": "of torchvision.datasets"}),
        ("layers", {"Linear": ""}),
        ("initializers", {"xavier_uniform_": ""}),
        ("functions", {"normalize": ""}),
        ("optimizers", {"Adam": ""}),
        ("schedulers", {"StepLR": ""}),
        ("transforms", {"RandomCrop": ""}),
    ],
)
def test_everything_that_can_be_named_is_listed(kind, some):
    assert kind in KINDS
    found = dict(entries(kind))
    assert some.items() <= found.items()
    assert len(found) >= 3


def test_own_datasets_come_first_with_a_line_about_them():
    (name, title), *_ = entries("datasets")
    assert name in ("COIL20", "Digits", "Table")
    assert dict(entries("datasets"))["Digits"].startswith("1,797 gray images")


@pytest.mark.parametrize(
    ("kind", "refused"),
    [("datasets", "Kinetics"), ("transforms", "Lambda"), ("layers", "Module"), ("optimizers", "LBFGS")],
)
def test_what_is_refused_is_not_listed(kind, refused):
    assert refused not in dict(entries(kind))


def test_every_kind_of_the_command_line_is_there_and_every_hint_names_one():
    assert all(list(entries(kind)) for kind in KINDS)
    assert {kind.plural for kind in factory.KINDS.values()} | {"datasets", "transforms"} <= set(KINDS)
