"""Personal data in a batch of texts: kind, document and bytes of every item.

Each accepted item is masked at once, so that nothing overlaps and each text is judged as it will
stand after redaction. Documents in which something was found are looked at again until nothing is,
so that a second pass over the redacted text finds nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from labkit.data.ngrams import utf8_bytes
from labkit.data.personal_data.candidates import HINTS, classify, clip
from labkit.data.personal_data.config import PersonalDataConfig
from labkit.data.personal_data.patterns import PATTERNS, Pattern

MASK = b"<"  # in no item and in no context that a pattern minds


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
    data = raw.tobytes()
    numbers = np.arange(len(texts))
    found: list[Item] = []
    while len(numbers):
        masked = bytearray(data)
        fresh = list(_scan(masked, bounds, config))
        found += [
            item._replace(
                document=int(numbers[item.document]),
                start=item.start - int(bounds[item.document]),
                end=item.end - int(bounds[item.document]),
            )
            for item in fresh
        ]
        again = np.unique(np.array([item.document for item in fresh], dtype=np.int64))
        data = b"".join(masked[bounds[i] : bounds[i + 1]] for i in again)
        bounds = np.concatenate([[0], np.cumsum(np.diff(bounds)[again])])
        numbers = numbers[again]
    return sorted(found)


def _scan(data: bytearray, bounds: np.ndarray, config: PersonalDataConfig) -> Iterator[Item]:
    """One pass in the order of precedence; masks in `data` what it finds."""
    patterns = [pattern for pattern in PATTERNS if pattern.kind in config.kinds]
    text = classify(bytes(data), bounds)
    for hint, find_windows in HINTS.items():
        chosen = [pattern for pattern in patterns if pattern.hint == hint]
        if not chosen:
            continue
        for document, start, end in clip(find_windows(text), bounds):
            window = data[start:end]
            for pattern in chosen:
                for low, high in _matches(pattern, window, config):
                    data[start + low : start + high] = MASK * (high - low)
                    yield Item(document, start + low, start + high, pattern.kind, pattern.name)


def _matches(
    pattern: Pattern, window: bytearray, config: PersonalDataConfig
) -> Iterator[tuple[int, int]]:
    """Accepted matches from the left, each masked before the next is looked for."""
    lowered = window.lower() if pattern.needles else window
    if pattern.needles and not any(needle in lowered for needle in pattern.needles):
        return
    position, group = 0, "item" if "item" in pattern.regex.groupindex else 0
    while match := pattern.regex.search(window, position):
        item = pattern.trim(match[group].decode("utf-8", "replace"))
        position = match.start() + 1
        if pattern.accepts(item, config):
            low = match.start(group)
            position = low + len(item.encode())
            window[low:position] = MASK * (position - low)
            yield low, position
