"""The loop that every format shares: records in, bounded Arrow batches and rejections out.

Every record that a format meets is in exactly one side of one portion: kept + rejected = read.
A portion ends once it has 4M characters or 50,000 records, and before a longer document, which is
one by itself: memory follows neither the corpus nor its faults. Same files and policy, same
portions.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from labkit.core.errors import LabError
from labkit.data.reading.formats import FORMATS
from labkit.data.reading.parts import Part, as_text
from labkit.data.reading.policy import ReadPolicy
from labkit.data.reading.record import REJECTED, SCHEMA, Fault, Portion, Record
from labkit.data.reading.streams import check_regular

PORTION_CHARACTERS = 4_000_000
PORTION_RECORDS = 50_000
UNITS = {"jsonl": "", "parquet": " row ", "warc": " record ", "datasets": " row ", "hub": " row "}
"""What a fault's number counts, as `file:12` or `file: row 12`."""


def read_part(part: Part, policy: ReadPolicy) -> Iterator[Portion]:
    """The part's portions in the order of its files.

    Raises:
        LabError: file, line and reason of the first record that can't be read, with
            `on_error="stop"`; a file that changed while it was read, always.
    """
    kept: list[Record] = []
    rejected: list[tuple[str, int | None, str, str]] = []
    num_characters = 0
    for name in part.files:
        file = as_text(name)
        for found in _records(Path(name), part, policy):
            if isinstance(found, Fault):
                if policy.on_error == "stop":
                    raise LabError(f"{_place(file, found, part.kind)}: {found.reason}") from found
                rejected.append((file, found.number, found.rule, found.reason))
            else:
                if kept and len(found.text) >= PORTION_CHARACTERS:
                    yield _portion(kept, rejected)
                    kept, rejected, num_characters = [], [], 0
                kept.append(found)
                num_characters += len(found.text)
            if num_characters >= PORTION_CHARACTERS or len(kept) + len(rejected) >= PORTION_RECORDS:
                yield _portion(kept, rejected)
                kept, rejected, num_characters = [], [], 0
    if kept or rejected:
        yield _portion(kept, rejected)


def _records(path: Path, part: Part, policy: ReadPolicy) -> Iterator[Record | Fault]:
    """The format's records and faults; the fault that ends the file comes last."""
    try:
        facts = None if part.kind in ("datasets", "hub") else check_regular(path)
        yield from FORMATS[part.kind](path, part.origin(path), policy)
    except Fault as fault:
        yield fault
        return
    if facts is not None:
        try:
            now = path.stat()
        except FileNotFoundError:
            return  # what was open could be read to its end
        if (facts.st_size, facts.st_mtime_ns) != (now.st_size, now.st_mtime_ns):
            raise LabError(f"{as_text(str(path))}: changed while it was read; try again")


def _portion(kept: list[Record], rejected: list[tuple[str, int | None, str, str]]) -> Portion:
    columns = list(zip(*kept, strict=True)) or [()] * len(SCHEMA)
    faults = list(zip(*rejected, strict=True)) or [()] * len(REJECTED)
    return Portion(_batch(columns, SCHEMA), _batch(faults, REJECTED))


def _batch(columns: list[tuple], schema: pa.Schema) -> pa.RecordBatch:
    arrays = [pa.array(c, field.type) for c, field in zip(columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _place(file: str, fault: Fault, kind: str) -> str:
    if fault.number is None:
        return file
    unit = UNITS[kind]
    return f"{file}:{unit}{fault.number}"
