"""JSON Lines: one object a line, `text` and optionally the other columns.

The limits are JSON's own (RFC 8259), not Python's wider reading: NaN and Infinity are no numbers.
A field that an object has twice is refused, for nothing says which is meant. A byte order mark
at the start of the file and blank lines are no records. orjson parses; a line that it refuses, or
whose fields need care, is parsed again by `json` for the reason.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

import orjson

from labkit.data.reading.record import ALIASES, FIELDS, Fault, Origin, Record, from_fields
from labkit.data.reading.streams import BOM, decode, split_lines

MAX_DEPTH_WORDS = "depth limit exceeded"
MAX_DIGITS = 4300
_KEYS = {name: f'"{name}"'.encode() for name in (*FIELDS, *ALIASES)}


def read_jsonl(
    blocks: Iterable[bytes], origin: Origin, max_record_bytes: int
) -> Iterator[Record | Fault]:
    number = 0
    try:
        for number, line in split_lines(blocks, max_record_bytes):
            if isinstance(line, Fault):
                yield line
                continue
            if number == 1:
                line = line.removeprefix(BOM)
            if not line or line.isspace():
                continue
            try:
                yield _quick(line, number, origin) or _careful(line, number, origin)
            except Fault as fault:
                yield fault
    except Fault as fault:  # of the blocks: the file ends here
        fault.number = number + 1 if number else None
        raise


def _quick(line: bytes, number: int, origin: Origin) -> Record | None:
    """The record of a line whose fields are strings, each there once; None: look closer."""
    try:
        fields = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        if MAX_DEPTH_WORDS in str(error):
            raise Fault(
                "read_json", "not JSON that can be read (nested too deep)", number
            ) from error
        return None
    if type(fields) is not dict or type(text := fields.get("text")) is not str:
        return None
    given: dict[str, str] = {}
    for name, value in fields.items():
        if (key := _KEYS.get(name)) is not None:
            if type(value) is not str or line.count(key) != 1 or name in ALIASES:
                return None
            given[name] = value
    get = given.get
    name = get("id") or (f"{origin.stem}-{number}" if "id" not in given else "")
    return Record(
        name,
        text,
        get("source", origin.source),
        get("group", name),
        get("language", "unknown"),
        get("licence", origin.licence),
        get("url", ""),
    )


def _careful(line: bytes, number: int, origin: Origin) -> Record:
    text = decode(line, number).rstrip("\r")
    try:
        fields = json.loads(
            text, object_pairs_hook=_object, parse_constant=_constant, parse_int=_integer
        )
    except json.JSONDecodeError as error:
        reason = f"not JSON ({error.msg} at column {error.colno})"
        raise Fault("read_json", reason, number) from error
    except (ValueError, RecursionError) as error:  # NaN, 10,000 levels
        raise Fault("read_json", f"not JSON ({error})", number) from error
    if not isinstance(fields, _Object):
        kind = type(fields).__name__
        raise Fault("read_object", f"expected an object with a 'text', found {kind}", number)
    twice = [name for name in fields.repeated if name in _KEYS]
    if twice:
        raise Fault("read_duplicate_key", f"{twice[0]!r} is there twice; keep one", number)
    return from_fields(fields, number, origin)


class _Object(dict[str, Any]):
    repeated: tuple[str, ...] = ()


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    found = _Object(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        found.repeated = tuple(name for name, _ in pairs if name in seen or seen.add(name))
    return found


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"a number of {len(digits):,} digits")
    return int(digits)
