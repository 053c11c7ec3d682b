"""Formats agree with one another and with other libraries; cuts and parts change nothing."""

from __future__ import annotations

import gzip
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.json
import pyarrow.parquet as pq
import pytest

from labkit.core.errors import LabError
from labkit.data.readers import (
    REJECTED,
    SCHEMA,
    ReadPolicy,
    cut_part,
    find_parts,
    fingerprint,
    read_corpus,
    read_documents,
    read_part,
)
from labkit.data.reading import portions, streams
from labkit.data.reading.line_pieces import cut_lines
from labkit.data.reading.record import RULES

SKIP = ReadPolicy(on_error="skip")
TEXTS = ["Bonjour\u2028le monde", "第一回", "", "a\r\nb\x00", "x" * 5000]


def rows(corpus: Path | str, policy: ReadPolicy | None = None) -> tuple[list[dict], list[dict]]:
    found = list(read_corpus(str(corpus), policy))
    kept = [row for portion in found for row in portion.kept.to_pylist()]
    return kept, [row for portion in found for row in portion.rejected.to_pylist()]


def jsonl(texts: list[str]) -> bytes:
    return b"".join(json.dumps({"text": text}).encode() + b"\n" for text in texts)


def test_packed_and_plain_lines_hold_the_same_texts(tmp_path: Path):
    raw = jsonl(TEXTS)
    packed = {
        "a.jsonl": raw,
        "b.jsonl.gz": gzip.compress(raw[:40]) + gzip.compress(raw[40:]),
        "c.jsonl.zst": pa.compress(raw, codec="zstd", asbytes=True),
    }
    for name, content in packed.items():
        (tmp_path / name).write_bytes(content)
        kept, rejected = rows(tmp_path / name)
        assert [row["text"] for row in kept] == TEXTS
        assert [row["id"] for row in kept] == [f"{name[0]}-{n}" for n in range(1, 6)]
        assert rejected == []
    assert [row["text"] for row in rows(tmp_path)[0]] == TEXTS * 3


def test_lines_are_pyarrows_lines(tmp_path: Path):
    """Oracle: pyarrow's own JSON reader on lines that both read."""
    rng = random.Random(0)
    texts = ["".join(rng.choices('aé第\n"\\\t😀 /', k=rng.randrange(400))) for _ in range(500)]
    path = tmp_path / "a.jsonl"
    path.write_bytes(jsonl(texts))
    theirs = pa.json.read_json(path).column("text").to_pylist()
    assert [row["text"] for row in rows(path)[0]] == theirs == texts


def test_kept_and_rejected_are_all_lines_whatever_the_blocks(tmp_path: Path, monkeypatch):
    """Law: 200 damaged files; every line that isn't blank is in exactly one side."""
    rng = random.Random(1)
    path = tmp_path / "a.jsonl"
    for _ in range(200):
        raw = bytearray(jsonl([f"text {n} é\u2028" * 3 for n in range(20)]))
        for place in rng.sample(range(5, len(raw)), 6):
            raw[place] = rng.choice([0, 10, 10, 34, 92, 125, 255])
        path.write_bytes(raw)
        monkeypatch.setattr(streams, "BLOCK_BYTES", rng.choice([5, 64, 1 << 18]))
        monkeypatch.setattr(portions, "PORTION_RECORDS", rng.choice([1, 7, 1000]))
        kept, rejected = rows(path, SKIP)
        lines = [line for line in bytes(raw).split(b"\n") if line.strip()]
        assert len(kept) + len(rejected) == len(lines)
        numbers = [int(row["id"].split("-")[1]) for row in kept] + [r["line"] for r in rejected]
        assert len(set(numbers)) == len(lines)
        assert {row["rule"] for row in rejected} <= set(RULES)
        if rejected:
            with pytest.raises(LabError) as error:
                rows(path)
            first = rejected[0]
            assert str(error.value) == f"{path}:{first['line']}: {first['reason']}"


