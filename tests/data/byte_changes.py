"""A text rebuilt from its changes: what proves that nothing else was touched."""

from __future__ import annotations

from collections.abc import Iterable

from labkit.data.byte_changes import Change


def apply_changes(before: bytes, changes: Iterable[Change]) -> bytes:
    """The text after, from the text before."""
    pieces, place = [], 0
    for start, removed, added in changes:
        pieces += [before[place:start], added]
        place = start + len(removed)
    return b"".join([*pieces, before[place:]])
