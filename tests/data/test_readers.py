from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labkit.core.errors import LabError
from labkit.data import build
from labkit.data.build import build_documents, load_columns, load_texts
from labkit.data.columns import add_statistics
from labkit.data.readers import fingerprint, read_documents
from labkit.data.reading import portions


def rows(corpus: Path | str) -> list[dict[str, str]]:
    return [row for batch in read_documents(str(corpus)) for row in batch.to_pylist()]


def write_jsonl(path: Path, *records: dict) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def test_the_same_texts_from_every_kind_of_file(tmp_path: Path):
    texts = ["Bonjour\u2028le monde", "第一回", "no newline at the end", "\ufeffmark\r\nCRLF\x00"]
    jsonl = write_jsonl(tmp_path / "a.jsonl", *({"text": text} for text in texts))
    pq.write_table(pa.table({"text": texts}), tmp_path / "a.parquet")
    folder = tmp_path / "texts"
    folder.mkdir()
    for number, text in enumerate(texts):
        (folder / f"{number}.txt").write_bytes(text.encode())
    for corpus in (jsonl, tmp_path / "a.parquet", folder):
        assert [row["text"] for row in rows(corpus)] == texts
    assert [row["text"] for row in rows(folder / "1.txt")] == [texts[1]]


def test_fields_and_their_defaults(tmp_path: Path):
    path = write_jsonl(
        tmp_path / "a.jsonl",
        {"text": "x"},
        {"text": "y", "id": 7, "source": "web", "group": "w", "language": "en"}
        | {"license": "CC0-1.0", "url": "http://a.b"},
    )
    first, second = rows(path)
    assert first == {
        "id": "a-1",
        "text": "x",
        "source": "a",
        "group": "a-1",
        "language": "unknown",
        "licence": "unknown",
        "url": "",
    }
    assert second == {
        "id": "7",
        "text": "y",
        "source": "web",
        "group": "w",
        "language": "en",
        "licence": "CC0-1.0",
        "url": "http://a.b",
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"text": "ok"}\n{"text": "caf\xe9"}\n', r"bad.jsonl:2: not UTF-8 at byte 13 \(0xe9\)"),
        (
            b'{"text": "ok"}\n\n{"text": "a"\n',
            r"bad.jsonl:3: not JSON \(Expecting ',' delimiter at column 13\)",
        ),
        (b"[1, 2]\n", r"bad.jsonl:1: expected an object with a 'text', found list"),
        (b'{"txt": "a"}\n', r"bad.jsonl:1: no 'text' in it"),
        (b'{"text": 3}\n', r"bad.jsonl:1: 'text' is int, not a string"),
        (b'{"text": "\\ud800"}\n', r"bad.jsonl:1: a lone surrogate, which is no character"),
        (b'{"text": "a", "id": "\\ud800"}\n', r"bad.jsonl:1: a lone surrogate"),
        (b'{"text": ' + b"1" * 5000 + b"}\n", r"bad.jsonl:1: not JSON"),
        (b"[" * 100_000 + b"\n", r"bad.jsonl:1: not JSON"),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_written(tmp_path, lab_home, content, message):
    path = tmp_path / "bad.jsonl"
    path.write_bytes(content)
    with pytest.raises(LabError, match=message):
        build_documents(str(path))
    assert not list((lab_home / "datasets").glob("*"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.parquet", b"PAR1 not really", "not a Parquet file"),
        ("a.txt", b"caf\xe9", r"a.txt: not UTF-8 at byte 3 \(0xe9\); convert it"),
        ("a.doc", b"", r"cannot read .doc files; give .jsonl, .jsonl.gz, .*, .txt"),
        ("a.jsonl", b"", "no documents in it"),
    ],
)
def test_files_that_cannot_be_a_corpus(tmp_path: Path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(LabError, match=message):
        build_documents(str(tmp_path / name))


def test_a_damaged_page_of_parquet_is_named_by_the_row_before_it(tmp_path: Path, lab_home: Path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["hello world " * 1000] * 100}), path)
    content = bytearray(path.read_bytes())
    content[60:90] = bytes(30)
    path.write_bytes(content)
    with pytest.raises(LabError, match=r"a.parquet: after row 0: damaged .*nothing was written"):
        build_documents(str(path))
    assert not list((lab_home / "datasets").glob("*"))


