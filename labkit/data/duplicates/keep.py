"""Which of several copies stays, and the step that drops the others.

- `first`: the one that stands first in the corpus, so it depends on the corpus' order;
- `longest`: the one with most UTF-8 bytes; `highest`: the one with most in a column of numbers.
  Equal ones are ordered by content hash, so the text that stays doesn't depend on the order.

A dropped document's `value` is the row of the one kept in its place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labkit.core.errors import LabError
from labkit.data.pipeline.step import Outcome, Verdicts, split_by
from labkit.data.utf8 import utf8_bytes

Keep = Literal["first", "longest", "highest"]
KEEP_DESCRIPTION = "which copy stays: first in the corpus, longest, or highest in `score_column`"
SCORE_DESCRIPTION = "column of numbers that `highest` reads; nulls are lowest"


class Claims(NamedTuple):
    """Per document, what deciding between copies needs: 40 bytes."""

    rows: np.ndarray
    """int64"""
    hashes: np.ndarray
    """uint64[documents, 2]: 16 bytes of BLAKE2b of the text, 0 where none are wanted."""
    num_bytes: np.ndarray
    """int64"""
    scores: np.ndarray
    """float64: the document with most stays; 0 for `first`."""

    def order(self, groups: np.ndarray, keep: Keep) -> np.ndarray:
        """Documents by group, in each the one that stays first."""
        if keep == "first":
            return np.lexsort((self.rows, groups))
        return np.lexsort((self.rows, self.hashes[:, 1], self.hashes[:, 0], -self.scores, groups))


def stake_claims(
    batch: pa.RecordBatch, keep: Keep, score_column: str, compares_hashes: bool = False
) -> Claims:
    """With hashes where texts are compared by them, or copies ordered.

    Raises:
        LabError: `highest` without a column of numbers.
    """
    data, offsets = utf8_bytes(batch.column("text"))
    hashes = np.zeros((batch.num_rows, 2), dtype=np.uint64)
    if compares_hashes or keep != "first":
        digests = [
            hashlib.blake2b(data.data[start:stop], digest_size=16).digest()
            for start, stop in pairwise(offsets.tolist())
        ]
        hashes = np.frombuffer(b"".join(digests), dtype="<u8").reshape(-1, 2)
    num_bytes = np.diff(offsets)
    return Claims(
        batch.column("row").to_numpy().copy(),  # a view would hold the texts of the batch
        hashes,
        num_bytes,
        _scores(batch, keep, score_column, num_bytes),
    )


def join_claims(claims: Iterable[Claims]) -> Claims:
    pieces = list(claims) or [
        Claims(np.zeros(0, "i8"), np.zeros((0, 2), "u8"), np.zeros(0, "i8"), np.zeros(0))
    ]
    return Claims(*(np.concatenate(column) for column in zip(*pieces, strict=True)))


def _scores(
    batch: pa.RecordBatch, keep: Keep, score_column: str, num_bytes: np.ndarray
) -> np.ndarray:
    if keep == "first":
        return np.zeros(len(num_bytes))
    if keep == "longest":
        return num_bytes.astype(np.float64)
    numbers = [f.name for f in batch.schema if pa.types.is_integer(f.type)]
    numbers += [f.name for f in batch.schema if pa.types.is_floating(f.type)]
    if score_column not in numbers:
        raise LabError(
            f"score_column={score_column!r} is no column of numbers; there are "
            f"{', '.join(numbers)}: name one, or keep the first or the longest copy"
        )
    scores = np.asarray(pc.cast(batch.column(score_column), pa.float64()).fill_null(-np.inf))
    return np.where(np.isnan(scores), -np.inf, scores)


@dataclass(frozen=True, eq=False)
class DropCopies:
    """Drops the documents at `rows` (ascending), each in favour of the one at `kept_rows`."""

    rule: str
    threshold: float
    rows: np.ndarray
    kept_rows: np.ndarray

    @property
    def name(self) -> str:
        return self.rule

    def apply(self, batch: pa.RecordBatch) -> Outcome:
        rows = np.asarray(batch.column("row"))
        at = np.searchsorted(self.rows, rows)
        at[at == len(self.rows)] = 0
        is_kept = self.rows[at] != rows if len(self.rows) else np.ones(len(rows), dtype=bool)
        values = self.kept_rows[at].astype(np.float64) if len(self.rows) else np.zeros(len(rows))
        rules = pa.array(np.full(len(rows), self.rule, dtype=object), pa.string(), mask=is_kept)
        thresholds = pa.array(np.full(len(rows), self.threshold), mask=is_kept)
        return split_by(batch, Verdicts(rules, pa.array(values, mask=is_kept), thresholds))


def drop_all_but_one(
    claims: Claims, groups: np.ndarray, keep: Keep, rule: str, threshold: float
) -> DropCopies:
    """The step that keeps one document of each group (a number per document)."""
    order = claims.order(groups, keep)
    is_first = np.r_[True, groups[order][1:] != groups[order][:-1]][: len(order)]
    kept = order[np.flatnonzero(is_first)[np.cumsum(is_first) - 1]]
    dropped, kept = order[~is_first], kept[~is_first]
    ascending = np.argsort(claims.rows[dropped])
    rows, kept_rows = claims.rows[dropped][ascending], claims.rows[kept][ascending]
    return DropCopies(rule, threshold, rows, kept_rows)
