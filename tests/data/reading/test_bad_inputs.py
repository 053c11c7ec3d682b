"""Every kind of bad input is an error with file, line and reason, or counted as rejected."""

from __future__ import annotations

import gzip
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labkit.core.errors import LabError
from labkit.data.readers import ReadPolicy, fingerprint, read_corpus

SKIP = ReadPolicy(on_error="skip")
GOOD = b'{"text": "good"}\n'


def warc(text: bytes, length: int | None = None, kind: str = "conversion") -> bytes:
    size = len(text) if length is None else length
    head = f"WARC/1.0\r\nWARC-Type: {kind}\r\nContent-Length: {size}\r\n\r\n"
    return head.encode() + text + b"\r\n\r\n"


def parquet(path: Path, column: str = "text", values: tuple = ("good",)) -> bytes:
    pq.write_table(pa.table({column: list(values)}), path)
    return path.read_bytes()


def flipped(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :]


class Case(NamedTuple):
    content: bytes | Callable[[Path], object]
    """What the file holds, or what makes it."""
    kept: int
    rejected: tuple[tuple[int | None, str], ...] = ()
    """(line, rule) of each rejection when skipping; the first ends the reading otherwise."""
    name: str = "a.jsonl"


def line(content: bytes, rule: str) -> Case:
    """A bad line between two good ones."""
    return Case(GOOD + content + b"\n" + GOOD, 2, ((2, rule),))


