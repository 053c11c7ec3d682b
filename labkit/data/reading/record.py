"""One record as a format gives it: a document's columns, or a fault with rule and reason.

A format *yields* the fault of one record and goes on; it *raises* the fault that ends its file.
Ids are labels as the corpus has them, neither unique nor checked to be: the pipeline's `row` is
what names a document.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import pyarrow as pa

FIELDS = ("id", "text", "source", "group", "language", "licence", "url")
SCHEMA = pa.schema([(name, pa.string()) for name in FIELDS])
REJECTED = pa.schema(
    [("file", pa.string()), ("line", pa.int64()), ("rule", pa.string()), ("reason", pa.string())]
)
ALIASES = {"license": "licence"}
_OPTIONAL = frozenset({*FIELDS, *ALIASES}) - {"text"}
RULES = {
    "read_open": "the file can't be opened: gone, not permitted, a link to nothing, a pipe",
    "read_suffix": "the content is not what the suffix promises",
    "read_encoding": "not UTF-8, or not in the encoding it declares",
    "read_json": "a line is not JSON",
    "read_object": "a line is JSON but no object",
    "read_duplicate_key": "an object has a field twice",
    "read_text": "no 'text', or one that is no string",
    "read_field": "another field is neither a string nor a number",
    "read_surrogate": "a lone surrogate, which is no character",
    "read_record_bytes": "a line or document longer than max_record_bytes",
    "read_expansion": "a compressed file unpacks to more than max_expansion_ratio times its size",
    "read_damaged": "the file is cut or damaged from here on",
    "read_schema": "a table without a text column, or with a column twice",
    "read_content_type": "a WARC response that is no plain text, or is chunked or packed",
}
MAX_REASON_CHARACTERS = 300


class Record(NamedTuple):
    id: str
    text: str
    source: str
    group: str
    language: str = "unknown"
    licence: str = "unknown"
    url: str = ""


class Fault(Exception):
    """Why a record or the rest of its file isn't taken. `number` counts lines, rows or records."""

    def __init__(self, rule: str, reason: str, number: int | None = None):
        assert rule in RULES, rule
        self.rule, self.number = rule, number
        self.reason = " ".join(reason.split())[:MAX_REASON_CHARACTERS]
        super().__init__(rule, self.reason, number)

    def __str__(self) -> str:
        return self.reason


class Portion(NamedTuple):
    """Some records of a part: those taken and those rejected, each in the order of the file."""

    kept: pa.RecordBatch
    """Columns of `SCHEMA`."""
    rejected: pa.RecordBatch
    """Columns of `REJECTED`; `line` counts lines, rows or records, null: the whole file."""


class Origin(NamedTuple):
    """What a file says about records that don't say it themselves."""

    name: str
    """The file's name below the corpus' folder."""
    source: str
    licence: str = "unknown"
    stem: str = ""
    """What default ids begin with: the name without its suffixes of format."""


def from_fields(fields: Mapping[str, Any], number: int, origin: Origin) -> Record:
    """A record from the fields of an object or a row; null is missing.

    Raises:
        Fault: no text, a field of another type, a lone surrogate.
    """
    text = fields.get("text")
    if not isinstance(text, str):
        found = type(text).__name__ if text is not None else "null" if "text" in fields else ""
        missing = "no 'text' in it"
        if fields:
            missing += f"; it has {', '.join(map(repr, fields))}: rename what holds the text"
        reason = f"'text' is {found}, not a string" if found else missing
        raise Fault("read_text", reason, number)
    given: dict[str, str] = {}
    for field, value in fields.items():
        if field in _OPTIONAL and value is not None:
            given[ALIASES.get(field, field)] = _as_text(value, field, number)
    name = given.get("id") or f"{origin.stem}-{number}"
    record = Record(
        name,
        text,
        given.get("source", origin.source),
        given.get("group", name),
        given.get("language", "unknown"),
        given.get("licence", origin.licence),
        given.get("url", ""),
    )
    if not all(map(str.isascii, record)):
        _refuse_surrogates(record, number)
    return record


def _as_text(value: Any, field: str, number: int) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return str(value)
    raise Fault("read_field", f"{field!r} is {type(value).__name__}, not text", number)


def _refuse_surrogates(record: Record, number: int) -> None:
    try:
        for value in record:
            value.encode()
    except UnicodeEncodeError:
        raise Fault("read_surrogate", "a lone surrogate, which is no character", number) from None
