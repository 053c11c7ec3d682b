"""What a tokenizer does to text, per document, so that intervals can be taken over documents.

A ratio over a set of documents is a ratio of sums (bytes per token = all bytes / all tokens);
its interval is that of `statistics/ratio.py`. Words are counted by the
caller: here runs of letters and digits, or Han and kana characters (`data/ngrams.py`), which is
too many where combining signs split words, as in Hindi.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from labkit.statistics.bootstrap import Interval
from labkit.statistics.ratio import is_too_narrow, ratio_interval
from labkit.tokens.tokenizer import Tokenizer


class Counts(NamedTuple):
    """One array per quantity, one entry per document."""

    num_bytes: np.ndarray
    num_characters: np.ndarray
    num_words: np.ndarray
    num_tokens: np.ndarray
    num_unknown: np.ndarray
    is_changed: np.ndarray
    """1 where decoding does not give the text back."""
    used_ids: frozenset[int]
    seconds: float


class Measures(NamedTuple):
    bytes_per_token: Interval
    tokens_per_word: Interval
    unknown_rate: Interval
    num_round_trip_failures: int
    vocabulary_use: float
    """Share of the ids that occur at all, 0..1."""
    megabytes_per_s: float
    num_documents: int
    is_too_narrow: bool
    """Whether the documents are too few or too unequal for 95% intervals to cover 95%."""


def count(tokenizer: Tokenizer, texts: Sequence[str], num_words: Sequence[int]) -> Counts:
    """Encode every text once; `num_words` comes from whoever knows the language."""
    started = time.perf_counter()
    encoded = tokenizer.encode_batch(texts)
    seconds = time.perf_counter() - started
    unknown = tokenizer.unknown
    return Counts(
        num_bytes=np.array([len(text.encode()) for text in texts]),
        num_characters=np.array([len(text) for text in texts]),
        num_words=np.array(num_words),
        num_tokens=np.array([len(ids) for ids in encoded]),
        num_unknown=np.array([0 if unknown is None else (ids == unknown).sum() for ids in encoded]),
        is_changed=np.array(
            [tokenizer.decode(ids) != text for ids, text in zip(encoded, texts, strict=True)]
        ),
        used_ids=frozenset(np.unique(np.concatenate(encoded)).tolist()),
        seconds=seconds,
    )


def measure(tokenizer: Tokenizer, counts: Counts, seed: int) -> Measures:
    """Measures with 95% intervals over documents."""
    return Measures(
        bytes_per_token=ratio_interval(counts.num_bytes, counts.num_tokens, seed),
        tokens_per_word=ratio_interval(counts.num_tokens, counts.num_words, seed),
        unknown_rate=ratio_interval(counts.num_unknown, counts.num_tokens, seed),
        num_round_trip_failures=int(counts.is_changed.sum()),
        vocabulary_use=len(counts.used_ids) / tokenizer.vocab_size,
        megabytes_per_s=float(counts.num_bytes.sum()) / 1e6 / max(counts.seconds, 1e-9),
        num_documents=len(counts.num_bytes),
        is_too_narrow=is_too_narrow(counts.num_bytes),
    )
