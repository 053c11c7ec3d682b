"""Whether the text that a model was trained on holds a question and its right answer.

A question is seen where any n-gram of its stem with the right choice stands in a training
document: 13 words or Han characters (Brown et al. 2020, appendix C), or all of it where it is
shorter. One below 8 units stands everywhere and is not looked for.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from labkit.data.gram_index import index_grams
from labkit.evaluation.item import Item

NUM_UNITS, MIN_UNITS = 13, 8
DOCUMENTS_AT_ONCE = 256


def find_seen(items: Sequence[Item], training_texts: Iterable[str]) -> list[bool | None]:
    """Whether each item is seen; None for one too short to look for."""
    index = index_grams([one.stem + one.choices[one.gold] for one in items], NUM_UNITS, MIN_UNITS)
    is_seen = np.zeros(len(index.grams), dtype=bool)
    for texts in _batches(training_texts):
        is_seen[index.find(pa.array(texts, pa.large_string())).grams] = True
    shares = index.shares(is_seen)
    return [None if np.isnan(share) else bool(share > 0) for share in shares]


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    iterator = iter(texts)
    while batch := list(itertools.islice(iterator, DOCUMENTS_AT_ONCE)):
        yield batch