@pytest.mark.parametrize("piece_bytes", [1, 6, 100])
def test_lines_cut_anywhere_are_the_same(piece_bytes: int):
    raw = b"one\n\ntwo three\r\nfour"
    for size in range(1, len(raw) + 1):
        blocks = [raw[start : start + size] for start in range(0, len(raw), size)]
        pieces = list(cut_lines(blocks, 100, piece_bytes, 1000))
        ranges = cut_lines(blocks, 100, piece_bytes, 1000, as_ranges=True)
        assert b"\n".join(piece.content for piece in pieces) == raw
        for piece, place in zip(pieces, ranges, strict=True):
            assert raw[place.content.start : place.content.stop] == piece.content
            assert raw.count(b"\n", 0, place.content.start) + 1 == piece.number == place.number


def test_of_a_line_that_is_too_long_no_more_is_held():
    blocks = [b"0123456789"] * 3 + [b"01\nab\ncdef"]
    [fault, *rest] = cut_lines(blocks, 20, 5, 1000, as_ranges=True)
    assert (fault.number, rest) == (1, [(2, range(33, 40))])
    assert "32 bytes; a record has at most 20" in fault.content.reason
    [fault, *rest] = cut_lines(blocks, 20, 5, 1000)
    assert (fault.number, rest) == (1, [(2, b"ab\ncdef")])
    whole = list(cut_lines([b"a\n0123456789", b"0123456789\nb"], 20, 5, 1000))
    assert [piece.number for piece in whole] == [1, 2, 3]  # not longer than it may be


@pytest.mark.parametrize("portion_bytes", [5, 1000])
def test_too_long_is_a_line_as_it_stands_wherever_it_is_measured(
    tmp_path: Path, monkeypatch, portion_bytes: int
):
    """Blank, and with a byte order mark: while lines are cut, or when they are parsed."""
    monkeypatch.setattr(streams, "BLOCK_BYTES", 8)
    monkeypatch.setattr(portions, "PORTION_CHARACTERS", portion_bytes)
    path = tmp_path / "a.jsonl"
    path.write_bytes(streams.BOM + b'{"text": "123456"}\n' + b" " * 30 + b'\n{"text": "b"}')
    policy = ReadPolicy(on_error="skip", max_record_bytes=20)
    _, rejected = rows(path, policy)
    assert [one["reason"][:8] for one in rejected] == ["21 bytes", "30 bytes"]


@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_lines_whose_file_is_another_meanwhile_are_refused(tmp_path: Path, damage: str):
    path = tmp_path / "a.jsonl"
    path.write_bytes(jsonl(TEXTS))
    [lines] = cut_part(find_parts(str(path))[0], SKIP)
    path.write_bytes(b"") if damage == "cut" else path.unlink()
    with pytest.raises(LabError, match=r"a\.jsonl: (changed|gone) while it was read; try again"):
        lines.read()


def test_parts_read_apart_are_the_corpus(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("labkit.data.reading.parts.TEXTS_PER_PART", 2)
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "a.jsonl").write_bytes(jsonl(TEXTS))
    pq.write_table(pa.table({"text": TEXTS, "license": ["MIT"] * 5}), tmp_path / "b.parquet")
    for number, text in enumerate(TEXTS):
        (tmp_path / f"{number}.txt").write_bytes(text.encode())
    (tmp_path / "notes.md").write_text("# not named by the policy")
    (tmp_path / "loop").symlink_to(tmp_path)
    parts = find_parts(str(tmp_path))
    assert [part.kind for part in parts] == ["text", "text", "text", "parquet", "jsonl"]
    assert sum(p.num_bytes for p in parts[:3]) == sum(len(text.encode()) for text in TEXTS)
    apart = [p.kept for part in parts for p in read_part(part, ReadPolicy())]
    together = pa.Table.from_batches(read_documents(str(tmp_path)))
    assert pa.Table.from_batches(apart).equals(together)
    assert together.schema == SCHEMA
    assert set(together["source"].to_pylist()) == {tmp_path.name, "web"}
    assert together["licence"].to_pylist() == ["unknown"] * 5 + ["MIT"] * 5 + ["unknown"] * 5
    named = ReadPolicy(text_suffixes=".txt, .md")
    assert rows(tmp_path, named)[0][-2]["id"] != "notes.md"
    assert len(rows(tmp_path, named)[0]) == 16
    assert fingerprint(str(tmp_path), named) != fingerprint(str(tmp_path))


