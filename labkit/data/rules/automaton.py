"""One pass over bytes finds every phrase of a list: Aho and Corasick 1975, as a table.

    phrases he, she, hers; text "ushers": at "ushe" the state is `she`, whose link is `he`

A state is a beginning of a phrase, the longest that ends at the byte just read. Its row holds the
next state for each class of bytes; all bytes that occur in no phrase are one class, so that a row
of a few dozen numbers does. Time is one look-up a byte, whatever the number of phrases.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from labkit.core.errors import LabError
from labkit.data.compiled import compile_together

MAX_CELLS = 1 << 26
"""Of the table, 4 bytes each: room for about 50,000 Chinese or 150,000 Latin words."""


class Automaton(NamedTuple):
    classes: np.ndarray
    """uint8[256]: class of a byte; 0 for all that occur in no phrase."""
    next_states: np.ndarray
    """int32[state, class]; state 0 is the empty beginning."""
    phrase: np.ndarray
    """int32[state]: number of the phrase that a state is the whole of, else -1."""
    link: np.ndarray
    """int32[state]: the longest phrase that ends here and is shorter than the state, else 0."""


def build_automaton(phrases: Sequence[bytes], ignore_ascii_case: bool = False) -> Automaton:
    """Of equal phrases the first counts; with `ignore_ascii_case` they are given in lower case.

    Raises:
        LabError: the table would take more than `MAX_CELLS`.
    """
    assert phrases, "an automaton needs a phrase"
    assert all(phrases), "an empty phrase is everywhere"
    joined = np.frombuffer(b"".join(phrases), dtype=np.uint8)
    ends = np.cumsum([len(phrase) for phrase in phrases])
    used = np.unique(joined)
    classes = np.zeros(256, dtype=np.uint8)
    classes[used] = np.arange(1, len(used) + 1)
    if ignore_ascii_case:
        classes[ord("A") : ord("Z") + 1] = classes[ord("a") : ord("z") + 1]
    shape = (_num_beginnings(phrases) + 1, len(used) + 1)
    if shape[0] * shape[1] > MAX_CELLS:
        raise LabError(
            f"{len(phrases):,} phrases need a table of {shape[0]:,} states by {shape[1]} bytes; "
            f"at most {MAX_CELLS:,} cells: split the list in two"
        )
    automaton = Automaton(
        classes,
        np.zeros(shape, dtype=np.int32),
        np.full(shape[0], -1, dtype=np.int32),
        np.zeros(shape[0], dtype=np.int32),
    )
    _compile()
    _fill(joined, ends, automaton)
    return automaton


def _num_beginnings(phrases: Sequence[bytes]) -> int:
    """Different non-empty beginnings, from what neighbours in order share.

    >>> _num_beginnings([b"he", b"she", b"hers"])
    7
    """
    count, before = 0, b""
    for phrase in sorted(phrases):
        shared = 0
        for one, other in zip(before, phrase, strict=False):
            if one != other:
                break
            shared += 1
        count += len(phrase) - shared
        before = phrase
    return count


@functools.cache
def _compile() -> None:
    compile_together(sys.modules[__name__], ["_fill"])


def _fill(joined, ends, automaton):
    """Make the tree of the phrases, then complete it breadth first, so that no step goes back."""
    classes, next_states, phrase, link = automaton
    num_states, start = 1, 0
    for number in range(len(ends)):
        state = 0
        for at in range(start, ends[number]):
            kind = classes[joined[at]]
            if next_states[state, kind] == 0:
                next_states[state, kind] = num_states
                num_states += 1
            state = next_states[state, kind]
        if phrase[state] < 0:
            phrase[state] = number
        start = ends[number]
    queue = np.empty(num_states, dtype=np.int32)
    fall = np.zeros(num_states, dtype=np.int32)  # the longest other beginning that ends a state
    num_queued = 0
    for kind in range(next_states.shape[1]):
        if next_states[0, kind] != 0:
            queue[num_queued] = next_states[0, kind]
            num_queued += 1
    for turn in range(num_states - 1):
        state = queue[turn]
        link[state] = fall[state] if phrase[fall[state]] >= 0 else link[fall[state]]
        for kind in range(next_states.shape[1]):
            after, otherwise = next_states[state, kind], next_states[fall[state], kind]
            if after == 0:
                next_states[state, kind] = otherwise
            else:
                fall[after] = otherwise
                queue[num_queued] = after
                num_queued += 1
