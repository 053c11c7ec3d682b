"""Parquet and Arrow tables: a column `text` of strings, and optionally the others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from labkit.data.reading.policy import ReadPolicy
from labkit.data.reading.record import ALIASES, FIELDS, Fault, Origin, Record, from_fields

READ_BYTES = 4_000_000
MAX_ROWS = 4096


def read_parquet(path: Path, origin: Origin, policy: ReadPolicy) -> Iterator[Record | Fault]:
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise Fault("read_damaged", f"not a Parquet file, or cut ({error})") from error
    with file:
        columns = known_columns(file.schema_arrow)
        batches = file.iter_batches(batch_size=_rows_at_a_time(file), columns=columns)
        number = 0
        while (batch := _next(batches, number)) is not None:
            yield from rows_of(batch, number + 1, origin, policy)
            number += batch.num_rows


def known_columns(schema: pa.Schema) -> list[str]:
    """The columns that are read.

    Raises:
        Fault: there is no column of texts.
    """
    if "text" not in schema.names:
        raise Fault("read_schema", f"no column 'text'; it has {', '.join(schema.names)}")
    names = [name for name in schema.names if name in FIELDS or name in ALIASES]
    if twice := [name for name in names if names.count(name) > 1]:
        raise Fault("read_schema", f"column {twice[0]!r} is there twice; keep one")
    kind = schema.field("text").type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or kind == pa.string_view()):
        raise Fault("read_schema", f"column 'text' holds {kind}, not strings")
    return names


def rows_of(
    batch: pa.RecordBatch, first: int, origin: Origin, policy: ReadPolicy
) -> Iterator[Record | Fault]:
    """Records of a table's rows, of which the first has that number."""
    try:
        batch.validate(full=True)
        rows: list[dict[str, Any]] = batch.to_pylist()
    except (pa.ArrowException, UnicodeDecodeError):
        rows = []
    for index in range(batch.num_rows):
        number = first + index
        try:
            row = rows[index] if rows else _row(batch, index, number)
            record = from_fields(row, number, origin)
            size = len(record.text.encode())
            if size > policy.max_record_bytes:
                limit = f"{policy.max_record_bytes:,} (max_record_bytes)"
                raise Fault("read_record_bytes", f"{size:,} bytes; at most {limit}", number)
        except Fault as fault:
            yield fault
        else:
            yield record


def _row(batch: pa.RecordBatch, index: int, number: int) -> dict[str, Any]:
    """One row of a batch in which some string is no UTF-8."""
    try:
        return batch.slice(index, 1).to_pylist()[0]
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise Fault("read_encoding", f"not UTF-8 ({error})", number) from error


def _rows_at_a_time(file: pq.ParquetFile) -> int:
    """So many rows that they have about 4 MB, by the file's own account."""
    groups = [file.metadata.row_group(index) for index in range(file.num_row_groups)]
    largest = max((group.total_byte_size / max(1, group.num_rows) for group in groups), default=1)
    return int(min(MAX_ROWS, max(1, READ_BYTES // max(1, largest))))


def _next(batches: Iterator[pa.RecordBatch], num_read: int) -> pa.RecordBatch | None:
    try:
        return next(batches, None)
    except (pa.ArrowException, OSError) as error:
        raise Fault("read_damaged", f"after row {num_read}: damaged ({error})") from error