def test_equal_files_read_as_something_else_have_another_fingerprint(tmp_path: Path):
    """Ids, sources and even the number of documents differ."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "a.jsonl").write_text('{"text": "one"}\n')
    (tmp_path / "link").symlink_to(folder)
    ways = [folder, folder / "a.jsonl", tmp_path / "link", f"hf:{folder}"]
    assert len({fingerprint(str(way)) for way in ways}) == len(ways)
    assert fingerprint(os.path.relpath(folder)) == fingerprint(str(folder))


def test_file_names_that_are_no_utf8(tmp_path: Path):
    folder = os.fsencode(tmp_path)
    try:
        Path(os.fsdecode(folder + b"/caf\xe9.txt")).write_text("good")
    except OSError:
        pytest.skip("no such names here")
    Path(os.fsdecode(folder + b"/z\xff.jsonl")).write_text('{"text": "a"}\nbad\n')
    kept, rejected = rows(tmp_path, SKIP)
    assert [row["id"] for row in kept] == [r"caf\xe9.txt", r"z\xff-1"]
    assert [(row["file"], row["line"]) for row in rejected] == [(rf"{tmp_path}/z\xff.jsonl", 2)]
    assert fingerprint(str(tmp_path))
    with pytest.raises(LabError, match=r"z\\xff.jsonl:2: not JSON"):
        rows(tmp_path)


def test_portions_are_bounded_also_where_all_is_rejected(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(portions, "PORTION_RECORDS", 10)
    monkeypatch.setattr(streams, "BLOCK_BYTES", len(b"bad\n") * 10)
    (tmp_path / "a.jsonl").write_bytes(b"bad\n" * 25)
    found = list(read_corpus(str(tmp_path / "a.jsonl"), SKIP))
    assert [portion.rejected.num_rows for portion in found] == [10, 10, 5]
    assert {portion.kept.num_rows for portion in found} == {0}
    assert found[0].rejected.schema == REJECTED


def test_a_file_that_is_gone_or_changes_while_it_is_read(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(jsonl(TEXTS))
    [part] = find_parts(str(path))
    reading = read_part(part, SKIP)
    os.utime(path, ns=(0, 0))
    assert next(reading).kept.num_rows == 5
    path.write_bytes(jsonl(["x" * 5_000_000, "y"]))
    reading = read_part(part, SKIP)
    next(reading)
    path.write_bytes(jsonl(["z"]))
    with pytest.raises(LabError, match=r"a\.jsonl: changed while it was read; try again"):
        list(reading)
    path.unlink()
    [portion] = read_part(part, SKIP)
    assert portion.rejected.to_pylist()[0]["reason"] == "cannot be read (No such file or directory)"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc here")
def test_a_100_mb_line_is_read_and_a_longer_one_is_not_held(tmp_path: Path):
    """Peak memory of a fresh process: at most 500 MB with the line, 200 MB less without."""
    script = """
import sys
from pathlib import Path
from labkit.data.readers import ReadPolicy, read_corpus
policy = ReadPolicy(on_error="skip", max_record_bytes=int(sys.argv[2]))
found = [(p.kept.num_rows, p.rejected.num_rows) for p in read_corpus(sys.argv[1], policy)]
peak = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
print(found, int(peak) // 1000)
"""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "%s"}\n{"text": "b"}\n' % (b"x" * 100_000_000))

    def read(limit: int) -> tuple[str, int]:
        command = [sys.executable, "-c", script, str(path), str(limit)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found, _, megabytes = done.stdout.strip().rpartition(" ")
        return found, int(megabytes)

    whole, held = read(1 << 27), read(1 << 20)
    assert (whole[0], held[0]) == ("[(1, 0), (1, 0)]", "[(0, 1), (1, 0)]")
    assert whole[1] < 500
    assert held[1] < whole[1] - 200
