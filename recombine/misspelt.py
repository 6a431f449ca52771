"""Words that differ from a known one by a slip of the fingers: which of them is meant beyond doubt?"""

import re
from collections.abc import Iterable

_MOST_SLIPS = 2
#: Parts of a word that are shorter say too much with every letter: gt and lt, acc and nmi, in and out.
_SHORTEST_PART = 4
_SHORTEST_FOR_TWO_SLIPS = 6
_DIGITS = re.compile(r"\d+")
_JOINTS = re.compile(r"[_\-. ]+")


def certain(word: str, known: Iterable[str]) -> str:
    """Return the one of the ``known`` words that was meant beyond doubt, or an empty string.

    A word that differs in case or joints alone was meant, if it is the only one. Otherwise a single word is near, it is
    at most two slips away, and neither numbers nor short parts of it differ.
    """
    words = sorted(set(known))
    same = [each for each in words if _squeezed(each) == _squeezed(word)]
    if same:
        return same[0] if len(same) == 1 and same[0] != word else ""
    near = [each for each in words if slips(word.lower(), each.lower()) <= _MOST_SLIPS]
    return near[0] if len(near) == 1 and _is_slip(word.lower(), near[0].lower()) else ""


def certain_name(word: str, known: Iterable[str]) -> str:
    """Return the one of the ``known`` names that was meant beyond doubt; names that a file gives itself.

    Its author may well have forgotten to declare what a name stands for, and may have given names that are alike. So
    a single letter may be missing, be there twice, or stand one place further, but none may be another letter.
    """
    found = certain(word, known)
    lengths = {len(word), len(found)}
    is_other = len(lengths) == 1 and sorted(word.lower()) != sorted(found.lower())
    return "" if is_other or max(lengths) - min(lengths) > 1 or slips(word.lower(), found.lower()) > 1 else found


def slips(word: str, other: str) -> int:
    """Return how many letters must be added, removed, replaced or swapped with the next one to turn word into other."""
    before: list[int] = []
    last = list(range(len(other) + 1))
    for i, letter in enumerate(word, start=1):
        row = [i]
        for j, wanted in enumerate(other, start=1):
            best = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and word[i - 2] == wanted:
                best = min(best, before[j - 2] + 1)
            row.append(best)
        before, last = last, row
    return last[-1]


def _squeezed(word: str) -> str:
    return _JOINTS.sub("", word.lower())


def _is_slip(word: str, meant: str) -> bool:
    if _DIGITS.findall(word) != _DIGITS.findall(meant):
        return False
    parts, wanted = _JOINTS.split(word), _JOINTS.split(meant)
    if len(parts) != len(wanted):
        parts, wanted = [word], [meant]
    changed = [(part, right) for part, right in zip(parts, wanted, strict=True) if part != right]
    return all(_is_close(part, right) for part, right in changed)


def _is_close(part: str, right: str) -> bool:
    most = _MOST_SLIPS if len(right) >= _SHORTEST_FOR_TWO_SLIPS else 1
    return len(right) >= _SHORTEST_PART and slips(part, right) <= most
