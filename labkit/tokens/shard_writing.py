"""Text to shards: cut into pieces of about `shard_characters`, each a shard of its own, so that
they are encoded in parallel and come out equal for any number of workers.

Shards are written aside one by one and kept through a crash; the folder appears, with its summary
and its manifest, when all are there.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel

from labkit.core import artifacts, disk
from labkit.core.artifacts import write_artifact
from labkit.core.disk import sha256_file, write_file, write_json
from labkit.core.errors import LabError
from labkit.core.records.certificate import LeakCertificate, document_set_hash
from labkit.tokens.encoding import Encode, fast_encode
from labkit.tokens.shards import SUMMARY, Shards, ShardSet, file_names
from labkit.tokens.tokenizer import Tokenizer, refuse_surrogates

SHARD_CHARACTERS = 16_000_000


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
    corpus: Mapping[str, str] | None = None,
    num_workers: int = 1,
    shard_characters: int = SHARD_CHARACTERS,
) -> Path:
    """The folder, made from the texts in order; one that is there already is only verified.

    Args:
        corpus: name -> fingerprint of what the texts come from; it stands in the manifest.

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
            _publish(shards, tokenizer, folder, aside, certificate, corpus or {})
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
    corpus: Mapping[str, str],
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
    inputs = {**corpus, "tokenizer": tokenizer.fingerprint, "documents": summary.document_set}
    with write_artifact(folder, inputs=inputs, packages=("tokenizers",)) as temporary:
        for number in range(len(shards)):
            for name in file_names(number):
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
    tokens_name, documents_name = file_names(piece.number)
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


def _dtype(tokenizer: Tokenizer) -> np.dtype:
    return np.dtype("<u2" if tokenizer.vocab_size <= 1 << 16 else "<u4")
