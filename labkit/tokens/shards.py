"""Documents as files of ids for training: memory-mapped, verified, the same on any machine.

tokens-00000.bin      ids of all documents, each followed by the end of text; little-endian
                      uint16, or uint32 when the vocabulary has more than 65,536 ids
documents-00000.bin   uint64: where each document ends in this shard, its end of text included
hashes-00000.bin      SHA-256 of each document's text, 32 bytes; folders of before have none
shards.json           how many of what, and of which tokenizer

A shard's tokens take about a gigabyte. Files are opened when they are read, and a process holds at
most `MAX_OPEN_FILES` of them, however large the corpora are.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from labkit.core import artifacts
from labkit.core.records.certificate import LeakCertificate
from labkit.core.verified import verify_once

SUMMARY = "shards.json"
MAX_OPEN_FILES = 64
HASH_BYTES = 32


class ShardSet(BaseModel):
    """What `shards.json` says of a folder of shards."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tokenizer: str
    vocab_size: int
    end_of_text: int
    dtype: str
    num_documents: int
    num_tokens: int
    num_bytes: int
    shard_tokens: list[int]
    document_set: str
    certificate: LeakCertificate | None


class Shards:
    """A folder of shards; ids are read where they lie.

    Args:
        verify: that files agree with the manifest, unless they did and have not changed since.
    """

    def __init__(self, folder: Path, *, verify: bool = True):
        if verify:
            verify_once(folder)
        else:
            artifacts.read_manifest(folder, verify=False)
        self.folder = folder
        self.facts = ShardSet.model_validate(json.loads((folder / SUMMARY).read_text("utf-8")))
        names = [file_names(number) for number in range(len(self.facts.shard_tokens))]
        self._starts = np.concatenate([[0], np.cumsum(self.facts.shard_tokens)])
        num_documents = [(folder / name.documents).stat().st_size // 8 for name in names]
        self._first_documents = np.concatenate([[0], np.cumsum(num_documents)])
        self._names = names
        self._opening = object()  # a folder may be written anew while its files are still open

    def tokens(self, start: int, length: int) -> np.ndarray:
        """A copy of `length` ids from position `start` of all shards in a row."""
        assert 0 <= start <= start + length <= self.facts.num_tokens, (start, length)
        parts = [np.empty(0, self.facts.dtype)]
        shard = int(np.searchsorted(self._starts, start, side="right")) - 1
        while length:
            offset = start - int(self._starts[shard])
            part = self._map(self._names[shard].tokens, self.facts.dtype)[offset : offset + length]
            parts.append(part)
            start, length, shard = start + len(part), length - len(part), shard + 1
        return np.concatenate(parts)

    def document(self, number: int) -> np.ndarray:
        """Ids of one document, its end of text included."""
        start, stop = self.span(number)
        return self.tokens(start, stop - start)

    def span(self, number: int) -> tuple[int, int]:
        """Positions, among all shards in a row, of a document's first id and behind its last."""
        shard = int(np.searchsorted(self._first_documents, number, side="right")) - 1
        inside = number - int(self._first_documents[shard])
        ends = self._map(self._names[shard].documents, "<u8")
        start = int(ends[inside - 1]) if inside else 0
        first = int(self._starts[shard])
        return first + start, first + int(ends[inside])

    @property
    def has_hashes(self) -> bool:
        return all((self.folder / name.hashes).is_file() for name in self._names)

    def document_hashes(self) -> Iterator[np.ndarray]:
        """uint64[documents] of each shard: the first 64 bits of the SHA-256 of each text."""
        for name in self._names:
            yield self._map(name.hashes, "<u8")[:: HASH_BYTES // 8].copy()

    def num_windows(self, sequence_length: int) -> int:
        """Windows of `sequence_length` inputs and as many targets, which overlap by one id."""
        return max(self.facts.num_tokens - 1, 0) // sequence_length

    def window(self, number: int, sequence_length: int) -> np.ndarray:
        """`sequence_length` + 1 ids."""
        return self.tokens(number * sequence_length, sequence_length + 1)

    def _map(self, name: str, dtype: str) -> np.ndarray:
        return _open_map(self._opening, self.folder / name, dtype)


class FileNames(NamedTuple):
    tokens: str
    documents: str
    hashes: str


def file_names(shard: int) -> FileNames:
    return FileNames(*(f"{kind}-{shard:05d}.bin" for kind in FileNames._fields))


@functools.lru_cache(maxsize=MAX_OPEN_FILES)
def _open_map(_opening: object, path: Path, dtype: str) -> np.ndarray:
    """One limit for all folders of a process; the file that was used longest ago is closed."""
    return np.memmap(path, dtype=dtype, mode="r").view(np.ndarray)
