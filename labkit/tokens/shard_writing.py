"""Text to shards, as a stream: memory holds a few pieces of `PIECE_CHARACTERS` of any corpus.

A piece is what one worker encodes at a time. Encoded pieces are added in order to shards of about
`SHARD_BYTES` of tokens, so that the bytes are equal for any number of workers.

Shards are written aside, with a log of their pieces, and kept through a crash: the next try reads
the texts again and encodes from the first piece on that is not there. The folder appears, with its
summary and its manifest, when all of it is there.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel

from labkit.core import artifacts, disk
from labkit.core.artifacts import write_artifact
from labkit.core.disk import write_json
from labkit.core.errors import LabError
from labkit.core.records.certificate import LeakCertificate, document_set_hash
from labkit.core.verified import remember_written
from labkit.tokens.encoding import Encode, fast_encode
from labkit.tokens.shards import SUMMARY, Shards, ShardSet, file_names
from labkit.tokens.tokenizer import Tokenizer, refuse_surrogates

PIECE_CHARACTERS = 16_000_000
SHARD_BYTES = 1 << 30


class Encoded(NamedTuple):
    """A piece as it is added to a shard's files."""

    text_hash: str
    """Of tokenizer and texts."""
    num_bytes: int
    """Of the texts, in UTF-8."""
    document_set: str
    tokens: bytes
    lengths: np.ndarray
    """uint64: ids of each document, its end of text included."""
    hashes: bytes


class PieceRecord(BaseModel):
    """A line of the log: a piece that has been added to a shard."""

    shard: int
    text_hash: str
    num_bytes: int
    document_set: str
    num_tokens: int
    num_documents: int
    sizes: tuple[int, int, int]
    """Bytes of the shard's three files behind this piece."""
    sha256: str
    """Of the bytes that it added to them."""


