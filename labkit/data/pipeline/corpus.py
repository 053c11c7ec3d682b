"""A corpus as the pipeline reads it: documents numbered in its order, in batches."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from labkit.core.errors import LabError
from labkit.data.pipeline.step import ROW
from labkit.data.readers import (
    Lines,
    Portion,
    ReadPolicy,
    cut_part,
    find_parts,
    fingerprint,
    read_corpus,
)

PACKED = (".gz", ".zst", ".parquet", ".arrow")


class Corpus:
    def __init__(self, name: str, policy: ReadPolicy):
        self.name, self.policy = name, policy

    @property
    def label(self) -> str:
        """Its name; of a path the last part, since the rest is this machine's."""
        return Path(self.name).name if "/" in self.name else self.name

    @property
    def fingerprint(self) -> str:
        """Of the corpus as it is now, and of what is taken of it."""
        return fingerprint(self.name, self.policy)

    def has_changed_from(self, fingerprint: str) -> bool:
        """False where it can't be found any more, which may be a disk's fault."""
        with contextlib.suppress(LabError):
            return self.fingerprint != fingerprint
        return False

    def read(self) -> Iterator[pa.RecordBatch]:
        """Batches with `row`."""
        start = 0
        for kept, _ in read_corpus(self.name, self.policy):
            yield number_rows(kept, start)
            start += kept.num_rows

    def cut(self) -> Iterator[Portion | Lines]:
        """The same documents, in portions that are yet to be numbered and some to be parsed."""
        parts = find_parts(self.name, self.policy)
        return (piece for part in parts for piece in cut_part(part, self.policy))

    def num_bytes(self) -> int | None:
        """On disk, or None where that says little of the text: packed, or not on this disk."""
        parts = find_parts(self.name, self.policy)
        if any(file.endswith(PACKED) for part in parts for file in part.files):
            return None
        return sum(part.num_bytes for part in parts) or None


def number_rows(batch: pa.RecordBatch, first: int) -> pa.RecordBatch:
    rows = np.arange(first, first + batch.num_rows, dtype=np.int64)
    return batch.append_column(ROW, pa.array(rows))
