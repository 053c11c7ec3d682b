"""Batches of planted near-duplicates, and their truth by sets of string shingles."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise

import pyarrow as pa

from labkit.data.pipeline.step import Survey
from labkit.data.readers import SCHEMA


def batch_of(texts: Sequence[str], first_row: int = 0, **columns: Sequence) -> pa.RecordBatch:
    """A batch with the columns of every corpus; ids are rows, everything else is given or empty."""
    rows = range(first_row, first_row + len(texts))
    known = {field.name: [""] * len(texts) for field in SCHEMA}
    known |= {"id": [str(row) for row in rows], "text": list(texts)}
    arrays = {name: pa.array(values, pa.string()) for name, values in known.items()}
    arrays["row"] = pa.array(rows, pa.int64())
    arrays |= {name: pa.array(values) for name, values in columns.items()}
    return pa.RecordBatch.from_pydict(arrays)


def settle(survey: Survey, texts: Sequence[str], cuts: Sequence[int] = ()):
    """The step that a survey of these texts settles to, read in batches cut at `cuts`."""
    edges = [0, *cuts, len(texts)]
    sketches = [survey.sketch(batch_of(texts[a:b], a)) for a, b in pairwise(edges)]
    return survey.settle(sketches, lambda rows: [texts[row] for row in rows])


def words(rng: random.Random, count: int, vocabulary: int = 5000) -> list[str]:
    return [f"w{rng.randrange(vocabulary)}" for _ in range(count)]


def near_pairs(rng: random.Random, count: int, length: int = 200) -> list[str]:
    """Twice `count` texts; 2n and 2n + 1 share all but up to 12 words, in a random place each."""
    texts = []
    for _ in range(count):
        base = words(rng, length)
        changed = list(base)
        for _ in range(rng.randrange(0, 12)):
            changed[rng.randrange(length)] = f"x{rng.randrange(10**6)}"
        texts += [" ".join(base), " ".join(changed)]
    return texts


def true_jaccard(one: str, other: str, num_units: int = 5) -> float:
    """Of sets of tuples of strings, split at white space."""
    sets = []
    for text in (one, other):
        tokens = text.lower().split()
        sets.append({tuple(tokens[i : i + num_units]) for i in range(len(tokens) - num_units + 1)})
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])
