"""One text with where it comes from, and one text that was not taken, with the reason."""

from __future__ import annotations

from typing import NamedTuple


class Document(NamedTuple):
    id: str
    text: str
    source: str
    """Part of the corpus: what statistics are given for."""
    group: str
    """The work: documents of one group stay on one side of a split."""
    language: str


class Rejection(NamedTuple):
    id: str
    rule: str
    reason: str
