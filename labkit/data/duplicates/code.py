"""Programs that are the same but for the names of their variables, and small edits.

Renaming changes almost every word n-gram, so that MinHash on words misses such clones. Here
programs are tokens without names (`code_tokens.py`); MinHash on n-grams of them finds candidates,
which are verified by edit distance: 1 - Levenshtein / longer length, in tokens. Two that differ in
one operator are clones to it.

Cost of a pair: at most tokens^2 / 64 steps (bit-parallel; Myers 1999), fewer by the threshold;
10 ms for two of `max_tokens` = 20,000. Longer and very short programs are compared with none.
Memory per document as in `near.py`. Left out: clones inside one document, functions in another
order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pyarrow as pa

from labkit.core.config import Config, field
from labkit.data.duplicates.bands import choose_bands
from labkit.data.duplicates.candidates import candidate_pairs
from labkit.data.duplicates.code_tokens import normal_tokens
from labkit.data.duplicates.keep import (
    KEEP_DESCRIPTION,
    SCORE_DESCRIPTION,
    DropCopies,
    Keep,
    drop_all_but_one,
    stake_claims,
)
from labkit.data.duplicates.near import Sketch, bytes_at_peak, join_sketches
from labkit.data.duplicates.signatures import permutations, sign
from labkit.data.duplicates.verify import connect
from labkit.data.ngrams import roll


class CodeDuplicates(Config):
    """A `Survey`: drops all but one of each cluster of programs that are almost the same."""

    threshold: float = field(
        0.9,
        "similarity of token sequences from which two are clones (labkit's choice)",
        ge=0.5,
        le=1.0,
        step=0.05,
    )
    candidate_jaccard: float = field(
        0.5, "Jaccard of token n-grams from which a pair is compared", ge=0.2, le=1.0, step=0.05
    )
    num_units: int = field(5, "tokens in an n-gram", unit="tokens", ge=1, le=20)
    min_tokens: int = field(50, "of a program that is compared", unit="tokens", ge=1, le=1000)
    max_tokens: int = field(
        20_000, "of a program that is compared", unit="tokens", ge=100, le=200_000
    )
    num_permutations: int = field(128, "minima in a signature", ge=16, le=160, step=16)
    keep: Keep = field("first", KEEP_DESCRIPTION)
    score_column: str = field("", SCORE_DESCRIPTION)
    seed: int = field(0, "seed of the permutations", ge=0, le=2**31 - 1)

    @property
    def name(self) -> str:
        return "code_duplicates"

    def predicted_bytes(self, num_documents: int, num_bytes: int = 0) -> int:
        return bytes_at_peak(self.num_permutations, num_documents, num_bytes)

    def sketch(self, batch: pa.RecordBatch) -> Sketch:
        tokens = [normal_tokens(text) for text in batch.column("text").to_pylist()]
        is_compared = [self.min_tokens <= len(t) <= self.max_tokens for t in tokens]
        compared = [t if fits else t[:0] for t, fits in zip(tokens, is_compared, strict=True)]
        ends = np.cumsum([len(t) for t in compared], dtype=np.int64)
        units = np.concatenate([np.zeros(0, np.uint64), *compared])
        return Sketch(
            stake_claims(batch, self.keep, self.score_column),
            sign(
                *roll(units, ends, self.num_units), permutations(self.num_permutations, self.seed)
            ),
        )

    def settle(
        self, sketches: Iterable[Sketch], texts: Callable[[Sequence[int]], list[str]]
    ) -> DropCopies:
        """A dropped document's threshold is the similarity from which pairs were joined."""
        claims, signatures = join_sketches(sketches)
        bands = choose_bands(self.candidate_jaccard, self.num_permutations, 0.99)
        components = connect(
            candidate_pairs(signatures, bands, self.candidate_jaccard),
            claims.num_bytes,
            lambda wanted: [normal_tokens(t) for t in texts(claims.rows[wanted].tolist())],
            lambda one, other: edit_similarity(one, other, self.threshold),
            self.threshold,
        )
        return drop_all_but_one(claims, components, self.keep, self.name, self.threshold)


def edit_similarity(one: np.ndarray, other: np.ndarray, at_least: float = 0.0) -> float:
    """1 - Levenshtein distance / longer length of two arrays, 0 where it is below `at_least`.

    >>> edit_similarity(np.array([1, 2, 3, 4]), np.array([1, 2, 9, 4]))
    0.75
    """
    from rapidfuzz.distance import Levenshtein

    return Levenshtein.normalized_similarity(one.tolist(), other.tolist(), score_cutoff=at_least)
