"""Personal data in a batch of texts: kind, document and bytes of every item.

Each accepted item is masked at once, so that nothing overlaps and each text is judged as it will
stand after redaction. Around what was found is looked again until nothing is, so that a second pass
over the redacted text finds nothing; only there, so that many passes take linear time too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from operator import itemgetter
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from labkit.data.personal_data.candidates import MARGIN, find_places, key_block_places
from labkit.data.personal_data.config import PersonalDataConfig
from labkit.data.personal_data.patterns import PATTERNS, PRIVATE_KEY_BLOCK, Pattern
from labkit.data.utf8 import utf8_bytes

MASK = b"<"  # in no item and in no context that a pattern minds; also between documents
REACH = 800
"""Bytes that a match has at most, with all it looks at; the longest is an e-mail address."""
Span = tuple[int, int, Pattern]
"""Start and end in the bytes of the batch."""


class Item(NamedTuple):
    document: int
    """Position in the batch."""
    start: int
    """Bytes of UTF-8 from the document's start."""
    end: int
    kind: str
    pattern: str


def find_personal_data(texts: pa.Array, config: PersonalDataConfig) -> list[Item]:
    """Items in the order of documents and of their place.

    >>> find_personal_data(pa.array(["mail bob@web.de"]), PersonalDataConfig())
    [Item(document=0, start=5, end=15, kind='EMAIL', pattern='email')]
    """
    raw, bounds = utf8_bytes(texts)
    documents = [raw.data[start:end] for start, end in pairwise(bounds.tolist())]
    data = bytearray(MASK).join([MARGIN, *documents, MARGIN])
    found = list(_scan(data, config))
    found.sort(key=itemgetter(0))
    begins = bounds[:-1] + len(MARGIN) + 1 + np.arange(len(texts))
    starts = np.array([start for start, _, _ in found], dtype=np.int64)
    numbers = np.searchsorted(begins, starts, side="right") - 1
    return [
        Item(number, start - begin, end - begin, pattern.kind, pattern.name)
        for (start, end, pattern), number, begin in zip(
            found, numbers.tolist(), begins[numbers].tolist(), strict=True
        )
    ]


def _scan(data: bytearray, config: PersonalDataConfig) -> Iterator[Span]:
    """Masks in `data` what it finds, in the order of precedence, then around what was found.

    A mask makes no block of a private key: they are looked for once.
    """
    if config.keys:
        yield from _matches(PRIVATE_KEY_BLOCK, key_block_places(data), data, config)
    marks = np.zeros(len(data), dtype=np.uint16)
    begins, ends = np.array([len(MARGIN)]), np.array([len(data) - len(MARGIN)])
    while len(begins):
        places, kinds = find_places(data, marks, begins, ends)
        found: list[Span] = []
        for pattern in PATTERNS:
            if pattern.kind in config.kinds:
                chosen = _places_of(pattern, places, kinds)
                found += _matches(pattern, chosen, data, config)
        yield from found
        begins, ends = _around(found, len(data))


def _around(found: list[Span], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Ascending ranges, none over another, with every match that the spans can have changed."""
    spans = np.array(sorted((start, end) for start, end, _ in found), dtype=np.int64)
    begins, ends = spans.reshape(-1, 2).T
    begins = np.maximum(begins - REACH, len(MARGIN))
    ends = np.minimum(ends + REACH, size - len(MARGIN))
    begins[1:] = np.maximum(begins[1:], ends[:-1])
    return begins, ends


def _places_of(pattern: Pattern, places: np.ndarray, kinds: np.ndarray) -> Iterator[int]:
    """Some at a time: as Python's numbers all of them take five times the memory."""
    for start in range(0, len(places), 65_536):
        some = slice(start, start + 65_536)
        yield from places[some][kinds[some] & pattern.place > 0].tolist()


def _matches(
    pattern: Pattern, places: Iterable[int], data: bytearray, config: PersonalDataConfig
) -> Iterator[Span]:
    """Accepted matches from the left, each masked before the next is looked for."""
    match_at, accepts, trim = pattern.regex.match, pattern.accepts, pattern.trim
    position, group = 0, "item" if "item" in pattern.regex.groupindex else 0
    for place in places:
        if place < position or not (match := match_at(data, place)):
            continue
        item = trim(match[group].decode("utf-8", "replace"))
        if accepts(item, config):
            low = match.start(group)
            position = low + len(item.encode())
            data[low:position] = MASK * (position - low)
            yield low, position, pattern
