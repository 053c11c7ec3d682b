"""A number with its noun, as a person says it."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str = "") -> str:
    """
    >>> counted(1, "record"), counted(2000, "record"), counted(2, "copy", "copies")
    ('1 record', '2,000 records', '2 copies')
    """
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def unit_of(number: float, unit: str) -> str:
    """A unit in the plural, as it is said of a number.

    >>> unit_of(1, "words"), unit_of(0.5, "words"), unit_of(1, "")
    ('word', 'words', '')
    """
    return unit.removesuffix("s") if number == 1 else unit