@pytest.mark.parametrize("name", ["pipe.jsonl", "pipe.parquet", "texts/pipe.txt"])
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    os.mkfifo(path)
    with pytest.raises(LabError, match=r"pipe\.\w+: a pipe or a device"):
        build_documents(str(path if path.suffix != ".txt" else path.parent))


def test_a_link_to_nothing_in_a_folder_is_refused(tmp_path: Path):
    (tmp_path / "a.txt").symlink_to(tmp_path / "gone")
    with pytest.raises(LabError, match=r"a\.txt: a link to nothing"):
        build_documents(str(tmp_path))


def test_a_file_that_changes_while_it_is_read_is_no_dataset(tmp_path, lab_home, monkeypatch):
    path = write_jsonl(tmp_path / "a.jsonl", {"text": "one"}, {"text": "two"})

    def add_and_append(batch: pa.RecordBatch) -> pa.RecordBatch:
        with path.open("a") as file:
            file.write('{"text": "late"}\n')
        return add_statistics(batch)

    monkeypatch.setattr(build, "add_statistics", add_and_append)
    with pytest.raises(LabError, match=r"a\.jsonl: changed while it was read; .*nothing was"):
        build_documents(str(path))
    assert not list((lab_home / "datasets").glob("*"))


def test_parquet_without_a_text_column(tmp_path: Path):
    pq.write_table(pa.table({"body": ["x"]}), tmp_path / "a.parquet")
    with pytest.raises(LabError, match="no column 'text'; it has body"):
        rows(tmp_path / "a.parquet")


def test_a_folder_without_texts_and_a_name_that_is_nothing(tmp_path: Path):
    with pytest.raises(LabError, match=r"no file below this folder ends in .txt, .jsonl"):
        rows(tmp_path)
    with pytest.raises(LabError, match="neither a registered corpus .shakespeare, milton"):
        rows("shakespear")


def test_documents_and_bytes_are_conserved_over_many_batches(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(portions, "PORTION_CHARACTERS", 100)
    texts = [f"document {number} " * (number % 7) for number in range(200)]
    path = write_jsonl(tmp_path / "a.jsonl", *({"text": text} for text in texts))
    folder = build_documents(str(path))
    columns = load_columns(folder, ["num_bytes", "id"])
    assert columns.num_rows == 200
    assert sum(columns["num_bytes"].to_pylist()) == sum(len(text.encode()) for text in texts)
    assert load_texts(folder, [199, 0, 57]) == [texts[199], texts[0], texts[57]]


def test_building_twice_writes_once_and_a_changed_file_is_another_dataset(tmp_path: Path):
    path = write_jsonl(tmp_path / "a.jsonl", {"text": "x"})
    before = fingerprint(str(path))
    folder = build_documents(str(path))
    written = (folder / "documents.parquet").stat().st_mtime_ns
    assert build_documents(str(path)) == folder
    assert (folder / "documents.parquet").stat().st_mtime_ns == written
    write_jsonl(path, {"text": "x"}, {"text": "y"})
    assert fingerprint(str(path)) != before
    assert build_documents(str(path)) != folder


def test_a_flipped_bit_in_a_dataset_is_refused(tmp_path: Path):
    path = write_jsonl(tmp_path / "a.jsonl", {"text": "x" * 1000})
    file = build_documents(str(path)) / "documents.parquet"
    content = bytearray(file.read_bytes())
    content[100] ^= 4
    file.write_bytes(content)
    with pytest.raises(LabError, match="documents.parquet: SHA-256 .* delete .* and make it again"):
        build_documents(str(path))


def test_null_fields_are_missing_fields(tmp_path: Path):
    nulls = {"id": None, "source": None, "group": None, "language": None}
    path = write_jsonl(tmp_path / "a.jsonl", {"text": "x", **nulls}, {"text": "y", **nulls})
    assert [row["group"] for row in rows(path)] == ["a-1", "a-2"]
    assert rows(path)[0]["source"] == "a"


@pytest.mark.parametrize("corpus", ["", "x" * 300, "~nosuchuser/x.txt"])
def test_names_that_no_file_can_have(corpus):
    with pytest.raises(LabError):
        fingerprint(corpus)
