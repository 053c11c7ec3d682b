"""What was rewritten in a text: which bytes went, and what stands in their place.

    "call 555 now" -> "call <PHONE> now": at byte 5, "555" became "<PHONE>"

Lines are matched first and the words of changed lines after them (Ratcliff and Obershelp, as
`difflib` has it), so that a change begins and ends between words. Where more than `MAX_PIECES`
stand against each other they are one change: matching is quadratic. Not the fewest changes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import accumulate
from typing import NamedTuple

MAX_PIECES = 5_000
WORDS = re.compile(r"\s+|\w+|[^\w\s]")


class Change(NamedTuple):
    start: int
    """Byte of the text before."""
    removed: bytes
    added: bytes


def find_changes(before: str, after: str) -> list[Change]:
    """From the left, apart from each other; none where the texts are equal.

    >>> find_changes("call 555 now", "call <PHONE> now")
    [Change(start=5, removed=b'555', added=b'<PHONE>')]
    """
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    found, starts = [], _starts(old)
    for (left, right), (low, high) in _different(old, new):
        olds, news = WORDS.findall("".join(old[left:right])), WORDS.findall("".join(new[low:high]))
        inner = _starts(olds)
        for (first, last), (from_, to) in _different(olds, news):
            removed, added = "".join(olds[first:last]), "".join(news[from_:to])
            found.append(Change(starts[left] + inner[first], removed.encode(), added.encode()))
    return found


def _different(
    old: Sequence[str], new: Sequence[str]
) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Ranges of both that are not the same pieces."""
    same = 0
    while same < min(len(old), len(new)) and old[same] == new[same]:
        same += 1
    tail = 0
    while tail < min(len(old), len(new)) - same and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    left, right = old[same : len(old) - tail], new[same : len(new) - tail]
    if not left and not right:
        return
    if max(len(left), len(right)) > MAX_PIECES or not left or not right:
        yield (same, same + len(left)), (same, same + len(right))
        return
    for kind, first, last, from_, to in SequenceMatcher(None, left, right).get_opcodes():
        if kind != "equal":
            yield (same + first, same + last), (same + from_, same + to)


def _starts(pieces: Sequence[str]) -> list[int]:
    return list(accumulate((len(piece.encode()) for piece in pieces), initial=0))
