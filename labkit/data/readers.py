"""Any corpus as Arrow batches of documents: a registered name, or a path to text.

- `.jsonl`: one object a line, `text` and optionally `id`, `source`, `group`, `language`;
- `.parquet`: a string column `text` and optionally the others;
- `.txt`: one document; a folder: every `.txt` below it, each one document.

The first record that can't be read ends the reading with file, line and reason.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from labkit.core.config import hash_json
from labkit.core.errors import LabError
from labkit.data.corpora import CORPORA, find_corpus
from labkit.data.fetch import DOCUMENTS, fetch

SCHEMA = pa.schema([(name, pa.string()) for name in ("id", "text", "source", "group", "language")])
BATCH_CHARACTERS = 4_000_000
SUFFIXES = (".jsonl", ".parquet", ".txt")


def read_documents(corpus: str) -> Iterator[pa.RecordBatch]:
    """Batches of `SCHEMA` in the corpus' own order; a batch ends once it has 4M characters.

    Raises:
        LabError: file, line and reason of the first record that can't be read.
    """
    if corpus in CORPORA:
        return _batches(_read_jsonl(fetch(find_corpus(corpus)) / DOCUMENTS))
    path = _existing_path(corpus)
    if path.is_dir():
        return _batches(_read_texts(_texts_below(path), path))
    readers = {
        ".jsonl": _read_jsonl,
        ".parquet": _read_parquet,
        ".txt": lambda file: _read_texts([file], file.parent),
    }
    return _batches(readers[path.suffix](path))


def fingerprint(corpus: str) -> str:
    """16 hex digits that change when the corpus does.

    A registered corpus is pinned by its archive or the interpreter; files by path, size and
    modification time, so that a large corpus isn't read twice.
    """
    if corpus in CORPORA:
        return hash_json([corpus, find_corpus(corpus).fingerprint])
    path = _existing_path(corpus)
    files = _texts_below(path) if path.is_dir() else [path]
    facts = [
        (os.fsencode(f.resolve()).hex(), f.stat().st_size, f.stat().st_mtime_ns) for f in files
    ]
    return hash_json(facts)


def check_corpus(corpus: str) -> str:
    """The name or path itself, when it can be read.

    Raises:
        LabError: neither registered nor an existing path of a known kind.
    """
    if corpus not in CORPORA:
        _existing_path(corpus)
    return corpus


def _existing_path(corpus: str) -> Path:
    try:
        path = Path(corpus).expanduser()
        is_there = bool(corpus.strip()) and path.exists()
    except (OSError, RuntimeError) as error:
        raise LabError(f"{corpus[:80]!r}: no such path ({error})") from error
    if not is_there:
        find_corpus(corpus)
    if path.is_dir():
        return path
    if path.suffix in SUFFIXES:
        return _regular(path)
    raise LabError(f"{path}: cannot read {path.suffix or 'this'} files; give {', '.join(SUFFIXES)}")


def _texts_below(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.rglob("*.txt") if not path.is_dir())
    if not files:
        raise LabError(f"{folder}: no .txt files below this folder")
    return [_regular(path) for path in files]


def _regular(path: Path) -> Path:
    if path.is_file():
        return path
    kind = "a link to nothing" if path.is_symlink() else "a pipe or a device"
    raise LabError(f"{path}: {kind}; a corpus is read twice, give a file")


def _batches(documents: Iterable[dict[str, str]]) -> Iterator[pa.RecordBatch]:
    rows: list[dict[str, str]] = []
    num_characters = 0
    for document in documents:
        rows.append(document)
        num_characters += len(document["text"])
        if num_characters >= BATCH_CHARACTERS:
            yield pa.RecordBatch.from_pylist(rows, schema=SCHEMA)
            rows, num_characters = [], 0
    if rows:
        yield pa.RecordBatch.from_pylist(rows, schema=SCHEMA)


def _read_jsonl(path: Path) -> Iterator[dict[str, str]]:
    with _open(path) as file:
        for number, line in enumerate(file, start=1):
            place = f"{path}:{number}"
            text = _decode(line, place)
            if not text.strip():
                continue
            try:
                record = json.loads(text.rstrip("\r\n"))
            except json.JSONDecodeError as error:
                reason = f"{error.msg} at column {error.colno}"
                raise LabError(f"{place}: not JSON ({reason}); nothing was written") from error
            except (ValueError, RecursionError) as error:  # a number of 5,000 digits, 10,000 levels
                raise LabError(f"{place}: not JSON ({error}); nothing was written") from error
            yield _document(record, place, default_id=f"{path.stem}-{number}", source=path.stem)


def _read_parquet(path: Path) -> Iterator[dict[str, str]]:
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise LabError(f"{path}: not a Parquet file ({error})") from error
    columns = [name for name in SCHEMA.names if name in file.schema_arrow.names]
    if "text" not in columns:
        raise LabError(f"{path}: no column 'text'; it has {', '.join(file.schema_arrow.names)}")
    number = 0
    batches = file.iter_batches(batch_size=1024, columns=columns)
    while (batch := _next_batch(batches, path, number)) is not None:
        for record in batch.to_pylist():
            number += 1
            place = f"{path}: row {number}"
            yield _document(record, place, default_id=f"{path.stem}-{number}", source=path.stem)


def _next_batch(
    batches: Iterator[pa.RecordBatch], path: Path, num_read: int
) -> pa.RecordBatch | None:
    try:
        return next(batches, None)
    except (pa.ArrowException, OSError) as error:
        place = f"{path}: after row {num_read}"
        raise LabError(f"{place}: damaged ({error}); nothing was written") from error


def _read_texts(files: Iterable[Path], root: Path) -> Iterator[dict[str, str]]:
    for path in files:
        with _open(path) as file:
            text = _decode(file.read(), str(path))
        name = path.relative_to(root).as_posix()
        source = name.split("/")[0] if "/" in name else root.name
        yield {"id": name, "text": text, "source": source, "group": name, "language": "unknown"}


def _document(record: Any, place: str, default_id: str, source: str) -> dict[str, str]:
    if not isinstance(record, dict):
        raise LabError(f"{place}: expected an object with a 'text', found {type(record).__name__}")
    record = {key: value for key, value in record.items() if value is not None}
    text = record.get("text")
    if not isinstance(text, str):
        raise LabError(f"{place}: 'text' is {type(text).__name__}, not a string")
    try:
        for field in SCHEMA.names:
            str(record.get(field, "")).encode()
    except UnicodeEncodeError as error:
        raise LabError(f"{place}: a lone surrogate, which is no character") from error
    name = str(record.get("id", default_id))
    return {
        "id": name,
        "text": text,
        "source": str(record.get("source", source)),
        "group": str(record.get("group", name)),
        "language": str(record.get("language", "unknown")),
    }


def _decode(raw: bytes, place: str) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise LabError(
            f"{place}: not UTF-8 at byte {error.start} (0x{raw[error.start]:02x}); "
            f"convert it, for example with iconv -f latin1 -t utf8"
        ) from error


def _open(path: Path):
    try:
        return path.open("rb")
    except OSError as error:
        raise LabError(f"{path}: cannot be read ({error.strerror})") from error
