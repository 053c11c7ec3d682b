"""Documents to one Parquet artefact with their statistics, in a single streaming pass.

Memory is bounded by a batch (4M characters, or one document when that is longer). The folder's
name is made from the corpus' fingerprint and the code of this room, so that a second build of the
same thing only verifies what is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from labkit.core import artifacts, disk, provenance
from labkit.core.canonical_json import hash_json
from labkit.core.errors import LabError
from labkit.data.columns import add_statistics
from labkit.data.readers import fingerprint, read_documents

FILE = "documents.parquet"


def dataset_folder(corpus: str) -> Path:
    identity = hash_json([fingerprint(corpus), provenance.source_hash("data")])
    name = disk.slug(Path(corpus).name if "/" in corpus else corpus)
    return artifacts.home() / "datasets" / f"{name}-{identity}"


def build_documents(corpus: str) -> Path:
    """The dataset's folder, built when it isn't there.

    Raises:
        LabError: the corpus is empty or can't be read (file, line, reason); nothing is left.
    """
    inputs = {"corpus": fingerprint(corpus)}
    folder = dataset_folder(corpus)
    if artifacts.exists(folder):
        artifacts.read_manifest(folder)
        return folder
    batches = _read(corpus)
    first = next(batches, None)
    if first is None:
        raise LabError(f"{corpus}: no documents in it")
    first = add_statistics(first)
    with (
        artifacts.write_artifact(folder, inputs=inputs, packages=("pyarrow",)) as temporary,
        pq.ParquetWriter(temporary / FILE, first.schema, compression="zstd") as writer,
    ):
        writer.write_batch(first)
        for batch in batches:
            writer.write_batch(add_statistics(batch))
        if fingerprint(corpus) != inputs["corpus"]:
            raise LabError(f"{corpus}: changed while it was read; nothing was written, try again")
    return folder


def _read(corpus: str) -> Iterator[pa.RecordBatch]:
    try:
        yield from read_documents(corpus)
    except LabError as error:
        raise LabError(f"{error}; nothing was written") from error


def load_columns(folder: Path, columns: Sequence[str]) -> pa.Table:
    return pq.read_table(folder / FILE, columns=list(columns))


def load_texts(folder: Path, row_numbers: Sequence[int]) -> list[str]:
    """Texts of some rows, read one row group at a time."""
    file = pq.ParquetFile(folder / FILE)
    wanted, texts, start = set(row_numbers), {}, 0
    for group in range(file.num_row_groups):
        size = file.metadata.row_group(group).num_rows
        here = [row for row in wanted if start <= row < start + size]
        if here:
            column = file.read_row_group(group, columns=["text"]).column("text")
            texts |= {row: column[row - start].as_py() for row in here}
        start += size
    return [texts[row] for row in row_numbers]


def iterate_texts(folder: Path) -> pa.RecordBatch:
    """Batches with the column `text` alone, in order."""
    return pq.ParquetFile(folder / FILE).iter_batches(batch_size=256, columns=["text"])
