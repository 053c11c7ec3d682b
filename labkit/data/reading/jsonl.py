"""JSON Lines: one object a line, `text` and optionally the other columns.

The limits are JSON's own (RFC 8259), not Python's wider reading: NaN and Infinity are no numbers.
A field that an object has twice is refused, for nothing says which is meant. A byte order mark
at the start of the file and blank lines are no records.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any, NoReturn

from labkit.data.reading.line_pieces import too_long
from labkit.data.reading.long_lines import LONG_BYTES, parse_around_text
from labkit.data.reading.record import ALIASES, FIELDS, Fault, Origin, Record, from_fields
from labkit.data.reading.streams import BOM, decode

MAX_DIGITS = 4300
_KEYS = {*FIELDS, *ALIASES}


def read_lines(
    content: bytes, first: int, origin: Origin, max_record_bytes: int
) -> Iterator[Record | Fault]:
    """`first` is the number of the first line in its file, from 1."""
    for number, line in enumerate(content.split(b"\n"), start=first):
        if len(line) > max_record_bytes:  # blank or not, as one of which nothing was held
            yield Fault("read_record_bytes", too_long(len(line), max_record_bytes), number)
            continue
        if number == 1:
            line = line.removeprefix(BOM)
        if not line or line.isspace():
            continue
        try:
            yield from_fields(_parse_line(line, number), number, origin)
        except Fault as fault:
            yield fault


def _parse_line(line: bytes, number: int) -> dict[str, Any]:
    if len(line) > LONG_BYTES:
        with contextlib.suppress(Fault, ValueError):  # told below, by its place in the line
            fields = parse_around_text(
                line,
                lambda rest: _parse(rest, number),
                lambda string: _DECODER.decode(decode(string, number)),
            )
            if fields is not None:
                return fields
    return _parse(line, number)


def _parse(line: bytes, number: int) -> dict[str, Any]:
    text = decode(line, number)
    try:
        fields = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        reason = f"not JSON ({error.msg.removesuffix(' at')} at column {error.colno})"
        raise Fault("read_json", reason, number) from error
    except (ValueError, RecursionError) as error:  # NaN, 10,000 levels
        raise Fault("read_json", f"not JSON ({error})", number) from error
    if type(fields) is _Repeated:
        name = next(iter(fields))
        raise Fault("read_duplicate_key", f"{name!r} is there twice; keep one", number)
    if not isinstance(fields, dict):
        kind = type(fields).__name__
        raise Fault("read_object", f"expected an object with a 'text', found {kind}", number)
    return fields


class _Repeated(dict[str, Any]):
    """Stands for an object that has these fields more than once."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    names = [name for name, _ in pairs if name in _KEYS]
    return _Repeated.fromkeys(name for name in names if names.count(name) > 1) or found


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"a number of {len(digits):,} digits")
    return int(digits)


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_int=_integer)
