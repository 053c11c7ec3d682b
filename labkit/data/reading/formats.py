"""The formats by name: each gives the records and faults of one file. JSON Lines are cut into
pieces that any process parses: `portions.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from labkit.data.reading.policy import ReadPolicy
from labkit.data.reading.record import Fault, Origin, Record
from labkit.data.reading.saved_datasets import read_hub, read_saved
from labkit.data.reading.streams import decode, read_whole
from labkit.data.reading.tables import read_parquet
from labkit.data.reading.warc import read_warc

Format = Callable[[Path, Origin, ReadPolicy], Iterator[Record | Fault]]


def _text(path: Path, origin: Origin, policy: ReadPolicy) -> Iterator[Record]:
    """A file that is one document; its name below the folder is id and group."""
    text = decode(read_whole(path, policy))
    name = origin.name
    yield Record(name, text, origin.source, name, licence=origin.licence)


FORMATS: dict[str, Format] = {
    "parquet": read_parquet,
    "text": _text,
    "warc": read_warc,
    "datasets": read_saved,
    "hub": read_hub,
}
