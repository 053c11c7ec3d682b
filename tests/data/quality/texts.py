"""Good texts and planted poor ones, for every test of quality."""

from __future__ import annotations

import random

import pyarrow as pa

from labkit.data.pipeline.step import ROW
from labkit.data.readers import SCHEMA, read_documents

_SPAM = (
    "buy cheap click here now the best free offer for you and your friends limited deal of the "
    "week subscribe to win a prize with no cost in just one day as seen on the web"
).split()


def paragraphs(most: int) -> list[str]:
    """Paragraphs of Python's language reference, 300 characters and more each."""
    found = []
    for batch in read_documents("python-docs"):
        for text in batch.column("text").to_pylist():
            pieces = text.split("\n\n")
            found += ["\n".join(pieces[n : n + 4]) for n in range(0, len(pieces), 4)]
    return [text for text in found if len(text) >= 300][:most]


def spam(count: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(rng.choices(_SPAM, k=rng.randrange(40, 120))) for _ in range(count)]


def batch_of(texts: list[str], language: str | list[str] = "en") -> pa.RecordBatch:
    size = len(texts)
    languages = [language] * size if isinstance(language, str) else language
    named = {"id": [f"d{n}" for n in range(size)], "text": texts, "language": languages}
    columns = [pa.array(named.get(name, ["s"] * size), pa.string()) for name in SCHEMA.names]
    rows = pa.array(range(size), pa.int64())
    return pa.RecordBatch.from_arrays([*columns, rows], schema=SCHEMA.append(ROW))
