"""Any corpus as Arrow batches of documents: a registered name, a path, or `hf:` and a name.

- `.jsonl`, `.ndjson`, also `.gz` and `.zst`, `.json.gz`: one object a line, `text` and optionally
  `id`, `source`, `group`, `language`, `licence` (or `license`), `url`;
- `.parquet`: a string column `text` and optionally the others;
- `.warc`, `.wet`, also `.gz`: the plain text in them;
- `.txt`, or the suffixes that the policy names: one document each;
- a folder: every such file below it, by name, its suffix in any case; links are followed once,
  hidden names left out, and `files_line` says what is passed over; or what `datasets` saved there;
- `hf:FOLDER`, `hf:OWNER/NAME@COMMIT`: streamed by Hugging Face `datasets`.

One policy says what happens to a record that can't be read: `reading/policy.py`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from labkit.core import artifacts
from labkit.core.canonical_json import hash_json
from labkit.core.errors import LabError
from labkit.data.corpora import CORPORA, find_corpus
from labkit.data.fetch import DOCUMENTS, fetch
from labkit.data.reading.parts import Part, files_below, find_parts_of, passed_over
from labkit.data.reading.policy import ReadPolicy
from labkit.data.reading.portions import Lines, cut_part, read_part
from labkit.data.reading.record import REJECTED, SCHEMA, Portion
from labkit.data.reading.saved_datasets import PREFIX, check_hub_name

__all__ = [
    "REJECTED",
    "SCHEMA",
    "Lines",
    "Part",
    "Portion",
    "ReadPolicy",
    "check_corpus",
    "corpus_name",
    "cut_part",
    "files_line",
    "find_parts",
    "fingerprint",
    "read_corpus",
    "read_documents",
    "read_part",
]


def read_documents(corpus: str) -> Iterator[pa.RecordBatch]:
    """Batches of `SCHEMA` in the corpus' own order; a batch ends once it has 4M characters.

    Raises:
        LabError: file, line and reason of the first record that can't be read.
    """
    return (portion.kept for portion in read_corpus(corpus))


def read_corpus(corpus: str, policy: ReadPolicy | None = None) -> Iterator[Portion]:
    """What was kept and what was rejected, in the corpus' own order; kept + rejected = read.

    Raises:
        LabError: as `read_part` and `find_parts`.
    """
    policy = policy or ReadPolicy()
    parts = find_parts(corpus, policy)
    return (portion for part in parts for portion in read_part(part, policy))


def corpus_name(corpus: str) -> str:
    """What a page calls it: a curated one by its folder, since the file has one name in all."""
    path = Path(corpus)
    is_curated = path.name == "documents.parquet" and artifacts.exists(path.parent)
    return path.parent.name if is_curated else path.name


def find_parts(corpus: str, policy: ReadPolicy | None = None) -> tuple[Part, ...]:
    """The corpus cut into what one process reads at a time, in its order; same cut each time.

    Raises:
        LabError: no such corpus or path, or nothing in it that can be read.
    """
    policy = policy or ReadPolicy()
    if corpus in CORPORA:
        registered = find_corpus(corpus)
        file = fetch(registered) / DOCUMENTS
        return find_parts_of(file, policy, licence=registered.text_licence)
    if corpus.startswith(PREFIX):
        name = check_hub_name(corpus[len(PREFIX) :])
        return (Part("hub", (name,), name, 0, Path(name).name),)
    return find_parts_of(_existing_path(corpus), policy)


def files_line(corpus: str, policy: ReadPolicy | None = None) -> str:
    """Which files below a folder are passed over, and why; empty where all are read.

    Raises:
        LabError: a folder that can't be listed.
    """
    folder = Path(corpus).expanduser()
    if corpus in CORPORA or corpus.startswith(PREFIX) or not folder.is_dir():
        return ""
    policy = policy or ReadPolicy()
    parts = find_parts_of(folder, policy)
    left_out = passed_over(folder, policy)
    if not left_out or parts[0].kind == "datasets":
        return ""
    num_read = sum(len(part.files) for part in parts)
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in left_out.items())
    num_there = num_read + sum(left_out.values())
    return f"read {num_read:,} of {num_there:,} files; passed over: {reasons}"


def fingerprint(corpus: str, policy: ReadPolicy | None = None) -> str:
    """16 hex digits that change when the corpus, or what is taken of it, does.

    A registered corpus is pinned by its archive or the interpreter, one of the hub by its commit;
    files by path, size and modification time, so that a large corpus isn't read twice, and by what
    they are read as: one file alone and as one of a folder, a folder and `hf:` before it, differ.
    """
    policy = policy or ReadPolicy()
    chosen = [policy.hash] if policy != ReadPolicy() else []
    if corpus in CORPORA:
        return hash_json([corpus, find_corpus(corpus).fingerprint, *chosen])
    if corpus.startswith(PREFIX) and not Path(check_hub_name(corpus[len(PREFIX) :])).is_dir():
        return hash_json([corpus, *chosen])
    parts = find_parts(corpus, policy)
    paths = [Path(file) for part in parts for file in part.files]
    files = [file for path in paths for file in (files_below(path) if path.is_dir() else [path])]
    read_as = {
        (part.kind, os.fsencode(part.source).hex(), os.fsencode(os.path.realpath(part.root)).hex())
        for part in parts
    }
    return hash_json([*map(_facts, files), sorted(read_as), *chosen])


def check_corpus(corpus: str) -> str:
    """The name itself, or the absolute path, so that what is saved here can be read elsewhere.

    Raises:
        LabError: neither registered nor an existing path of a known kind.
    """
    if corpus.startswith(PREFIX):
        check_hub_name(corpus[len(PREFIX) :])
    elif corpus not in CORPORA:
        path = _existing_path(corpus)
        if not path.is_dir():
            find_parts_of(path, ReadPolicy())
        return _as_utf8(path.absolute())
    return corpus


def _as_utf8(path: Path) -> str:
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise LabError(f"{str(path)!r}: a name that is not UTF-8; rename it") from error
    return str(path)


def _existing_path(corpus: str) -> Path:
    try:
        path = Path(corpus).expanduser()
        is_there = bool(corpus.strip()) and path.exists()
    except (OSError, RuntimeError, ValueError) as error:
        raise LabError(f"{corpus[:80]!r}: no such path ({error})") from error
    if not is_there:
        find_corpus(corpus)
    return path


def _facts(path: Path) -> tuple[str, int, int]:
    """Of a file that is gone or not permitted: its name alone, and reading it says why."""
    try:
        facts = path.stat()
        return os.fsencode(path.resolve()).hex(), facts.st_size, facts.st_mtime_ns
    except (OSError, RuntimeError):
        return os.fsencode(path).hex(), 0, 0
