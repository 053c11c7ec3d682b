"""A corpus as the pipeline reads it: numbered documents in batches, and what was rejected."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from labkit.data.pipeline.step import ROW
from labkit.data.readers import ReadPolicy, find_parts, fingerprint, read_corpus

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

    def read(self) -> Iterator[tuple[pa.RecordBatch, list[dict[str, Any]]]]:
        """Batches with `row`, each with the records that were rejected while it was read."""
        start = 0
        for kept, rejected in read_corpus(self.name, self.policy):
            rows = pa.array(np.arange(start, start + kept.num_rows, dtype=np.int64))
            yield kept.append_column(ROW, rows), rejected.to_pylist()
            start += kept.num_rows

    def num_bytes(self) -> int | None:
        """On disk, or None where that says little of the text: packed, or not on this disk."""
        parts = find_parts(self.name, self.policy)
        if any(file.endswith(PACKED) for part in parts for file in part.files):
            return None
        return sum(part.num_bytes for part in parts) or None