CASES = {
    "invalid UTF-8": line(b'{"text": "caf\xe9"}', "read_encoding"),
    "invalid UTF-8, text": Case(b"caf\xe9", 0, ((None, "read_encoding"),), "a.txt"),
    "UTF-8 BOM": Case(b"\xef\xbb\xbf" + GOOD, 1),
    "UTF-16": Case(GOOD.decode().encode("utf-16"), 0, ((None, "read_encoding"),)),
    "lone surrogate escape": line(rb'{"text": "\ud800"}', "read_surrogate"),
    "NUL bytes": line(b'{"text": "a\0b"}', "read_json"),
    "NUL bytes only": line(bytes(100), "read_json"),
    "20 MB line over the limit": line(b'{"text": "%s"}' % (b"x" * 20_000_000), "read_record_bytes"),
    "20 MB text over the limit": Case(
        b"x" * 20_000_000, 0, ((None, "read_record_bytes"),), "a.txt"
    ),
    "no newline at the end": Case(GOOD + GOOD.rstrip(), 2),
    "CRLF": Case(GOOD.replace(b"\n", b"\r\n") * 2, 2),
    "U+2028 in a line": Case('{"text": "a\u2028b"}\n'.encode() + GOOD, 2),
    "empty line": Case(b"\n\n" + GOOD + b"  \r\n" + GOOD, 2),
    "invalid JSON": line(b'{"text": "a" "b"}', "read_json"),
    "truncated JSON": Case(GOOD + b'{"text": "a', 1, ((2, "read_json"),)),
    "two objects in a line": line(b'{"text": "a"} {"text": "b"}', "read_json"),
    "NaN": line(b'{"text": "a", "score": NaN}', "read_json"),
    "Infinity": line(b'{"text": "a", "score": -Infinity}', "read_json"),
    "duplicate keys": line(b'{"text": "a", "t\\u0065xt": "b"}', "read_duplicate_key"),
    "10k nesting": line(b'{"text": ' + b"[" * 100_000, "read_json"),
    "a list instead of an object": line(b'["text"]', "read_object"),
    "text missing": line(b'{"txt": "a"}', "read_text"),
    "text null": line(b'{"text": null}', "read_text"),
    "text a number": line(b'{"text": 3}', "read_text"),
    "text empty": Case(b'{"text": ""}\n', 1),
    "text only spaces": Case(b'{"text": "  "}\n', 1),
    "huge integer": line(b'{"text": "a", "n": %s}' % (b"1" * 5000), "read_json"),
    "id a list": line(b'{"text": "a", "id": [1]}', "read_field"),
    "gzip cut": Case(gzip.compress(GOOD)[:-9], 0, ((None, "read_damaged"),), "a.jsonl.gz"),
    "gzip bit flip": Case(
        flipped(gzip.compress(GOOD), -5), 0, ((None, "read_damaged"),), "a.jsonl.gz"
    ),
    "gzip bomb": Case(
        gzip.compress(GOOD * 100_000), 46_260, ((46_261, "read_expansion"),), "a.jsonl.gz"
    ),
    "gzip bomb, a text": Case(
        gzip.compress(bytes(3_000_000)), 0, ((None, "read_expansion"),), "a.txt.gz"
    ),
    "several gzip members": Case(gzip.compress(GOOD) * 3, 3, (), "a.jsonl.gz"),
    "wrong suffix: plain": Case(gzip.compress(GOOD), 0, ((None, "read_suffix"),)),
    "wrong suffix: gz": Case(GOOD, 0, ((None, "read_suffix"),), "a.jsonl.gz"),
    "wrong suffix: zst": Case(gzip.compress(GOOD), 0, ((None, "read_suffix"),), "a.jsonl.zst"),
    "zst cut": Case(
        pa.compress(GOOD, codec="zstd", asbytes=True)[:-5],
        0,
        ((None, "read_damaged"),),
        "a.jsonl.zst",
    ),
    "wrong suffix: zip": Case(b"PK\x03\x04 and more", 0, ((None, "read_suffix"),)),
    "empty file": Case(b"", 0),
    "empty file, gz": Case(b"", 0, (), "a.jsonl.gz"),
    "FIFO": Case(os.mkfifo, 0, ((None, "read_open"),)),
    "symbolic-link loop": Case(lambda p: p.symlink_to(p), 0, ((None, "read_open"),), "a.txt"),
    "link to nothing": Case(lambda p: p.symlink_to("gone"), 0, ((None, "read_open"),), "a.txt"),
    "unreadable": Case(
        lambda path: path.symlink_to("/proc/self/mem"), 0, ((None, "read_damaged"),), "a.txt"
    ),
    "permission denied": Case(lambda path: path.touch(0), 0, ((None, "read_open"),)),
    "duplicate ids": Case(b'{"text": "a", "id": "x"}\n' * 2, 2),
    "Parquet truncated": Case(
        lambda path: path.write_bytes(parquet(path)[:-20]),
        0,
        ((None, "read_damaged"),),
        "a.parquet",
    ),
    "Parquet with another schema": Case(
        lambda path: parquet(path, "body"), 0, ((None, "read_schema"),), "a.parquet"
    ),
    "Parquet with numbers": Case(
        lambda path: parquet(path, values=(1, 2)), 0, ((None, "read_schema"),), "a.parquet"
    ),
    "Parquet with two columns of one name": Case(
        lambda path: write_column_twice(path), 0, ((None, "read_schema"),), "a.parquet"
    ),
    "Parquet with null": Case(
        lambda path: parquet(path, values=("a", None, "b")), 2, ((2, "read_text"),), "a.parquet"
    ),
    "Parquet with bytes that are no text": Case(
        lambda path: write_invalid_parquet(path), 2, ((2, "read_encoding"),), "a.parquet"
    ),
    "WARC record with wrong length": Case(
        warc(b"one") + warc(b"two", 50) + warc(b"three"), 1, ((2, "read_damaged"),), "a.wet"
    ),
    "WARC cut": Case((warc(b"one") + warc(b"two"))[:-6], 1, ((2, "read_damaged"),), "a.wet"),
    "WARC of no UTF-8": Case(warc(b"caf\xe9") + warc(b"two"), 1, ((1, "read_encoding"),), "a.wet"),
    "no WARC": Case(b"hello\n" * 9, 0, ((1, "read_damaged"),), "a.warc"),
    "mixed encodings in one file": Case(
        '{"text": "é"}\n'.encode("latin-1")
        + '{"text": "é"}\n{"text": "第"}\n'.encode()
        + '{"text": "第"}\n'.encode("gb18030"),
        2,
        ((1, "read_encoding"), (4, "read_encoding")),
    ),
}


