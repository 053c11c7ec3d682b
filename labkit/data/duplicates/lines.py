"""Lines that stand in many documents are removed from the text: menus, footers, notices.

A span (a line, or some consecutive lines or sentences) in more than `max_documents` documents is
removed from all of them, or from all but the first that has it. C4 kept one of every three-sentence
span that occurs twice (Raffel et al. 2020, 2.2): `split=sentences`, `span=3`, `max_documents=1`,
`min_bytes=1`, `keep=first`, but for repeats inside one document, which stay here. Spans are
compared by 64-bit hashes: among 10^9 different ones, some two are equal with probability 0.03.

Memory: 24 bytes per distinct span, three times that while tables are merged. Left out: fuzzy lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa

from labkit.core.config import Config, field
from labkit.data.duplicates.spans import Split, cut, join_spans, remove
from labkit.data.pipeline.step import Outcome, Verdicts, split_by

_BYTES_PER_SPAN, _BYTES_PER_LINE = 72, 40


class Tally(NamedTuple):
    """Distinct spans: ascending hashes, documents that have them, the first such row."""

    hashes: np.ndarray
    num_documents: np.ndarray
    first_rows: np.ndarray


class RepeatedLines(Config):
    """A `Survey`: rewrites the documents that have such lines."""

    split: Split = field("lines", "what a text is cut into")
    span: int = field(1, "consecutive pieces that are compared together", ge=1, le=10)
    max_documents: int = field(
        10, "documents that may have one span (labkit's choice)", unit="documents", ge=1, le=10**9
    )
    min_bytes: int = field(
        10,
        "below which a span stays: brackets, rules (labkit's choice)",
        unit="bytes",
        ge=1,
        le=10_000,
    )
    keep: Literal["none", "first"] = field("none", "which document keeps the span")
    min_bytes_left: int = field(
        1, "of a document that lost spans, else it is dropped", unit="bytes", ge=1, le=10**6
    )

    @property
    def name(self) -> str:
        return "repeated_lines"

    def predicted_bytes(self, num_documents: int, num_bytes: int) -> int:
        """If every line had 40 bytes and stood once: an upper end for prose."""
        return _BYTES_PER_SPAN * num_bytes // _BYTES_PER_LINE

    def sketch(self, batch: pa.RecordBatch) -> Tally:
        spans = join_spans(cut(batch.column("text"), self.split), self.span)
        is_long = spans.sizes >= self.min_bytes
        hashes, texts = spans.hashes[is_long], spans.texts[is_long]
        order = np.lexsort((texts, hashes))
        hashes, texts = hashes[order], texts[order]
        is_new = np.r_[True, (hashes[1:] != hashes[:-1]) | (texts[1:] != texts[:-1])]
        rows = np.asarray(batch.column("row"))[texts]
        is_new = is_new[: len(rows)]
        return merge([Tally(hashes[is_new], np.ones(is_new.sum(), dtype=np.int64), rows[is_new])])

    def settle(
        self, sketches: Iterable[Tally], texts: Callable[[Sequence[int]], list[str]]
    ) -> RemoveLines:
        whole, waiting = merge([]), []
        for tally in sketches:
            waiting.append(tally)
            if sum(len(one.hashes) for one in waiting) > len(whole.hashes):
                whole, waiting = merge([whole, *waiting]), []
        whole = merge([whole, *waiting])
        is_repeated = whole.num_documents > self.max_documents
        return RemoveLines(self, whole.hashes[is_repeated], whole.first_rows[is_repeated])


def merge(tallies: Sequence[Tally]) -> Tally:
    """Tallies in the order of the corpus as one."""
    empty = np.zeros(0, dtype=np.int64)
    parts = [Tally(empty.astype(np.uint64), empty, empty), *tallies]
    hashes, counts, rows = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(hashes, kind="stable")
    hashes, counts, rows = hashes[order], counts[order], rows[order]
    first = np.flatnonzero(np.r_[True, hashes[1:] != hashes[:-1]][: len(hashes)])
    counts = np.add.reduceat(counts, first) if len(first) else counts
    return Tally(hashes[first], counts, rows[first])


@dataclass(frozen=True, eq=False)
class RemoveLines:
    """A `Step`; a dropped document's value is the bytes left of it, white space aside."""

    config: RepeatedLines
    hashes: np.ndarray
    """uint64, ascending: the spans to remove."""
    first_rows: np.ndarray

    @property
    def name(self) -> str:
        return self.config.name

    def rewrite(self, batch: pa.RecordBatch) -> tuple[pa.Array, np.ndarray, np.ndarray]:
        """Texts, bytes removed from each, bytes left in each without blank ends of pieces."""
        pieces = cut(batch.column("text"), self.config.split)
        spans = join_spans(pieces, self.config.span)
        is_removed = np.zeros(len(pieces.ends), dtype=bool)
        if len(self.hashes):
            at = np.searchsorted(self.hashes, spans.hashes)
            at[at == len(self.hashes)] = 0
            is_hit = (self.hashes[at] == spans.hashes) & (spans.sizes >= self.config.min_bytes)
            if self.config.keep == "first":
                is_hit &= self.first_rows[at] != np.asarray(batch.column("row"))[spans.texts]
            is_removed[spans.pieces[is_hit].ravel()] = True
        texts, num_removed = remove(pieces, is_removed)
        total = np.r_[0, np.cumsum(pieces.sizes * ~is_removed)][np.r_[0, pieces.text_ends]]
        return texts, num_removed, np.diff(total)

    def apply(self, batch: pa.RecordBatch) -> Outcome:
        texts, num_removed, num_left = self.rewrite(batch)
        limit = self.config.min_bytes_left
        is_kept = (num_removed == 0) | (num_left >= limit)
        rules = pa.array(np.full(len(is_kept), self.name, dtype=object), pa.string(), mask=is_kept)
        values = pa.array(num_left.astype(np.float64), mask=is_kept)
        thresholds = pa.array(np.full(len(is_kept), float(limit)), mask=is_kept)
        verdicts = Verdicts(rules, values, thresholds)
        return split_by(batch, verdicts, texts.cast(batch.schema.field("text").type))
