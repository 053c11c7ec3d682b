"""The contract of a step: a batch of documents in, those kept and those dropped out.

A batch has the columns of `labkit.data.readers.SCHEMA` and `row`, the document's position in the
corpus (int64, unique, ascending). A step never reorders, and a document is in exactly one side of
its outcome. Steps are frozen and picklable: they run in any process, on any cut of the corpus into
batches, with the same result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa

ROW = pa.field("row", pa.int64())
VERDICT = [("rule", pa.string()), ("value", pa.float64()), ("threshold", pa.float64())]


class Verdicts(NamedTuple):
    """One entry per document; `rule` is null where the document is kept."""

    rule: pa.Array
    value: pa.Array
    threshold: pa.Array


class Outcome(NamedTuple):
    kept: pa.RecordBatch
    """Same columns; `text` may be rewritten."""
    dropped: pa.RecordBatch
    """The batch's columns, the text as it came, then `VERDICT`."""


@runtime_checkable
class Step(Protocol):
    """Decides on each document by itself."""

    @property
    def name(self) -> str: ...

    def apply(self, batch: pa.RecordBatch) -> Outcome: ...


@runtime_checkable
class Survey(Protocol):
    """Must see the corpus before it can decide: duplicates, percentiles.

    `sketch` runs in any process; `settle` in one, with the sketches in the order of the corpus and
    a way to read some texts again by their rows. A sketch is held until then: no view of the batch,
    whose texts it would hold.
    """

    @property
    def name(self) -> str: ...

    def sketch(self, batch: pa.RecordBatch) -> Any: ...

    def settle(
        self, sketches: Iterable[Any], texts: Callable[[Sequence[int]], list[str]]
    ) -> Step: ...


def split_by(batch: pa.RecordBatch, verdicts: Verdicts, texts: pa.Array | None = None) -> Outcome:
    """The outcome of verdicts on a batch; `texts` replace those of the kept documents."""
    kept = batch
    if texts is not None:
        kept = batch.set_column(
            batch.schema.get_field_index("text"), batch.schema.field("text"), texts
        )
    is_kept = np.asarray(verdicts.rule.is_null())
    dropped = batch
    for (name, kind), column in zip(VERDICT, verdicts, strict=True):
        dropped = dropped.append_column(pa.field(name, kind), column)
    return Outcome(_rows(kept, is_kept), _rows(dropped, ~is_kept))


def _rows(batch: pa.RecordBatch, chosen: np.ndarray) -> pa.RecordBatch:
    """Those chosen; where they are all, the batch itself: a copy may be one text of any size."""
    if chosen.all():
        return batch
    return batch.filter(pa.array(chosen)) if chosen.any() else batch.slice(0, 0)
