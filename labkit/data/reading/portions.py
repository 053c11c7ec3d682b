"""The loop that every format shares: records in, bounded Arrow batches and rejections out.

Every record that a format meets is in exactly one side of one portion: kept + rejected = read.
A portion ends once it has 4M characters or 50,000 records (of JSON Lines: 4M bytes, or the block
in which it reaches 50,000 lines), and before a longer document, which is one by itself: memory
follows neither the corpus nor its faults. Same files and policy, same portions.

Lines of JSON are handed out unparsed, since to parse them takes longer than to find where they
end: `cut_part` is for whoever has several processes, `read_part` for everybody else.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from labkit.core.errors import LabError
from labkit.data.reading.formats import FORMATS
from labkit.data.reading.jsonl import read_lines
from labkit.data.reading.line_pieces import cut_lines
from labkit.data.reading.parts import Part, as_text
from labkit.data.reading.policy import ReadPolicy
from labkit.data.reading.record import REJECTED, SCHEMA, Fault, Origin, Portion, Record
from labkit.data.reading.streams import COMPRESSIONS, check_regular, read_blocks

PORTION_CHARACTERS = 4_000_000
PORTION_RECORDS = 50_000
HEAD_BYTES = 1_000_000
UNITS = {"jsonl": "", "parquet": " row ", "warc": " record ", "datasets": " row ", "hub": " row "}
"""What a fault's number counts, as `file:12` or `file: row 12`."""
Rejection = tuple[str, int | None, str, str]
"""File, number, rule, reason: the columns of `REJECTED`."""


class Lines(NamedTuple):
    """A portion of a JSON Lines file that is yet to be parsed. Picklable: by any process."""

    path: str
    origin: Origin
    policy: ReadPolicy
    first: int
    """Number of its first line, from 1."""
    content: bytes | range | Fault
    """A range is of the file's bytes, where it isn't packed."""

    def read(self) -> Portion:
        """
        Raises:
            LabError: as `read_part`.
        """
        kept: list[Record] = []
        rejected: list[Rejection] = []
        for found in self._records():
            if isinstance(found, Fault):
                rejected.append(_reject(found, as_text(self.path), "jsonl", self.policy))
            else:
                kept.append(found)
        return _portion(kept, rejected)

    @property
    def num_bytes(self) -> int:
        return 0 if isinstance(self.content, Fault) else len(self.content)

    def head(self) -> Lines:
        """Of at most 1 MB, or all where the first line is longer."""
        if isinstance(self.content, Fault) or len(self.content) <= HEAD_BYTES:
            return self
        start = self._bytes(self.content[:HEAD_BYTES])
        end = start.rfind(b"\n")
        return self if end < 0 else self._replace(content=start[:end])

    def _records(self) -> Iterable[Record | Fault]:
        if isinstance(self.content, Fault):
            return [self.content]
        content = self._bytes(self.content)
        return read_lines(content, self.first, self.origin, self.policy.max_record_bytes)

    def _bytes(self, there: bytes | range) -> bytes:
        if isinstance(there, bytes):
            return there
        try:
            with open(self.path, "rb") as file:
                file.seek(there.start)
                content = file.read(len(there))
        except OSError as error:
            raise LabError(f"{as_text(self.path)}: gone while it was read; try again") from error
        if len(content) < len(there):
            raise LabError(f"{as_text(self.path)}: changed while it was read; try again")
        return content


def read_part(part: Part, policy: ReadPolicy) -> Iterator[Portion]:
    """The part's portions in the order of its files.

    Raises:
        LabError: file, line and reason of the first record that can't be read, with
            `on_error="stop"`; a file that changed while it was read, always.
    """
    for piece in cut_part(part, policy):
        yield piece.read() if isinstance(piece, Lines) else piece


def cut_part(part: Part, policy: ReadPolicy) -> Iterator[Portion | Lines]:
    """As `read_part`, without the work that can be left to another process."""
    if part.kind == "jsonl":
        for name in part.files:
            yield from _cut(Path(name), part.origin(Path(name)), policy)
    else:
        yield from _portions(part, policy)


def _cut(path: Path, origin: Origin, policy: ReadPolicy) -> Iterator[Lines]:
    is_packed = path.suffix.lower() in COMPRESSIONS
    try:
        facts = check_regular(path)
        blocks = read_blocks(path, policy)
        sizes = (policy.max_record_bytes, PORTION_CHARACTERS, PORTION_RECORDS)
        for number, content in cut_lines(blocks, *sizes, as_ranges=not is_packed):
            yield Lines(str(path), origin, policy, number, content)
    except Fault as fault:
        yield Lines(str(path), origin, policy, 1, fault)
    else:
        _check_unchanged(path, facts)


def _portions(part: Part, policy: ReadPolicy) -> Iterator[Portion]:
    kept: list[Record] = []
    rejected: list[Rejection] = []
    num_characters = 0
    for name in part.files:
        for found in _records(Path(name), part, policy):
            if isinstance(found, Fault):
                rejected.append(_reject(found, as_text(name), part.kind, policy))
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
        _check_unchanged(path, facts)


def _check_unchanged(path: Path, facts: os.stat_result) -> None:
    try:
        now = path.stat()
    except FileNotFoundError:
        return  # what was open could be read to its end
    if (facts.st_size, facts.st_mtime_ns) != (now.st_size, now.st_mtime_ns):
        raise LabError(f"{as_text(str(path))}: changed while it was read; try again")


def _reject(fault: Fault, file: str, kind: str, policy: ReadPolicy) -> Rejection:
    if policy.on_error == "stop":
        place = file if fault.number is None else f"{file}:{UNITS[kind]}{fault.number}"
        raise LabError(f"{place}: {fault.reason}") from fault
    return file, fault.number, fault.rule, fault.reason


def _portion(kept: list[Record], rejected: list[Rejection]) -> Portion:
    columns = list(zip(*kept, strict=True)) or [()] * len(SCHEMA)
    faults = list(zip(*rejected, strict=True)) or [()] * len(REJECTED)
    return Portion(_batch(columns, SCHEMA), _batch(faults, REJECTED))


def _batch(columns: list[tuple], schema: pa.Schema) -> pa.RecordBatch:
    arrays = [pa.array(c, field.type) for c, field in zip(columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
