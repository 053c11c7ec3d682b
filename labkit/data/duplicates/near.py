"""Documents that are almost the same: MinHash finds candidates, exact Jaccard decides.

A document is its set of n-grams of units (words; single Han and kana characters). Each is read
once for its signature; candidates share a band (`candidates.py`) and are read again to be verified
(`verify.py`), so precision is 1 and only recall is a matter of chance. Clusters are the connected
components: two of their members may be less similar than the threshold. Broder 1997; Lee et al.
2022 (deduplicating training data makes language models better).

Memory per document: 5 bytes per permutation and 150 more, 790 at 128 permutations, predicted
before the start. Left out: signatures on disk, several machines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from pydantic import model_validator

from labkit.core.config import Config, field
from labkit.data.duplicates.bands import Bands, choose_bands
from labkit.data.duplicates.candidates import candidate_pairs
from labkit.data.duplicates.keep import (
    KEEP_DESCRIPTION,
    SCORE_DESCRIPTION,
    Claims,
    DropCopies,
    Keep,
    drop_all_but_one,
    join_claims,
    stake_claims,
)
from labkit.data.duplicates.signatures import permutations, sign
from labkit.data.duplicates.verify import (
    BLOCK_BYTES,
    COPIES_PER_BLOCK,
    connect,
    jaccard,
    shingle_sets,
)
from labkit.data.ngrams import batch_ngrams

Texts = Callable[[Sequence[int]], list[str]]


class Sketch(NamedTuple):
    claims: Claims
    signatures: np.ndarray
    """uint32[documents, permutations]"""


class NearDuplicates(Config):
    """A `Survey`: drops all but one of each cluster of near-duplicates."""

    threshold: float = field(
        0.8,
        "Jaccard of n-gram sets from which two are duplicates (Lee et al. 2022: 0.8)",
        ge=0.3,
        le=1.0,
        step=0.05,
    )
    num_units: int = field(5, "units in an n-gram (Lee et al.: 5)", unit="words", ge=1, le=20)
    num_permutations: int = field(
        128, "minima in a signature; 160 keep a document under 1 kB", ge=16, le=160, step=16
    )
    min_recall: float = field(
        0.999, "expected share of pairs at the threshold that are found", ge=0.5, le=0.999999
    )
    keep: Keep = field("first", KEEP_DESCRIPTION)
    score_column: str = field("", SCORE_DESCRIPTION)
    seed: int = field(0, "seed of the permutations", ge=0, le=2**31 - 1)

    @model_validator(mode="after")
    def _has_bands(self) -> NearDuplicates:
        choose_bands(self.threshold, self.num_permutations, self.min_recall)
        return self

    @property
    def name(self) -> str:
        return "near_duplicates"

    @property
    def bands(self) -> Bands:
        return choose_bands(self.threshold, self.num_permutations, self.min_recall)

    def predicted_bytes(self, num_documents: int, num_bytes: int = 0) -> int:
        return bytes_at_peak(self.num_permutations, num_documents, num_bytes)

    def sketch(self, batch: pa.RecordBatch) -> Sketch:
        grams, ends = batch_ngrams(batch.column("text"), self.num_units)
        return Sketch(
            stake_claims(batch, self.keep, self.score_column),
            sign(grams, ends, permutations(self.num_permutations, self.seed)),
        )

    def settle(self, sketches: Iterable[Sketch], texts: Texts) -> DropCopies:
        """A dropped document's threshold is the Jaccard from which pairs were joined."""
        claims, signatures = join_sketches(sketches)
        components = self.components(claims, signatures, texts)
        return drop_all_but_one(claims, components, self.keep, self.name, self.threshold)

    def components(self, claims: Claims, signatures: np.ndarray, texts: Texts) -> np.ndarray:
        """The cluster of each document: the position of its first member."""
        return connect(
            candidate_pairs(signatures, self.bands, self.threshold),
            claims.num_bytes,
            lambda wanted: shingle_sets(texts(claims.rows[wanted].tolist()), self.num_units),
            jaccard,
            self.threshold,
        )


def near_duplicate_clusters(texts: Sequence[str], threshold: float) -> list[int]:
    """A cluster number per document: the position of the cluster's first document."""
    survey, sketches, start = NearDuplicates(threshold=threshold), [], 0
    while start < len(texts):
        stop, size = start, 0
        while stop < len(texts) and size < 4_000_000:
            size += len(texts[stop])
            stop += 1
        columns = {
            "text": pa.array(texts[start:stop], pa.large_string()),
            "row": pa.array(range(start, stop), pa.int64()),
        }
        sketches.append(survey.sketch(pa.RecordBatch.from_pydict(columns)))
        start = stop
    claims, signatures = join_sketches(sketches)
    found = survey.components(claims, signatures, lambda rows: [texts[row] for row in rows])
    return found.tolist()


def bytes_at_peak(num_permutations: int, num_documents: int, num_bytes: int) -> int:
    """Tables, and for a corpus of so many bytes the block of texts that is verified."""
    tables = (5 * num_permutations + 150) * num_documents
    return tables + COPIES_PER_BLOCK * min(num_bytes, BLOCK_BYTES)


def join_sketches(sketches: Iterable[Sketch]) -> Sketch:
    """One sketch of the corpus; each piece is copied as it comes, and let go."""
    pieces, whole, num = [], np.zeros((0, 1), dtype=np.uint32), 0
    for claims, signatures in sketches:
        pieces.append(claims)
        if num + len(signatures) > len(whole):
            # In place: a second copy of all signatures would double the memory.
            capacity = (num + len(signatures)) * 9 // 8
            whole.resize((capacity, signatures.shape[1]), refcheck=False)
        whole[num : num + len(signatures)] = signatures
        num += len(signatures)
    whole.resize((num, whole.shape[1]), refcheck=False)
    return Sketch(join_claims(pieces), whole)
