import json
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recombine.errors import UsageError
from recombine.sweeps import MOST_VALUES, SweepError, values


def refusal(text):
    """Return why a text is refused."""
    with pytest.raises(SweepError) as caught:
        values(text)
    return str(caught.value)


def as_written(found):
    """Return values as JSON, in which 1, 1.0 and true differ."""
    return json.dumps(found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("choice(a,b,c)", ["a", "b", "c"]),
        ("choice( 0.1 , x , true, null )", [0.1, "x", True, None]),
        ("choice(1)", [1]),
        ('choice("a,b",[1,2],{"k": [3, 4]})', ["a,b", [1, 2], {"k": [3, 4]}]),
        ("choice(choice(a,b),c)", ["a", "b", "c"]),
        ("range(3)", [0, 1, 2]),
        ("range(1,4)", [1, 2, 3]),
        ("range(0,10,3)", [0, 3, 6, 9]),
        ("range(3,0,-1)", [3, 2, 1]),
        ("range(-2,1)", [-2, -1, 0]),
        ("range(0,10,3.3)", [0.0, 3.3, 6.6, 9.9]),
        ("range(0,1,0.1)", [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]),
        ("range(0,0.3,0.1)", [0.0, 0.1, 0.2]),
        ("range(0.3,0,-0.1)", [0.3, 0.2, 0.1]),
        ("range(1e-3,4e-3,1e-3)", [0.001, 0.002, 0.003]),
        ("range(1.0,3)", [1.0, 2.0]),
        ("range(0,3.0)", [0.0, 1.0, 2.0]),
        ("range(start=1,stop=3)", [1, 2]),
        ("range(stop = 3)", [0, 1, 2]),
        ("range(1,step=2,stop=6)", [1, 3, 5]),
        ("range(4,step=2)", [0, 2]),
        ("range( 1 , 3 )", [1, 2]),
        ("0.5,range(1,3)", [0.5, 1, 2]),
        ("range(2),range(10,30,10)", [0, 1, 10, 20]),
        ("choice(none,range(2))", ["none", 0, 1]),
        ("sort(3,1,2)", [1, 2, 3]),
        ("sort(3,1,2,reverse=true)", [3, 2, 1]),
        ("sort(range(3),reverse=True)", [2, 1, 0]),
        ("sort(choice(b,a),reverse=false)", ["a", "b"]),
        ("sort(1.5,1,range(4,6))", [1, 1.5, 4, 5]),
        ("sort(1)", [1]),
        ("a, b", ["a", "b"]),
        (" range(2) ", [0, 1]),
    ],
)
def test_words_make_values(text, expected):
    assert as_written(values(text)) == as_written(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"range(3)"', ["range(3)"]),
        ('"choice(a,b)","x"', ["choice(a,b)", "x"]),
        ('["range(3)"]', [["range(3)"]]),
        ('choice("range(3)",1)', ["range(3)", 1]),
        ("my range(3)", ["my range(3)"]),
        ("data (old)", ["data (old)"]),
        ("data (a,b)", ["data (a,b)"]),
        ("(a", ["(a"]),
        ("range", ["range"]),
        ("range,choice", ["range", "choice"]),
        ("[range(3)]", ["[range(3)]"]),
        ('5" x', ['5" x']),
        (" a ", [" a "]),
        ("", [""]),
        ('"",a', ["", "a"]),
    ],
)
def test_what_only_contains_a_word_stays_text(text, expected):
    assert values(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("range(0,3,0)", "range(0,3,0) never ends: its step is 0. Write a step above 0, or below 0 to count down"),
        (
            "range(3,0)",
            "range(3,0) is empty: counting up, nothing lies between start and stop. "
            "Exchange start and stop, or negate step",
        ),
        (
            "range(0,3,-1)",
            "range(0,3,-1) is empty: counting down, nothing lies between start and stop. "
            "Exchange start and stop, or negate step",
        ),
        (
            "range(3,3)",
            "range(3,3) is empty: counting up, nothing lies between start and stop. "
            "The stop itself does not belong to it",
        ),
        ("range(10001)", "range(10001) stands for more than 10,000 values. Sweep over fewer"),
        ("range(0,1e300,1e-300)", "range(0,1e300,1e-300) stands for more than 10,000 values. Sweep over fewer"),
        ("range(9999),a,b", "it stands for more than 10,000 values. Sweep over fewer"),
        (
            "range()",
            "range() has no stop: write range(stop), range(start,stop) or range(start,stop,step)",
        ),
        (
            "range(start=1)",
            "range(start=1) has no stop: write range(stop), range(start,stop) or range(start,stop,step)",
        ),
        ("range(1,2,3,4)", "range(1,2,3,4): write range(stop), range(start,stop) or range(start,stop,step)"),
        ("range(1,2,start=3)", "range(1,2,start=3): start is given twice"),
        ("range(1,start=3)", "range(1,start=3): start is given twice"),
        ("range(stop=1,stop=3)", "range(stop=1,stop=3): stop is given twice"),
        ("range(stop=1,3)", "range(stop=1,3): 3 stands after a named argument. Put it before"),
        ("range(0,3,stepp=1)", 'range(0,3,stepp=1): there is no argument called "stepp" here. Did you mean "step"?'),
        ("range(a,3)", 'range(a,3): start is a number, not "a"'),
        ("range(0,true)", 'range(0,true): stop is a number, not "true"'),
        ('range(0,"3")', 'range(0,"3"): stop is a number, not ""3""'),
        ("range(0,1e999)", 'range(0,1e999): stop is a number, not "1e999"'),
        ("range(0,range(3))", 'range(0,range(3)): stop is a number, not "range(3)"'),
        ("range(0,,3)", 'range(0,,3): stop is a number, not ""'),
        ("choice()", "choice() holds no value. Write for example choice(a,b)"),
        ("choice( )", "choice( ) holds no value. Write for example choice(a,b)"),
        (
            "choice(a=b,c)",
            'choice(a=b,c): there is no argument called "a" here. Text with "=" stands in quotes.',
        ),
        ("sort()", "sort() holds no value. Write for example choice(a,b)"),
        ("sort(1,a)", "sort(1,a) cannot be put in order: sort takes numbers alone, or texts alone"),
        ("sort(1,true)", "sort(1,true) cannot be put in order: sort takes numbers alone, or texts alone"),
        ("sort([2,1])", "sort([2,1]) cannot be put in order: sort takes numbers alone, or texts alone"),
        ("sort(2,1,reverse=1)", 'sort(2,1,reverse=1): reverse is true or false, not "1"'),
        (
            "range(0,3",
            'a ")" is missing. Text that holds brackets and commas stands in quotes: "..."',
        ),
        ("range(0,3))", 'a ")" closes nothing. Text that holds brackets and commas stands in quotes: "..."'),
        ("range(0,[3)]", 'a ")" closes nothing. Text that holds brackets and commas stands in quotes: "..."'),
        ("[1,2", 'a "]" is missing. Text that holds brackets and commas stands in quotes: "..."'),
        ("a),b", 'a ")" closes nothing. Text that holds brackets and commas stands in quotes: "..."'),
        ("range(3)x", 'range(3)x goes on after the parenthesis of "range". Write a comma between two values'),
        ("range(3)(4)", 'a ")" closes nothing. Text that holds brackets and commas stands in quotes: "..."'),
        ('"a,b', 'a quotation mark is not closed. Close it, or write \\" for one within quotes'),
        ("1,,2", 'nothing stands before or after a comma. Remove the comma, or write "" for the empty text'),
        ("1,", 'nothing stands before or after a comma. Remove the comma, or write "" for the empty text'),
        ("choice(,a)", 'nothing stands before or after a comma. Remove the comma, or write "" for the empty text'),
        ("1,2,1", "the value 1 stands twice, and each makes one run. Remove one"),
        ("1,1.0", "the value 1.0 stands twice, and each makes one run. Remove one"),
        ("2,range(3)", "the value 2 stands twice, and each makes one run. Remove one"),
        ('a,"a"', 'the value "a" stands twice, and each makes one run. Remove one'),
        (
            '{"a":1,"b":2},{"b":2,"a":1}',
            'the value {"b": 2, "a": 1} stands twice, and each makes one run. Remove one',
        ),
        (
            "rnage(3)",
            'rnage(...) is no word of a sweep. Did you mean "range"? Text stands in quotes: "rnage(...)"',
        ),
        (
            "f(1,2)",
            'f(...) is no word of a sweep. Known here: "choice", "range", "sort". Text stands in quotes: "f(...)"',
        ),
        (
            "interval(0,1)",
            "interval(...) makes no sweep: it holds endlessly many values, which are for an optimizer to choose from; "
            "a sweep runs every value. Write range(start,stop,step), or the values",
        ),
        (
            "shuffle(a,b)",
            "shuffle(...) makes no sweep: runs do not depend on their order, so that shuffling changes nothing. "
            "Leave the word out",
        ),
        (
            "glob(*)",
            "glob(...) makes no sweep: it picks among files of a configuration group, of which there are none here. "
            "Write the values",
        ),
        (
            "tag(x,range(3))",
            "tag(...) makes no sweep: tags are for optimizers, and a sweep here has none. Leave the word out",
        ),
        (
            "float(range(3))",
            "float(...) makes no sweep: there is nothing to convert. Write values as they are meant: "
            '1, 1.0, true, or "1" for text',
        ),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_remedy(text, message):
    assert refusal(text) == message


def test_words_are_refused_within_others_too():
    assert refusal("1,choice(a,sort(shuffle(b)))") == refusal("shuffle(b)")


def test_a_refusal_is_a_mistake_of_the_user():
    assert issubclass(SweepError, UsageError)


def test_true_and_one_are_two_values():
    assert as_written(values("1,true,0,false")) == "[1, true, 0, false]"


def test_as_many_values_as_are_allowed():
    assert values(f"range({MOST_VALUES})") == list(range(MOST_VALUES))


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "1,[" + "[" * 9999 + "]" * 10_000, "choice(" * 1000 + "1" + ")" * 1000]
)
def test_deep_nesting_is_the_user_s_mistake(text):
    assert "are nested too deeply" in refusal(text)


