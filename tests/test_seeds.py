import pytest

from recombine.errors import UsageError
from recombine.seeds import Seeds, parse_seeds


@pytest.mark.parametrize(
    ("text", "own", "expected"),
    [
        (None, 7, [7]),
        ("1", 7, [7]),
        ("3", 7, [7, 8, 9]),
        (" 2 ", 0, [0, 1]),
        ("0,3,5-9", 7, [0, 3, 5, 6, 7, 8, 9]),
        ("5, 2 ,1-1", 7, [5, 2, 1]),
        ("4-4", 7, [4]),
        ("4,", 7, None),
        ("007", 1, [1, 2, 3, 4, 5, 6, 7]),
        ("0-9999", 1, list(range(10_000))),
        ("123456789012", 1, None),
        ("123456789012-123456789013", 1, [123456789012, 123456789013]),
    ],
)
def test_numbers_count_and_lists_name(text, own, expected):
    if expected is None:
        with pytest.raises(UsageError):
            parse_seeds(text)
    else:
        assert list(parse_seeds(text)(own)) == expected


def test_without_anything_a_method_has_its_own_seed():
    assert list(Seeds()(3)) == [3]
    assert list(Seeds(count=2)(3)) == [3, 4]
    assert list(Seeds(listed=(9,))(3)) == [9]


NEITHER = "write a number of seeds (10), or a list of them (0,3,5-9)"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        *(
            (text, f'--seeds "{text}": {NEITHER}')
            for text in ("", "a", "-1", "1.5", "1-", "1,,2", "1-2-3", "1;2", "0x3")
        ),
        ("0", '--seeds "0" names no seed'),
        ("9-5", '--seeds "9-5" names no seed'),
        ("3,3", '--seeds "3,3" names a seed twice'),
        ("0-5,4", '--seeds "0-5,4" names a seed twice'),
        ("10001", '--seeds "10001" names more than 10,000 seeds'),
        ("0-10000", '--seeds "0-10000" names more than 10,000 seeds'),
        ("0-5000,6000-11000", '--seeds "0-5000,6000-11000" names more than 10,000 seeds'),
        ("0-999999999999", '--seeds "0-999999999999" names more than 10,000 seeds'),
        ("9" * 19, f'--seeds "{"9" * 19}" names more than 10,000 seeds'),
        ("1" * 5000, f'--seeds "{"1" * 5000}": {NEITHER}'),
    ],
)
def test_what_is_neither_is_the_user_s_mistake(text, message):
    with pytest.raises(UsageError) as caught:
        parse_seeds(text)
    assert str(caught.value) == message
