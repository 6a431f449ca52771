from pathlib import Path

from recombine.group_names import Data, Variant, dataset_names, variant_names
from recombine.result_files import RunRecord

DIGITS = Data("Digits", 1797, "5a" * 32, "1b" * 32)
LR, MOMENTUM = "/phases/1/optimizers/0/lr", "/phases/1/optimizers/0/momentum"


def named(*overrides, method="dec", hashes=None, data=None):
    """Return what configurations with the given overrides (of one or several runs) are called."""
    runs, datasets = {}, {}
    for i, texts in enumerate(overrides):
        variant = Variant(method, None if hashes and hashes[i] is None else f"{i:08x}" * 8, 1)
        runs[variant] = [RunRecord(Path(str(i)), method, "finished", overrides=tuple(one)) for one in texts]
        datasets[variant] = [DIGITS] if data is None else data[i]
    return variant_names(runs, datasets)


def texts(*overrides, **options):
    """Return the names alone."""
    return [name.text for name in named(*overrides, **options)]


def test_the_only_configuration_of_a_method_has_its_name():
    assert texts([[f"{LR}=0.1"]]) == ["dec"]


def test_overrides_that_differ_are_appended_by_their_shortest_ends():
    first, second = named([[f"{LR}=0.1", "/device=cpu"]], [["/device=cpu", f"{LR}=0.01"]])
    assert (first.text, second.text) == ("dec lr=0.1", "dec lr=0.01")
    assert first.overrides == (f"{LR}=0.1",)
    assert first.pointers == {"lr": LR}


def test_the_file_as_it_stands_keeps_the_methods_name():
    assert texts([[]], [[f"{LR}=0.1"]], [[f"{LR}=0.1", f"{MOMENTUM}=0"]]) == [
        "dec",
        "dec lr=0.1",
        "dec lr=0.1 momentum=0",
    ]


def test_ends_are_as_long_as_it_takes():
    other = "/phases/0/optimizers/0/lr"
    assert texts([[f"{LR}=1"]], [[f"{other}=1"]]) == ["dec 1/optimizers/0/lr=1", "dec 0/optimizers/0/lr=1"]
    assert texts([["/a/lr=1"]], [["/lr=1"]]) == ["dec a/lr=1", "dec /lr=1"]


def test_values_may_hold_anything():
    assert texts([['/phases/[a]/x={"b": "=/"}']], [['/phases/[a]/x=""']]) == ['dec x={"b": "=/"}', 'dec x=""']


def test_the_seed_is_no_difference_and_changes_must_be_those_of_all_runs():
    assert texts([["/seed=1"], ["/seed=2"]], [["/seed=1", f"{LR}=1"]]) == ["dec", "dec lr=1"]
    assert texts([[f"{LR}=1"], []], [[f"{MOMENTUM}=1"]]) == ["dec", "dec momentum=1"]


def test_digits_of_the_hash_tell_apart_what_overrides_do_not():
    assert texts([[]], [[]], [[f"{LR}=1"]]) == ["dec (00000000)", "dec (00000001)", "dec lr=1"]
    assert texts([[]], [[]], hashes=["x", None]) == ["dec (00000000)", "dec (unknown)"]


def test_the_version_of_results_is_the_last_resort():
    variants = [Variant("dec", "ab" * 32, 1), Variant("dec", "ab" * 32, 2)]
    runs = {variant: [RunRecord(Path("a"), "dec", "finished")] for variant in variants}
    names = variant_names(runs, dict.fromkeys(variants, [DIGITS]))
    assert [name.text for name in names] == ["dec (results 1)", "dec (results 2)"]


def test_configurations_on_different_datasets_need_nothing_more():
    assert texts([[]], [[]], data=[[DIGITS], [Data("MNIST")]]) == ["dec", "dec"]
    assert texts([[]], [[]], data=[[DIGITS], [Data("MNIST"), DIGITS]]) == ["dec (00000000)", "dec (00000001)"]
    assert texts([[]], [[]], data=[[DIGITS], [Data("")]]) == ["dec (00000000)", "dec (00000001)"]


def test_datasets_of_one_name_are_told_apart_by_what_differs():
    other, relabelled = DIGITS._replace(samples_digest="7c" * 32), DIGITS._replace(labels_digest=None)
    assert dataset_names([DIGITS, DIGITS]) == {DIGITS: "Digits"}
    assert list(dataset_names([DIGITS, other]).values()) == ["Digits (data 5a5a5a5a)", "Digits (data 7c7c7c7c)"]
    assert list(dataset_names([DIGITS, relabelled]).values()) == ["Digits (labels 1b1b1b1b)", "Digits (labels none)"]
    assert dataset_names([DIGITS, Data("Digits")])[Data("Digits")] == "Digits (data unknown)"
