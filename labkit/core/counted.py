"""A number with its noun, as a person says it."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str = "") -> str:
    """
    >>> counted(1, "record"), counted(2000, "record"), counted(2, "copy", "copies")
    ('1 record', '2,000 records', '2 copies')
    """
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
