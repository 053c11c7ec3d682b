"""WARC and WET: the text that a crawl kept, record by record (FastWARC).

Documents are WET's `conversion` records, and `resource` and `response` records of plain text in
the charset they declare. HTML is not turned into text here, nor is a chunked or packed response
unwrapped: those are rejections that say so. Records about the crawl itself (warcinfo, request,
metadata, revisit) are no documents and not counted. The id is the record's, `url` the address that
was asked.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from labkit.data.reading.policy import ReadPolicy
from labkit.data.reading.record import Fault, Origin, Record, from_fields
from labkit.data.reading.streams import read_blocks

DOCUMENT_TYPES = ("conversion", "resource", "response")
CHARSETS = ("utf-8 utf-16 ascii iso8859 cp125 koi8 gb big5 euc shift_jis iso2022 cp949").split()


def read_warc(path: Path, origin: Origin, policy: ReadPolicy) -> Iterator[Record | Fault]:
    """Each document once the header after it was found where its length says."""
    from fastwarc.warc import ArchiveIterator

    stream: Any = _Stream(read_blocks(path, policy))
    records = iter(ArchiveIterator(stream, parse_http=True))
    number, waiting = 0, None
    while True:
        try:
            record = next(records, None)
        except (OSError, ValueError) as error:
            reason = f"damaged from here on ({error}); its length may be wrong"
            raise stream.fault or Fault("read_damaged", reason, max(1, number)) from error
        if waiting is not None and stream.fault is None:
            yield waiting
        if stream.fault is not None:
            raise stream.fault
        if record is None:
            return
        number += 1
        is_document = _type(record) in DOCUMENT_TYPES
        waiting = _document(record, number, origin, policy) if is_document else None


def _document(record: Any, number: int, origin: Origin, policy: ReadPolicy) -> Record | Fault:
    kind = (record.http_content_type if record.is_http else None) or "text/plain"
    if _type(record) != "conversion" and kind.strip().lower() != "text/plain":
        return Fault("read_content_type", f"{kind} is not read; give WET files", number)
    if coding := _coding(record):
        return Fault("read_content_type", f"{coding} is not undone; give WET files", number)
    raw = record.reader.read(policy.max_record_bytes + 1)
    if len(raw) > policy.max_record_bytes:
        return _too_long(policy, number)
    if len(raw) < record.content_length:
        reason = f"{len(raw):,} bytes where its header says {record.content_length:,}"
        raise Fault("read_damaged", reason, number)
    charset = (record.http_charset if record.is_http else None) or "utf-8"
    fields = {
        "text": None,
        "id": record.headers.get("WARC-Record-ID"),
        "language": record.headers.get("WARC-Identified-Content-Language"),
        "url": record.headers.get("WARC-Target-URI"),
    }
    try:
        fields["text"] = _decode(raw, charset)
        return from_fields(fields, number, origin)
    except Fault as fault:
        return fault
    except (ValueError, LookupError) as error:
        return Fault("read_encoding", f"not the {charset} it declares ({error})", number)


def _coding(record: Any) -> str:
    """What the bytes are wrapped in, where a crawler kept them as they were sent."""
    names = ("Transfer-Encoding", "Content-Encoding") if record.is_http else ()
    found = [(name, record.http_headers.get(name) or "identity") for name in names]
    return ", ".join(f"{name} {value}" for name, value in found if value.lower() != "identity")


def _decode(raw: bytes, charset: str) -> str:
    """Text in a charset of the web; codecs that make something else of bytes are none."""
    if not codecs.lookup(charset).name.startswith(tuple(CHARSETS)):
        raise LookupError("no charset of text")
    return raw.decode(charset)


def _type(record: Any) -> str:
    return (record.headers.get("WARC-Type") or "").lower()


def _too_long(policy: ReadPolicy, number: int) -> Fault:
    limit = f"{policy.max_record_bytes:,} bytes (max_record_bytes)"
    return Fault("read_record_bytes", f"more than {limit}", number)


class _Stream:
    """Blocks as the file that FastWARC reads; a fault of theirs ends it and is kept."""

    def __init__(self, blocks: Iterator[bytes]):
        self.fault: Fault | None = None
        self._blocks, self._rest, self._position = blocks, b"", 0

    def read(self, size: int) -> bytes:
        if not self._rest:
            try:
                self._rest = next(self._blocks, b"")
            except Fault as fault:
                self.fault = fault
        found, self._rest = self._rest[:size], self._rest[size:]
        self._position += len(found)
        return found

    def tell(self) -> int:
        return self._position

    def close(self) -> None:
        self._blocks.close()  # type: ignore[attr-defined]