def write_invalid_parquet(path: Path) -> None:
    raw = pa.array([b"one", b"caf\xe9", b"three"]).view(pa.string())
    pq.write_table(pa.table({"text": raw}), path)


def write_column_twice(path: Path) -> None:
    pq.write_table(pa.table([pa.array(["one"]), pa.array(["two"])], names=["text", "text"]), path)


@pytest.fixture(autouse=True)
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labkit.data.reading.streams.HARMLESS_BYTES", 1_000_000)


@pytest.mark.parametrize("kind", CASES)
def test_bad_input(kind: str, tmp_path: Path):
    """In a folder of its own, skipping: counted. Stopping: one line with file, line and reason."""
    case = CASES[kind]
    folder = tmp_path / "corpus"
    folder.mkdir()
    path = folder / case.name
    if isinstance(case.content, bytes):
        path.write_bytes(case.content)
    else:
        case.content(path)
    if kind == "unreadable" and not path.exists():
        pytest.skip("no /proc here")
    if kind == "permission denied" and os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    limits = {"max_record_bytes": 10_000_000, "text_suffixes": ".txt, .txt.gz"}
    portions = list(read_corpus(str(folder), SKIP.with_overrides(limits)))
    kept = [row for portion in portions for row in portion.kept.to_pylist()]
    rejected = [row for portion in portions for row in portion.rejected.to_pylist()]
    assert [(row["line"], row["rule"]) for row in rejected] == list(case.rejected)
    assert len(kept) == case.kept
    stop = ReadPolicy().with_overrides(limits)
    assert len(fingerprint(str(folder), stop)) == 16
    if not case.rejected:
        assert sum(portion.kept.num_rows for portion in read_corpus(str(folder), stop)) == case.kept
        return
    with pytest.raises(LabError) as error:
        list(read_corpus(str(folder), stop))
    [number, _], reason = case.rejected[0], rejected[0]["reason"]
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(f"{path}:")
    assert str(error.value).endswith(f": {reason}")
    assert number is None or f"{number}: " in str(error.value)


def test_whatever_byte_is_damaged_no_error_is_a_traceback(tmp_path: Path):
    """Law: 200 files of every format, cut or with bytes changed: LabError, or counted."""
    rng = random.Random(0)
    lines = b"".join(b'{"text": "text %d", "id": %d}\n' % (n, n) for n in range(40))
    records = b"".join(warc(b"text %d" % number) for number in range(10))
    pq.write_table(pa.table({"text": [f"text {n} " * 9 for n in range(99)]}), tmp_path / "seed")
    whole = {
        "a.jsonl": lines,
        "a.jsonl.gz": gzip.compress(lines),
        "a.jsonl.zst": pa.compress(lines, codec="zstd", asbytes=True),
        "a.wet": records,
        "a.warc.gz": gzip.compress(records) + gzip.compress(records),
        "a.parquet": (tmp_path / "seed").read_bytes(),
    }
    for number in range(200):
        name = list(whole)[number % len(whole)]
        content = bytearray(whole[name])
        for _ in range(rng.choice([1, 3, 10])):
            content[rng.randrange(len(content))] = rng.randrange(256)
        path = tmp_path / name
        path.write_bytes(content[: rng.choice([len(content), rng.randrange(len(content))])])
        num_rejected = 0
        for portion in read_corpus(str(path), SKIP):
            portion.kept.validate(full=True)
            num_rejected += portion.rejected.num_rows
        message = ""
        try:
            list(read_corpus(str(path)))
        except LabError as error:
            message = str(error)
        assert bool(message) == (num_rejected > 0)
        assert not message or message.startswith(f"{path}:")
