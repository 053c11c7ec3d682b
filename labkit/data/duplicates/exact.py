"""Documents whose text is the same, byte for byte: one of them stays.

Compared by 16 bytes of BLAKE2b, which no two different texts of any corpus are known to share.
Memory: 120 bytes per document. Left out: texts equal but for white space or case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pyarrow as pa

from labkit.core.config import Config, field
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

BYTES_PER_DOCUMENT = 120
"""Claims twice while they are joined, and the order of the documents."""


class ExactDuplicates(Config):
    """A `Survey`: drops all but one of the documents that have one text."""

    keep: Keep = field("first", KEEP_DESCRIPTION)
    score_column: str = field("", SCORE_DESCRIPTION)

    @property
    def name(self) -> str:
        return "exact_duplicates"

    def predicted_bytes(self, num_documents: int, num_bytes: int = 0) -> int:
        return BYTES_PER_DOCUMENT * num_documents

    def sketch(self, batch: pa.RecordBatch) -> Claims:
        return stake_claims(batch, self.keep, self.score_column, compares_hashes=True)

    def settle(
        self, sketches: Iterable[Claims], texts: Callable[[Sequence[int]], list[str]]
    ) -> DropCopies:
        """A dropped document's threshold is 1, the copies that a text may have."""
        claims = join_claims(sketches)
        return drop_all_but_one(claims, group_equal(claims.hashes), self.keep, self.name, 1.0)


def group_equal(hashes: np.ndarray) -> np.ndarray:
    """A number per row of uint64[rows, 2], equal where the rows are."""
    order = np.lexsort((hashes[:, 1], hashes[:, 0]))
    ordered = hashes[order]
    is_new = np.r_[True, (ordered[1:] != ordered[:-1]).any(axis=1)][: len(order)]
    groups = np.empty(len(order), dtype=np.int64)
    groups[order] = np.cumsum(is_new) - 1
    return groups
