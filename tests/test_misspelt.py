import pytest

from recombine.misspelt import certain, certain_name, slips


@pytest.mark.parametrize(
    ("word", "other", "number"),
    [
        ("", "", 0),
        ("abc", "abc", 0),
        ("", "abc", 3),
        ("abc", "", 3),
        ("lenght", "length", 1),
        ("lngth", "length", 1),
        ("lengtth", "length", 1),
        ("langth", "length", 1),
        ("kitten", "sitting", 3),
        ("ca", "abc", 3),
    ],
)
def test_slips_are_counted(word, other, number):
    assert slips(word, other) == slips(other, word) == number


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [
        ("batch_szie", ["batch_size", "shuffle"], "batch_size"),
        ("batchsize", ["batch_size"], "batch_size"),
        ("Batch-Size", ["batch_size"], "batch_size"),
        ("relu", ["ReLU", "SELU", "CELU", "ELU"], "ReLU"),
        ("num_cluster", ["num_clusters"], "num_clusters"),
        ("reconstructoin", ["reconstruction", "contrastive"], "reconstruction"),
    ],
)
def test_a_slip_of_the_fingers_is_certain(word, known, meant):
    assert certain(word, known) == meant


@pytest.mark.parametrize(
    ("word", "known"),
    [
        ("view", ["view_1", "view_2"]),
        ("name_3", ["name_1"]),
        ("Conv4d", ["Conv2d"]),
        ("acc_lt", ["acc_gt"]),
        ("in_size", ["on_size"]),
        ("Adan", ["Adam", "NAdam"]),
        ("encoder", ["Encoder", "ENCODER"]),
        ("zzz", ["abc"]),
        ("abc", []),
        ("lt", ["lr"]),
        ("same", ["same"]),
    ],
)
def test_what_may_mean_something_else_is_not(word, known):
    assert certain(word, known) == ""


@pytest.mark.parametrize(
    ("word", "meant"), [("encodr", "encoder"), ("encoderr", "encoder"), ("encdoer", "encoder"), ("Encoder", "encoder")]
)
def test_a_name_may_lack_a_letter_or_have_it_twice(word, meant):
    assert certain_name(word, ["encoder", "head"]) == meant


@pytest.mark.parametrize(("word", "known"), [("decoder", "encoder"), ("heads", "beads"), ("view_2", "view_1")])
def test_another_letter_is_another_name(word, known):
    assert certain_name(word, [known]) == ""


def test_no_name_is_near_to_none():
    assert certain_name("a", []) == certain_name("", ["b"]) == ""
