"""Documents as files of ids for training: memory-mapped, verified, the same on any machine.

tokens-00000.bin      ids of all documents, each followed by the end of text; little-endian
                      uint16, or uint32 when the vocabulary has more than 65,536 ids
documents-00000.bin   uint64: where each document ends in this shard, its end of text included
shards.json           how many of what, and of which tokenizer
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from labkit.core import artifacts
from labkit.core.records.certificate import LeakCertificate

SUMMARY = "shards.json"


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
    """A folder of shards, opened and memory-mapped; ids are read where they lie."""

    def __init__(self, folder: Path, *, verify: bool = True):
        artifacts.read_manifest(folder, verify=verify)
        self.facts = ShardSet.model_validate(json.loads((folder / SUMMARY).read_text("utf-8")))
        numbers = range(len(self.facts.shard_tokens))
        self._tokens = [
            np.memmap(folder / file_names(number)[0], dtype=self.facts.dtype, mode="r")
            for number in numbers
        ]
        self._ends = [
            np.fromfile(folder / file_names(number)[1], dtype="<u8") for number in numbers
        ]
        self._starts = np.concatenate([[0], np.cumsum(self.facts.shard_tokens)])
        self._first_documents = np.concatenate([[0], np.cumsum([len(e) for e in self._ends])])

    def tokens(self, start: int, length: int) -> np.ndarray:
        """`length` ids from position `start` of all shards in a row."""
        assert 0 <= start <= start + length <= self.facts.num_tokens, (start, length)
        if not length:
            return np.empty(0, self.facts.dtype)
        parts = []
        shard = int(np.searchsorted(self._starts, start, side="right")) - 1
        while length:
            offset = start - int(self._starts[shard])
            part = self._tokens[shard][offset : offset + length]
            parts.append(part)
            start, length, shard = start + len(part), length - len(part), shard + 1
        return np.concatenate(parts) if len(parts) != 1 else parts[0]

    def document(self, number: int) -> np.ndarray:
        """Ids of one document, its end of text included."""
        start, stop = self.span(number)
        return self.tokens(start, stop - start)

    def span(self, number: int) -> tuple[int, int]:
        """Positions, among all shards in a row, of a document's first id and behind its last."""
        shard = int(np.searchsorted(self._first_documents, number, side="right")) - 1
        inside = number - int(self._first_documents[shard])
        start = int(self._ends[shard][inside - 1]) if inside else 0
        first = int(self._starts[shard])
        return first + start, first + int(self._ends[shard][inside])

    def num_windows(self, sequence_length: int) -> int:
        """Windows of `sequence_length` inputs and as many targets, which overlap by one id."""
        return max(self.facts.num_tokens - 1, 0) // sequence_length

    def window(self, number: int, sequence_length: int) -> np.ndarray:
        """`sequence_length` + 1 ids."""
        return self.tokens(number * sequence_length, sequence_length + 1)


def file_names(number: int) -> tuple[str, str]:
    return f"tokens-{number:05d}.bin", f"documents-{number:05d}.bin"