def write_shards(
    texts: Iterable[str],
    tokenizer: Tokenizer,
    folder: Path,
    *,
    certificate: LeakCertificate | None = None,
    corpus: Mapping[str, str] | None = None,
    num_workers: int = 1,
    piece_characters: int = PIECE_CHARACTERS,
    shard_bytes: int = SHARD_BYTES,
) -> Path:
    """The folder, made from the texts in order; one that is there already is only verified.

    Args:
        corpus: name -> fingerprint of what the texts come from; it stands in the manifest.
        shard_bytes: a shard ends with the piece that fills it up to so many bytes of tokens.

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
            unfinished = UnfinishedShards(aside, np.dtype(_dtype(tokenizer)).itemsize, shard_bytes)
            pieces = _cut(texts, piece_characters)
            left = unfinished.pass_over_kept(pieces, tokenizer)
            for encoded in _encode_all(left, tokenizer, num_workers):
                unfinished.add(encoded)
            _publish(unfinished.records, tokenizer, folder, aside, certificate, corpus or {})
        shutil.rmtree(aside, ignore_errors=True)
    return folder


def _check_tokenizer(folder: Path, tokenizer: Tokenizer) -> None:
    if Shards(folder).facts.tokenizer != tokenizer.fingerprint:
        raise LabError(
            f"{folder}: made with another tokenizer than {tokenizer.name}; give another folder"
        )


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


class UnfinishedShards:
    """Shards that grow piece by piece, and the log that a later try goes on from."""

    def __init__(self, aside: Path, bytes_per_token: int, shard_bytes: int):
        self.aside, self.shard_bytes = aside, shard_bytes
        self.bytes_per_token = bytes_per_token
        self.log = aside / "pieces.jsonl"
        self.records: list[PieceRecord] = []

    def pass_over_kept(
        self, pieces: Iterator[list[str]], tokenizer: Tokenizer
    ) -> Iterator[list[str]]:
        """The pieces from the first on that an earlier try did not write, or not whole."""
        for logged in self._logged():
            texts = next(pieces, None)
            if texts is None or not self._keeps(logged, texts, tokenizer):
                break
            self.records.append(logged)
        else:
            texts = None
        self._cut_back()
        if texts is not None:
            yield texts
        yield from pieces

    def add(self, encoded: Encoded) -> None:
        shard, sizes = self._end()
        ends = sizes[0] // self.bytes_per_token + np.cumsum(encoded.lengths, dtype="<u8")
        parts = (encoded.tokens, ends.tobytes(), encoded.hashes)
        record = PieceRecord(
            shard=shard,
            text_hash=encoded.text_hash,
            num_bytes=encoded.num_bytes,
            document_set=encoded.document_set,
            num_tokens=len(encoded.tokens) // self.bytes_per_token,
            num_documents=len(encoded.lengths),
            sizes=(sizes[0] + len(parts[0]), sizes[1] + len(parts[1]), sizes[2] + len(parts[2])),
            sha256=_sha256(parts),
        )
        with disk.clear_errors(self.aside):
            for name, part in zip(file_names(shard), parts, strict=True):
                with (self.aside / name).open("ab") as file:
                    file.write(part)
            with self.log.open("ab") as file:  # last: what it says is there
                file.write(record.model_dump_json().encode() + b"\n")
        self.records.append(record)

    def _end(self) -> tuple[int, tuple[int, int, int]]:
        """The shard that the next piece is added to, and the sizes of its files so far."""
        if not self.records:
            return 0, (0, 0, 0)
        last = self.records[-1]
        is_full = last.sizes[0] >= self.shard_bytes
        return (last.shard + 1, (0, 0, 0)) if is_full else (last.shard, last.sizes)

    def _logged(self) -> list[PieceRecord]:
        try:
            lines = self.log.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        records = []
        for line in lines:
            try:
                records.append(PieceRecord.model_validate_json(line))
            except ValueError:
                break  # torn when the writer was killed
        return records

    def _keeps(self, logged: PieceRecord, texts: Sequence[str], tokenizer: Tokenizer) -> bool:
        """Whether the next piece is the one that was logged, and its bytes are there."""
        shard, sizes = self._end()
        if logged.shard != shard or logged.text_hash != _hash_texts(texts, tokenizer).text_hash:
            return False
        parts = []
        for name, start, stop in zip(file_names(shard), sizes, logged.sizes, strict=True):
            with contextlib.suppress(FileNotFoundError), (self.aside / name).open("rb") as file:
                file.seek(start)
                parts.append(file.read(stop - start))
        return _sha256(parts) == logged.sha256

    def _cut_back(self) -> None:
        """Remove what stands behind the kept pieces."""
        shard, sizes = self._end()
        kept = dict(zip(file_names(shard), sizes, strict=True))
        full = {name for number in range(shard) for name in file_names(number)}
        with disk.clear_errors(self.aside):
            for path in self.aside.iterdir():
                if kept.get(path.name):
                    os.truncate(path, kept[path.name])
                elif path.name not in full and path != self.log:
                    path.unlink()
            lines = [record.model_dump_json() + "\n" for record in self.records]
            disk.write_file(self.log, "".join(lines).encode())


def _publish(
    records: Sequence[PieceRecord],
    tokenizer: Tokenizer,
    folder: Path,
    aside: Path,
    certificate: LeakCertificate | None,
    corpus: Mapping[str, str],
) -> None:
    if not records:
        raise LabError(f"{folder}: no documents to write")
    assert tokenizer.end_of_text is not None
    shard_tokens = [0] * (records[-1].shard + 1)
    for record in records:
        shard_tokens[record.shard] += record.num_tokens
    summary = ShardSet(
        tokenizer=tokenizer.fingerprint,
        vocab_size=tokenizer.vocab_size,
        end_of_text=tokenizer.end_of_text,
        dtype=_dtype(tokenizer).str,
        num_documents=sum(record.num_documents for record in records),
        num_tokens=sum(record.num_tokens for record in records),
        num_bytes=sum(record.num_bytes for record in records),
        shard_tokens=shard_tokens,
        document_set=document_set_hash(record.document_set for record in records),
        certificate=certificate,
    )
    inputs = {**corpus, "tokenizer": tokenizer.fingerprint, "documents": summary.document_set}
    with write_artifact(folder, inputs=inputs, packages=("tokenizers",)) as temporary:
        for number in range(len(shard_tokens)):
            for name in file_names(number):
                _link_or_copy(aside / name, temporary / name)
        write_json(temporary / SUMMARY, summary.model_dump(mode="json"))
    remember_written(folder)


def _link_or_copy(source: Path, target: Path) -> None:
    """The finished shards stay aside until the folder is published, for the next try."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _cut(texts: Iterable[str], piece_characters: int) -> Iterator[list[str]]:
    waiting, size = [], 0
    for position, text in enumerate(texts):
        refuse_surrogates(text, position)
        waiting.append(text)
        size += len(text)
        if size >= piece_characters:
            yield waiting
            waiting, size = [], 0
    if waiting:
        yield waiting


