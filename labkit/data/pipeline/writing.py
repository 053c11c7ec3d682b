"""Parts to the files of the artefact, stage by stage in the corpus' order, in row groups of their
own."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from labkit.core import disk
from labkit.data.columns import add_statistics
from labkit.data.pipeline.curated import DOCUMENTS, DROPPED, FUNNEL, REJECTED, RESULT
from labkit.data.pipeline.funnel import Amount, Funnel
from labkit.data.pipeline.stages import STEP
from labkit.data.pipeline.step import ROW, VERDICT
from labkit.data.readers import SCHEMA
from labkit.data.utf8 import utf8_lengths

KEPT_SCHEMA = SCHEMA.append(ROW)
DROPPED_SCHEMA = pa.schema([*KEPT_SCHEMA, *(pa.field(*column) for column in [*VERDICT, *STEP])])
GROUP_BYTES = 4_000_000
"""Text of a row group: what a reader of one document has to unpack."""


class DocumentsFile:
    """A Parquet file whose row groups depend on the documents alone, not on how they arrive."""

    def __init__(self, path: Path, empty: Callable[[], pa.Schema]):
        self._path, self._empty = path, empty
        self._writer: pq.ParquetWriter | None = None
        self._waiting: list[pa.RecordBatch] = []
        self._num_waiting_bytes = 0
        self.amount: Amount = (0, 0)
        """Documents and bytes of text written."""

    def write(self, batch: pa.RecordBatch) -> None:
        if not batch.num_rows:
            return
        sizes = utf8_lengths(batch.column("text"))
        self.amount = (self.amount[0] + batch.num_rows, self.amount[1] + int(sizes.sum()))
        start, ends = 0, np.cumsum(sizes)
        while start < batch.num_rows:
            before = int(ends[start - 1]) if start else 0
            room = GROUP_BYTES - self._num_waiting_bytes
            end = min(int(np.searchsorted(ends, before + room)) + 1, batch.num_rows)
            self._waiting.append(batch.slice(start, end - start))
            self._num_waiting_bytes += int(ends[end - 1]) - before
            if self._num_waiting_bytes >= GROUP_BYTES:
                self._write_group()
            start = end

    def close(self) -> None:
        if self._waiting:
            self._write_group()
        if self._writer is None:
            pq.write_table(self._empty().empty_table(), self._path, compression="zstd")
        else:
            self._writer.close()

    def _write_group(self) -> None:
        group = pa.Table.from_batches(self._waiting).combine_chunks()
        if self._writer is None:
            # Few texts are equal: to look for those, and for the least, takes a tenth longer.
            others = [name for name in group.schema.names if name != "text"]
            options: dict[str, Any] = {"use_dictionary": others, "write_statistics": others}
            self._writer = pq.ParquetWriter(self._path, group.schema, compression="zstd", **options)
        self._writer.write_table(group, row_group_size=group.num_rows)
        self._waiting, self._num_waiting_bytes = [], 0


def schema_with_statistics() -> pa.Schema:
    """Of what was kept, where nothing was."""
    one = pa.RecordBatch.from_pylist([dict.fromkeys(SCHEMA.names, "")], SCHEMA)
    return add_statistics(one).schema.append(ROW)


class CurationWriter:
    def __init__(self, folder: Path):
        self._folder = folder
        self.documents = DocumentsFile(folder / DOCUMENTS, schema_with_statistics)
        self.dropped = DocumentsFile(folder / DROPPED, lambda: DROPPED_SCHEMA)

    def keep(self, batch: pa.RecordBatch) -> None:
        self.documents.write(batch)

    def drop(self, table: pa.Table | None) -> None:
        """What one stage dropped of a part."""
        if table is not None:
            rows = table.select(DROPPED_SCHEMA.names).sort_by("row").combine_chunks()
            for batch in rows.to_batches():
                self.dropped.write(batch)

    def close(self, funnel: Funnel, read: Amount, facts: dict[str, Any], rejected: Path) -> None:
        """
        Raises:
            LabError: the funnel does not add up to what was read and written.
        """
        self.documents.close()
        self.dropped.close()
        funnel.check(read, self.documents.amount, self.dropped.amount)
        num_rejected = 0
        if rejected.stat().st_size:
            shutil.copyfile(rejected, self._folder / REJECTED)
            with rejected.open("rb") as file:
                num_rejected = sum(1 for _ in file)
        disk.write_json(self._folder / FUNNEL, funnel.model_dump(mode="json"))
        sides = {"read": read, "kept": self.documents.amount, "dropped": self.dropped.amount}
        sums = {name: {"documents": n, "bytes": size} for name, (n, size) in sides.items()}
        disk.write_json(self._folder / RESULT, facts | sums | {"rejected": num_rejected})
