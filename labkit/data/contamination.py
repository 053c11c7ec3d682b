"""Training documents that hold pieces of a benchmark or of validation text, found by 13-grams.

    items = read_items("benchmarks/")
    step = Contamination().against(items)          # drops, or only marks: Contamination(action=...)
    report(step, batches)                          # per item: how much of it is in training, where

An n-gram is 13 words or Han characters, case and punctuation aside; a shorter item is one gram of
its own length, and one below 8 units is not looked for, since it stands everywhere (8 to 13 are the
lengths of Brown et al. 2020, appendix C). Left out: translated or reworded items.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
from pydantic import model_validator

from labkit.core.config import Config, field
from labkit.core.counted import counted
from labkit.core.errors import LabError
from labkit.data.benchmark_items import BenchmarkItem
from labkit.data.gram_index import GramIndex, Hits, index_grams
from labkit.data.pipeline.step import Outcome, Verdicts, split_by

RULE = "contamination"


class Contamination(Config):
    """What counts as a hit, and what is done with a document that has some."""

    num_units: int = field(13, "units in an n-gram (GPT-3's: 13)", unit="words", ge=2, le=50)
    min_units: int = field(
        8, "units below which an item is not looked for (GPT-3's: 8)", unit="words", ge=1, le=50
    )
    max_hits: int = field(
        0, "distinct n-grams of benchmarks that a kept document may have", unit="n-grams", ge=0
    )
    action: Literal["drop", "report"] = field("drop", "drop such documents, or keep and report")

    @model_validator(mode="after")
    def _are_in_order(self) -> Contamination:
        if self.min_units > self.num_units:
            raise ValueError(f"min_units={self.min_units} is above num_units={self.num_units}")
        return self

    def against(self, items: Sequence[BenchmarkItem]) -> Decontamination:
        """
        Raises:
            LabError: all items are too short to be looked for.
        """
        index = index_grams([item.text for item in items], self.num_units, self.min_units)
        if not len(index.grams):
            raise LabError(
                f"none of {counted(len(items), 'benchmark item')} has {self.min_units} words or "
                f"Han characters, so that nothing would be looked for; lower min_units"
            )
        return Decontamination(self, tuple(item.name for item in items), index)


@dataclass(frozen=True, eq=False)
class Decontamination:
    """A `Step`; a dropped document's value is its number of distinct hits."""

    config: Contamination
    items: tuple[str, ...]
    index: GramIndex

    @property
    def name(self) -> str:
        return RULE

    def hits(self, batch: pa.RecordBatch) -> Hits:
        """Hits by row of the corpus."""
        found = self.index.find(batch.column("text"))
        return found._replace(texts=np.asarray(batch.column("row"))[found.texts])

    def apply(self, batch: pa.RecordBatch) -> Outcome:
        found = self.index.find(batch.column("text"))
        num_hits = np.bincount(found.texts, minlength=batch.num_rows)
        limit = self.config.max_hits
        is_kept = (num_hits <= limit) | (self.config.action == "report")
        rules = pa.array(np.full(len(num_hits), RULE, dtype=object), pa.string(), mask=is_kept)
        limits = pa.array(np.full(len(num_hits), float(limit)), mask=is_kept)
        values = pa.array(num_hits.astype(np.float64), mask=is_kept)
        return split_by(batch, Verdicts(rules, values, limits))


def report(step: Decontamination, batches: Iterable[pa.RecordBatch]) -> pa.Table:
    """One row per item; made of `gather` over the hits of every batch."""
    return gather(step, (step.hits(batch) for batch in batches))


def gather(step: Decontamination, hits: Iterable[Hits]) -> pa.Table:
    """Columns `item`, `num_ngrams`, `ngram_share` (null for an item too short), `num_documents`,
    `rows`: the training documents that hold any of it, ascending.
    """
    index, parts = step.index, list(hits)
    rows = np.concatenate([np.zeros(0, np.int64), *(part.texts for part in parts)])
    grams = np.concatenate([np.zeros(0, np.int64), *(part.grams for part in parts)])
    is_seen = np.zeros(len(index.grams), dtype=bool)
    is_seen[grams] = True
    sizes = np.diff(index.ends, prepend=0)
    rows_of = _rows_of_items(index, sizes, rows, grams)
    shares = index.shares(is_seen)
    return pa.table(
        {
            "item": pa.array(step.items, pa.string()),
            "num_ngrams": pa.array(sizes, pa.int64()),
            "ngram_share": pa.array(shares, pa.float64(), mask=np.isnan(shares)),
            "num_documents": pa.array(list(map(len, rows_of)), pa.int64()),
            "rows": pa.array(rows_of, pa.list_(pa.int64())),
        }
    )


def _rows_of_items(
    index: GramIndex, sizes: np.ndarray, rows: np.ndarray, grams: np.ndarray
) -> list[np.ndarray]:
    order = np.argsort(grams, kind="stable")
    rows, grams = rows[order], grams[order]
    first = np.searchsorted(grams, index.occurrences)
    last = np.searchsorted(grams, index.occurrences, side="right")
    found = []
    for end, size in zip(index.ends.tolist(), sizes.tolist(), strict=True):
        spans = [
            rows[a:b]
            for a, b in zip(first[end - size : end], last[end - size : end], strict=True)
            if a < b
        ]
        found.append(np.unique(np.concatenate([np.zeros(0, np.int64), *spans])))
    return found
