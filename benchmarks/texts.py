"""The text that a machine has: registered corpora, then documentation, then source.

Equal documents count once. Which documents there are depends on what is installed, so that rates
of two machines are of different text; both sides of one benchmark always get the same.
"""

from __future__ import annotations

import hashlib
import random
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from labkit.data.corpora import CORPORA
from labkit.data.fetch import is_here
from labkit.data.readers import read_documents

MAX_FILE_BYTES = 4_000_000


def gather(megabytes: float) -> list[str]:
    """Corpora, then documentation, then source until there is enough; shuffled with seed 0."""
    seen, texts, size = set(), [], 0
    for text in _every_text():
        digest = hashlib.sha256(text.encode()).digest()
        if not text or digest in seen:
            continue
        seen.add(digest)
        texts.append(text)
        size += len(text.encode())
        if size >= megabytes * 1e6:
            break
    random.Random(0).shuffle(texts)
    return texts


def first_megabytes(texts: list[str], megabytes: float) -> list[str]:
    """The shortest beginning that has so many bytes of UTF-8, or all there is."""
    size = 0
    for number, text in enumerate(texts, start=1):
        size += len(text.encode())
        if size >= megabytes * 1e6:
            return texts[:number]
    return texts


def num_megabytes(texts: list[str]) -> float:
    return sum(len(text.encode()) for text in texts) / 1e6


def _every_text() -> Iterator[str]:
    for name, corpus in CORPORA.items():
        if is_here(corpus):
            for batch in read_documents(name):
                yield from batch.column("text").to_pylist()
    library, packages = Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_path("purelib"))
    yield from _files(library, {".py", ".txt"})
    yield from _files(packages, {".md", ".txt", ".rst", ".json"})
    yield from _files(packages, {".py"})


def _files(folder: Path, suffixes: set[str]) -> Iterator[str]:
    """UTF-8 files of at most 4 MB: one table of numbers must not stand for a language."""
    paths = [path for path in sorted(folder.rglob("*")) if path.suffix in suffixes]
    random.Random(0).shuffle(paths)
    for path in paths:
        if not path.is_file() or path.stat().st_size > MAX_FILE_BYTES:
            continue
        try:
            yield path.read_bytes().decode()
        except UnicodeDecodeError:
            continue
