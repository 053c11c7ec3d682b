"""Every file below a folder is read, or passed over with a reason."""

from __future__ import annotations

import gzip
import json
import os
import random
from pathlib import Path

from labkit.data.readers import files_line, find_parts, read_corpus
from labkit.data.reading.parts import passed_over
from labkit.data.reading.policy import ReadPolicy

LINES = "".join(json.dumps({"text": f"text {n}"}) + "\n" for n in range(10))


def write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    packed = path.suffix.lower() == ".gz"
    path.write_bytes(gzip.compress(LINES.encode()) if packed else LINES.encode())


def num_documents(folder: Path) -> int:
    return sum(portion.kept.num_rows for portion in read_corpus(str(folder)))


def test_spellings_of_suffixes_are_read_and_the_rest_is_named(tmp_path):
    for name in ("a.jsonl", "b.json.gz", "c.JSONL", "d.ndjson", "e.Jsonl.GZ", "f.csv", "g.json"):
        write(tmp_path / name)
    (tmp_path / "h.txt.gz").write_bytes(gzip.compress(b"one text"))
    assert num_documents(tmp_path) == 51
    assert files_line(str(tmp_path)) == "read 6 of 8 files; passed over: 1 .csv, 1 .json"
    assert files_line(str(tmp_path / "a.jsonl")) == ""


def test_links_are_followed_once_and_hidden_names_left_out(tmp_path):
    there, corpus = tmp_path / "there", tmp_path / "corpus"
    write(there / "deep" / "a.jsonl")
    write(corpus / "b.jsonl")
    for hidden in ("._b.jsonl", ".ipynb_checkpoints/b.jsonl", ".cache/c.jsonl", "_SUCCESS"):
        write(corpus / hidden)
    (corpus / "linked").symlink_to(there)
    (corpus / "again").symlink_to(there)
    (corpus / "loop").symlink_to(corpus)
    (corpus / "file.jsonl").symlink_to(corpus / "b.jsonl")
    assert num_documents(corpus) == 20
    assert passed_over(corpus, ReadPolicy()) == {
        "hidden": 4,
        "there already under another name": 1,
    }


def test_read_and_passed_over_are_all_that_is_there(tmp_path):
    rng = random.Random(0)
    endings = [".jsonl", ".JSONL", ".json.gz", ".csv", ".txt", "", ".parquet", ".bak", ".txt.gz"]
    for number in range(200):
        folder = tmp_path / str(number)
        for name in range(rng.randint(1, 8)):
            place = folder.joinpath(*rng.choices(["a", "b", ".c", "d_"], k=rng.randint(0, 3)))
            place.mkdir(parents=True, exist_ok=True)
            hidden = rng.choice(["", "", "", "."])
            (place / f"{hidden}{name}{rng.choice(endings)}").touch()
        (folder / "first.txt").touch()
        there = sum(len(files) for _, _, files in os.walk(folder))
        read = [file for part in find_parts(str(folder)) for file in part.files]
        assert len(read) == len(set(read))
        assert len(read) + sum(passed_over(folder, ReadPolicy()).values()) == there


def test_the_advice_for_one_byte_encodings_keeps_quotes(tmp_path):
    path = tmp_path / "a.txt"
    for raw, charset in ((b"\x93quoted\x94 5\x80", "windows-1252"), (b"caf\xe9", "latin1")):
        path.write_bytes(raw)
        policy = ReadPolicy(on_error="skip")
        [portion] = read_corpus(str(path), policy)
        assert f"iconv -f {charset} " in portion.rejected.column("reason")[0].as_py()
