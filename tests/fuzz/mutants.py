"""Method files with a few random mistakes in them."""

import copy
import json
import string
from random import Random

#: What a value may become.
OTHER_VALUES = [
    None,
    True,
    False,
    0,
    -1,
    1,
    2,
    7,
    0.5,
    -2.5,
    1e-12,
    2**31,
    2**40,
    1e300,
    "",
    "x",
    "encoder",
    [],
    [1],
    {},
]
HOW_MANY = (1, 1, 1, 2, 3)


def mutant(method, draws: Random):
    """Return the text of a method file with one to three mistakes, and what they are."""
    method, done = copy.deepcopy(method), []
    for _ in range(draws.choice(HOW_MANY)):
        done.append(draws.choice(MISTAKES)(method, draws))
    text = json.dumps(method, indent=1)
    if draws.random() < 0.05:
        at = draws.randrange(len(text))
        text = text[:at] + draws.choice(["", ",", '"', "}", "\\", "\x00", "\u202e"]) + text[at + 1 :]
        done.append(f"cut at {at}")
    return text, done


def places(value, at=()):
    """Yield every place in a value: the container, the key or position in it, and the way there."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(pairs):
        yield value, key, (*at, key)
        yield from places(inner, (*at, key))


def _any(method, draws):
    return draws.choice(list(places(method)) or [({"x": 1}, "x", ("x",))])


def drop(method, draws):
    """Remove a key or an item."""
    owner, key, way = _any(method, draws)
    del owner[key]
    return f"drop {way}"


def misspell(method, draws):
    """Change a letter of a key or of a text."""
    owner, key, way = _any(method, draws)
    if isinstance(key, str) and draws.random() < 0.5:
        owner[_misspelt(key, draws)] = owner.pop(key)
    elif isinstance(owner[key], str):
        owner[key] = _misspelt(owner[key], draws)
    return f"misspell {way}"


def _misspelt(word, draws):
    at, letter = draws.randint(0, len(word)), draws.choice(string.ascii_letters + "_ .")
    return draws.choice(
        [word[:at] + letter + word[at:], word[:at] + word[at + 1 :], word[:at] + letter + word[at + 1 :]]
    )


def retype(method, draws):
    """Put another kind of value in a place."""
    owner, key, way = _any(method, draws)
    owner[key] = copy.deepcopy(draws.choice(OTHER_VALUES))
    return f"retype {way}"


def swap(method, draws):
    """Put a copy of one value in the place of another."""
    (owner, key, way), (other, its, from_) = _any(method, draws), _any(method, draws)
    owner[key] = copy.deepcopy(other[its])
    return f"swap {way} {from_}"


def nest(method, draws):
    """Wrap a value into a list or an object."""
    owner, key, way = _any(method, draws)
    inner = owner[key]
    owner[key] = draws.choice([[inner], {"value": inner}, {"type": inner}, [inner, copy.deepcopy(inner)]])
    return f"nest {way}"


def scale(method, draws):
    """Make a number another one of its kind."""
    numbers = [place for place in places(method) if type(place[0][place[1]]) in (int, float)]
    if not numbers:
        return "scale nothing"
    owner, key, way = draws.choice(numbers)
    owner[key] = draws.choice([owner[key] + 1, owner[key] - 1, owner[key] * 3, -owner[key], owner[key] / 2])
    return f"scale {way}"


MISTAKES = [drop, misspell, retype, swap, nest, scale]
