"""Documents as files of ids for training: memory-mapped, verified, the same on any machine.

Text is cut into pieces of about `shard_characters`, each a shard of its own, so that shards are
encoded in parallel and come out equal for any number of workers:

    tokens-00000.bin      ids of all documents, each followed by the end of text; little-endian
                          uint16, or uint32 when the vocabulary has more than 65,536 ids
    documents-00000.bin   uint64: where each document ends in this shard, its end of text included

Shards are written aside one by one and kept through a crash; the folder appears, with
`shards.json` and its manifest, when all are there.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from labkit.core import artifacts, disk
from labkit.core.artifacts import write_artifact
from labkit.core.disk import sha256_file, write_file, write_json
from labkit.core.errors import LabError
from labkit.core.records.certificate import LeakCertificate, document_set_hash
from labkit.tokens.encoding import Encode, fast_encode
from labkit.tokens.tokenizer import Tokenizer, refuse_surrogates

SUMMARY = "shards.json"
SHARD_CHARACTERS = 16_000_000


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


class _Piece(NamedTuple):
    number: int
    texts: list[str]


class _Shard(BaseModel):
    piece_hash: str
    num_tokens: int
    num_documents: int
    num_bytes: int
    content_hashes: list[str]
    sha256: dict[str, str]


def write_shards(
    texts: Iterable[str],
    tokenizer: Tokenizer,
    folder: Path,
    *,
    certificate: LeakCertificate | None = None,
    num_workers: int = 1,
    shard_characters: int = SHARD_CHARACTERS,
) -> Path:
    """The folder, made from the texts in order; one that is there already is only verified.

    Raises:
        LabError: no documents, one that is no text, or a tokenizer without an end of text.
    """
    if num_workers < 1:
        raise LabError(f"num_workers={num_workers}: give at least 1")
    if tokenizer.end_of_text is None:
        raise LabError(f"tokenizer {tokenizer.name} has no end of text to separate documents with")
    with _alone(folder.with_name(f"{folder.name}.unfinished")) as aside:
        if artifacts.exists(folder):
            _check_tokenizer(folder, tokenizer)
        else:
            pieces = _pieces(texts, shard_characters)
            shards = _encode_all(pieces, tokenizer, aside, num_workers)
            _publish(shards, tokenizer, folder, aside, certificate)
        shutil.rmtree(aside, ignore_errors=True)
    return folder


def _check_tokenizer(folder: Path, tokenizer: Tokenizer) -> None:
    if Shards(folder).facts.tokenizer != tokenizer.fingerprint:
        raise LabError(f"{folder}: made with another tokenizer than {tokenizer.name}; delete it")


@contextlib.contextmanager
def _alone(aside: Path) -> Iterator[Path]:
    """The folder of unfinished shards, for one writer at a time; others wait for it."""
    with disk.clear_errors(aside):
        aside.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(aside, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with disk.clear_errors(aside):
            aside.mkdir(exist_ok=True)  # the writer before us removed it
        yield aside
    finally:
        os.close(descriptor)


def _publish(
    shards: list[_Shard],
    tokenizer: Tokenizer,
    folder: Path,
    aside: Path,
    certificate: LeakCertificate | None,
) -> None:
    if not shards:
        raise LabError(f"{folder}: no documents to write")
    assert tokenizer.end_of_text is not None
    hashes = [one for shard in shards for one in shard.content_hashes]
    summary = ShardSet(
        tokenizer=tokenizer.fingerprint,
        vocab_size=tokenizer.vocab_size,
        end_of_text=tokenizer.end_of_text,
        dtype=_dtype(tokenizer).str,
        num_documents=sum(shard.num_documents for shard in shards),
        num_tokens=sum(shard.num_tokens for shard in shards),
        num_bytes=sum(shard.num_bytes for shard in shards),
        shard_tokens=[shard.num_tokens for shard in shards],
        document_set=document_set_hash(hashes),
        certificate=certificate,
    )
    inputs = {"tokenizer": tokenizer.fingerprint, "documents": summary.document_set}
    with write_artifact(folder, inputs=inputs, packages=("tokenizers",)) as temporary:
        for number in range(len(shards)):
            for name in _names(number):
                _link_or_copy(aside / name, temporary / name)
        write_json(temporary / SUMMARY, summary.model_dump(mode="json"))


def _link_or_copy(source: Path, target: Path) -> None:
    """The finished shards stay aside until the folder is published, for the next try."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _pieces(texts: Iterable[str], shard_characters: int) -> Iterator[_Piece]:
    waiting, size, number = [], 0, 0
    for position, text in enumerate(texts):
        refuse_surrogates(text, position)
        waiting.append(text)
        size += len(text)
        if size >= shard_characters:
            yield _Piece(number, waiting)
            waiting, size, number = [], 0, number + 1
    if waiting:
        yield _Piece(number, waiting)


