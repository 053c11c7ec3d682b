"""Rank and frequency (Zipf 1949): the r-th most frequent word has frequency about C r^-s.

s is the least-squares slope of log frequency on log rank over ranks 10 to 1,000, where natural
text is straightest; its interval comes from leaving out blocks of documents. For text written
without spaces the units are characters, and s is not comparable.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np

from labkit.statistics.bootstrap import Interval
from labkit.statistics.jackknife import jackknife_interval

FIRST_RANK, LAST_RANK = 10, 1000
MAX_BLOCKS = 100

Unit = Literal["words", "characters"]


def count_units(texts: Iterable[str], unit: Unit) -> list[Counter[str]]:
    """Counts of words, lower-cased, or of non-space characters, in at most 100 blocks."""
    blocks: list[Counter[str]] = [Counter() for _ in range(MAX_BLOCKS)]
    for number, text in enumerate(texts):
        units = text.lower().split() if unit == "words" else "".join(text.split())
        blocks[number % MAX_BLOCKS].update(units)
    return [block for block in blocks if block]


def total_counts(blocks: Sequence[Counter[str]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for block in blocks:
        total.update(block)
    return total


def zipf_slope(frequencies: Sequence[int] | np.ndarray) -> float:
    """The exponent s of frequencies in any order; nan with fewer than 20 ranks to fit.

    >>> round(zipf_slope([1_000_000 // rank for rank in range(1, 2001)]), 2)
    1.0
    """
    ordered = np.sort(np.asarray(frequencies, dtype=float))[::-1]
    ordered = ordered[FIRST_RANK - 1 : LAST_RANK]
    ordered = ordered[ordered > 0]
    if len(ordered) < 20:
        return float("nan")
    ranks = np.arange(FIRST_RANK, FIRST_RANK + len(ordered))
    return -float(np.polyfit(np.log(ranks), np.log(ordered), 1)[0])


def zipf_interval(blocks: Sequence[Counter[str]]) -> Interval:
    """s with its interval from leaving out one block of documents at a time; nan for one block."""
    if len(blocks) < 2:
        nan = float("nan")
        return Interval(zipf_slope(list(total_counts(blocks).values())), nan, nan)
    units = [unit for unit, _ in total_counts(blocks).most_common(3 * LAST_RANK)]
    counts_BU = np.array([[block[unit] for unit in units] for block in blocks])
    all_U = counts_BU.sum(axis=0)
    return jackknife_interval(zipf_slope(all_U), [zipf_slope(all_U - one_U) for one_U in counts_BU])