WHOLE = st.integers(-50, 50)
DECIMAL = st.decimals(-5, 5, places=2)


@given(WHOLE, WHOLE, WHOLE.filter(bool))
def test_ranges_of_integers_are_those_of_python(start, stop, step):
    expected = list(range(start, stop, step))
    text = f"range({start},{stop},{step})"
    if expected:
        assert values(text) == expected
    else:
        assert "is empty" in refusal(text)


@given(DECIMAL, DECIMAL, DECIMAL.filter(bool))
def test_ranges_of_decimals_are_exact_and_half_open(start, stop, step):
    text = f"range({start},{stop},{step})"
    expected = []
    while (Fraction(stop) - Fraction(start) - len(expected) * Fraction(step)) * (1 if step > 0 else -1) > 0:
        expected.append(float(start + len(expected) * step))
    if expected:
        assert values(text) == expected
        assert all(len(repr(abs(value))) <= 5 for value in values(text))
    else:
        assert "is empty" in refusal(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.lists(JSON, min_size=1, max_size=5, unique_by=lambda value: json.dumps(value, sort_keys=True)))
def test_values_written_as_json_come_back(given_values):
    texts = [json.dumps(value) for value in given_values]
    same = len({json.dumps(whole(value), sort_keys=True) for value in given_values}) < len(given_values)
    for text in (
        ",".join(texts),
        f"choice({','.join(texts)})",
        f"choice({texts[0]})" if len(texts) == 1 else " , ".join(texts),
    ):
        if same:
            assert "stands twice" in refusal(text)
        else:
            assert as_written(values(text)) == as_written(given_values)


def whole(value):
    """Return a float that is a whole number as an integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


@given(st.text(alphabet='range(choice),[]{}"=0123.-e \\', max_size=30) | st.text())
def test_every_text_has_values_or_a_reason(text):
    try:
        found = values(text)
    except SweepError as error:
        assert len(str(error)) > 10
    else:
        assert 1 <= len(found) <= MOST_VALUES
        assert all(not isinstance(value, float) or math.isfinite(value) for value in found)
        json.dumps(found, allow_nan=False)