def _encode_all(
    pieces: Iterable[_Piece], tokenizer: Tokenizer, aside: Path, num_workers: int
) -> list[_Shard]:
    if num_workers == 1:
        encode = fast_encode(tokenizer)
        return [_write_shard(piece, tokenizer, encode, aside) for piece in pieces]
    done: dict[int, _Shard] = {}
    running: dict[Future[_Shard], int] = {}
    with ProcessPoolExecutor(
        num_workers,
        mp_context=get_context("spawn"),
        initializer=_start_worker,
        initargs=(tokenizer.backend.to_str(), tokenizer.name, aside),
    ) as pool:
        for piece in pieces:
            running[pool.submit(_work, piece)] = piece.number
            if len(running) > 2 * num_workers:  # bounds the text that waits in memory
                _collect(running, done)
        while running:
            _collect(running, done)
    return [done[number] for number in sorted(done)]


def _collect(running: dict[Future[_Shard], int], done: dict[int, _Shard]) -> None:
    for future in wait(running, return_when=FIRST_COMPLETED).done:
        done[running.pop(future)] = future.result()


_worker: tuple[Tokenizer, Encode, Path] | None = None


def _start_worker(backend: str, name: str, aside: Path) -> None:
    global _worker
    import tokenizers

    tokenizer = Tokenizer(tokenizers.Tokenizer.from_str(backend), name)
    _worker = (tokenizer, fast_encode(tokenizer), aside)


def _work(piece: _Piece) -> _Shard:
    assert _worker is not None
    tokenizer, encode, aside = _worker
    return _write_shard(piece, tokenizer, encode, aside)


def _write_shard(piece: _Piece, tokenizer: Tokenizer, encode: Encode, aside: Path) -> _Shard:
    contents = [text.encode() for text in piece.texts]
    hashes = [hashlib.sha256(content).hexdigest() for content in contents]
    piece_hash = hashlib.sha256("".join([tokenizer.fingerprint, *hashes]).encode()).hexdigest()
    record = aside / f"shard-{piece.number:05d}.json"
    if (kept := _kept(record, piece_hash)) is not None:
        return kept
    encoded = encode(piece.texts)
    end = np.array([tokenizer.end_of_text], dtype=np.uint32)
    ids = np.concatenate([part for one in encoded for part in (one, end)])
    ends = np.cumsum([len(one) + 1 for one in encoded]).astype("<u8")
    tokens_name, documents_name = _names(piece.number)
    write_file(aside / tokens_name, ids.astype(_dtype(tokenizer)).tobytes())
    write_file(aside / documents_name, ends.tobytes())
    shard = _Shard(
        piece_hash=piece_hash,
        num_tokens=len(ids),
        num_documents=len(encoded),
        num_bytes=sum(map(len, contents)),
        content_hashes=hashes,
        sha256={name: sha256_file(aside / name) for name in (tokens_name, documents_name)},
    )
    write_file(record, shard.model_dump_json().encode())
    return shard


def _kept(record: Path, piece_hash: str) -> _Shard | None:
    """A shard that an earlier, interrupted run finished of the same text."""
    try:
        shard = _Shard.model_validate_json(record.read_bytes())
        is_whole = all(sha256_file(record.parent / name) == h for name, h in shard.sha256.items())
    except (OSError, ValueError):
        return None
    return shard if is_whole and shard.piece_hash == piece_hash else None


def _names(number: int) -> tuple[str, str]:
    return f"tokens-{number:05d}.bin", f"documents-{number:05d}.bin"


def _dtype(tokenizer: Tokenizer) -> np.dtype:
    return np.dtype("<u2" if tokenizer.vocab_size <= 1 << 16 else "<u4")


class Shards:
    """A folder of shards, opened and memory-mapped; ids are read where they lie."""

    def __init__(self, folder: Path, *, verify: bool = True):
        artifacts.read_manifest(folder, verify=verify)
        self.facts = ShardSet.model_validate(json.loads((folder / SUMMARY).read_text("utf-8")))
        numbers = range(len(self.facts.shard_tokens))
        self._tokens = [
            np.memmap(folder / _names(number)[0], dtype=self.facts.dtype, mode="r")
            for number in numbers
        ]
        self._ends = [np.fromfile(folder / _names(number)[1], dtype="<u8") for number in numbers]
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