def _encode_all(
    pieces: Iterable[list[str]], tokenizer: Tokenizer, num_workers: int
) -> Iterator[Encoded]:
    """The pieces in order."""
    if num_workers == 1:
        encode = fast_encode(tokenizer)
        for texts in pieces:
            yield _encode(texts, tokenizer, encode)
        return
    running: deque[Future[Encoded]] = deque()
    with ProcessPoolExecutor(
        num_workers,
        mp_context=get_context("spawn"),
        initializer=_start_worker,
        initargs=(tokenizer.backend.to_str(), tokenizer.name),
    ) as pool:
        for texts in pieces:
            running.append(pool.submit(_work, texts))
            if len(running) > 2 * num_workers:  # bounds the text that waits in memory
                yield running.popleft().result()
        while running:
            yield running.popleft().result()


_worker: tuple[Tokenizer, Encode] | None = None


def _start_worker(backend: str, name: str) -> None:
    global _worker
    import tokenizers

    tokenizer = Tokenizer(tokenizers.Tokenizer.from_str(backend), name)
    _worker = (tokenizer, fast_encode(tokenizer))


def _work(texts: list[str]) -> Encoded:
    assert _worker is not None
    return _encode(texts, *_worker)


class _TextHashes(NamedTuple):
    text_hash: str
    num_bytes: int
    hashes: list[bytes]


def _hash_texts(texts: Sequence[str], tokenizer: Tokenizer) -> _TextHashes:
    hashes, num_bytes = [], 0
    for text in texts:
        content = text.encode()
        hashes.append(hashlib.sha256(content).digest())
        num_bytes += len(content)
    text_hash = hashlib.sha256(tokenizer.fingerprint.encode() + b"".join(hashes)).hexdigest()
    return _TextHashes(text_hash, num_bytes, hashes)


def _encode(texts: list[str], tokenizer: Tokenizer, encode: Encode) -> Encoded:
    found = _hash_texts(texts, tokenizer)
    encoded = encode(texts)
    end = np.array([tokenizer.end_of_text], dtype=np.uint32)
    parts = [part for ids in encoded for part in (ids, end)]
    return Encoded(
        text_hash=found.text_hash,
        num_bytes=found.num_bytes,
        document_set=document_set_hash(one.hex() for one in found.hashes),
        tokens=np.concatenate(parts, dtype=_dtype(tokenizer), casting="unsafe").tobytes(),
        lengths=np.array([len(ids) + 1 for ids in encoded], dtype="<u8"),
        hashes=b"".join(found.hashes),
    )


def _sha256(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _dtype(tokenizer: Tokenizer) -> np.dtype:
    return np.dtype("<u2" if tokenizer.vocab_size <= 1 << 16 else "<u4")
