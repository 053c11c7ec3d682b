"""One batch's outcome on disk, so that a killed run goes on where it stopped.

    kept-00000.arrow      the documents that passed the stage, uncompressed, to be mapped
    dropped-00000.arrow   those that did not, with rule, value, threshold, step
    part-00000.json       what went in and came out, and the SHA-256 of both: written last

A part without its record, or whose files differ from it, is made again; a finished stage with such
a part, from the beginning.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from labkit.core import disk
from labkit.data.pipeline.funnel import Flow
from labkit.data.pipeline.stages import Worked
from labkit.data.utf8 import utf8_lengths


class Given(BaseModel):
    """The documents that a part was made of; equal cuts of one corpus give equal ones."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    documents: int
    bytes: int
    first_row: int

    @classmethod
    def of(cls, batch: pa.RecordBatch) -> Given:
        first = batch.column("row")[0].as_py() if batch.num_rows else -1
        return cls(
            documents=batch.num_rows,
            bytes=int(utf8_lengths(batch.column("text")).sum()),
            first_row=first,
        )


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    given: Given
    kept: Given
    flows: list[Flow]
    cpu_seconds: dict[int, float]
    sha256: dict[str, str]


def kept_file(folder: Path, number: int) -> Path:
    return folder / f"kept-{number:05d}.arrow"


def dropped_file(folder: Path, number: int) -> Path:
    return folder / f"dropped-{number:05d}.arrow"


def write_part(folder: Path, number: int, given: Given, worked: Worked) -> Part:
    files = {kept_file(folder, number): [worked.kept], dropped_file(folder, number): worked.dropped}
    part = Part(
        number=number,
        given=given,
        kept=Given.of(worked.kept),
        flows=worked.flows,
        cpu_seconds=worked.cpu_seconds,
        sha256={path.name: _write(path, batches) for path, batches in files.items() if batches},
    )
    disk.write_file(_record(folder, number), part.model_dump_json().encode())
    return part


def find_part(folder: Path, number: int, given: Given) -> Part | None:
    """The part that an earlier run finished of the same documents."""
    try:
        part = Part.model_validate_json(_record(folder, number).read_bytes())
        is_whole = all(disk.sha256_file(folder / name) == h for name, h in part.sha256.items())
    except (OSError, ValueError):
        return None
    return part if is_whole and part.given == given else None


def read_parts(folder: Path, num_parts: int) -> list[Part]:
    """The records of a finished stage, whose files are trusted."""
    return [
        Part.model_validate_json(_record(folder, number).read_bytes())
        for number in range(num_parts)
    ]


def read_batch(path: Path) -> pa.RecordBatch:
    """The kept documents of a part, in memory: mapped, they stand beside what the process holds
    already (25 MB more at the peak, with a document of 10 MB)."""
    with pa.OSFile(str(path), "rb") as file:
        return pa.ipc.open_file(file).get_batch(0)


def read_dropped(folder: Path, part: Part) -> pa.Table | None:
    path = dropped_file(folder, part.number)
    if path.name not in part.sha256:
        return None
    with pa.OSFile(str(path), "rb") as file:
        return pa.ipc.open_file(file).read_all()


class Texts:
    """Texts by their rows, from the kept files of a stage: `texts([7, 2])`."""

    def __init__(self, folder: Path, parts: Sequence[Part]):
        self._folder = folder
        self._parts = [part for part in parts if part.kept.documents]
        self._first_rows = np.array([part.kept.first_row for part in self._parts], dtype=np.int64)

    def __call__(self, rows: Sequence[int]) -> list[str]:
        wanted = np.asarray(rows, dtype=np.int64)
        places = np.searchsorted(self._first_rows, wanted, side="right") - 1
        found: dict[int, str] = {}
        for place in np.unique(places).tolist():
            here = np.unique(wanted[places == place])
            with pa.memory_map(str(kept_file(self._folder, self._parts[place].number))) as file:
                batch = pa.ipc.open_file(file).get_batch(0)
                known = batch.column("row").to_numpy()
                positions = np.searchsorted(known, here)
                assert (known[positions] == here).all(), "rows that are not in the corpus any more"
                texts = batch.column("text").take(pa.array(positions)).to_pylist()
            found |= dict(zip(here.tolist(), texts, strict=True))
        return [found[row] for row in wanted.tolist()]


def _record(folder: Path, number: int) -> Path:
    return folder / f"part-{number:05d}.json"


def _write(path: Path, batches: Sequence[pa.RecordBatch]) -> str:
    """SHA-256 of the written file. Its record is what is fsynced: a part lost with the power is
    found by its hash and made again."""
    temporary = disk.temporary_beside(path)
    try:
        with disk.clear_errors(path):
            with (
                pa.OSFile(str(temporary), "wb") as sink,
                pa.ipc.new_file(sink, batches[0].schema) as writer,
            ):
                for batch in batches:
                    writer.write_batch(batch)
            sha256 = disk.sha256_file(temporary)
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return sha256
