"""The life of one document of a curation: where from, what each step said of it, what became of it.

What a step found is had by taking the document through the steps again (`replay.py`); which other
documents it was joined with is in the records of the run. `is_exact` is false where a survey took
lines out of the document: values of steps behind that are of the text as it ended.

Personal data is counted and never shown: in `origin`, ids of copies, `removed` bytes and `shown` it
is masked by as many asterisks. Left out: an index of the corpus; the original text is found by
reading up to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from labkit.core import artifacts, provenance
from labkit.core.canonical_json import hash_json
from labkit.core.errors import LabError
from labkit.data.mixture.weights import MixtureConfig, epochs, shares
from labkit.data.pipeline.corpus import Corpus
from labkit.data.pipeline.curated import DOCUMENTS, DROPPED, Curated
from labkit.data.pipeline.identity import describe
from labkit.data.pipeline.step import Step, Survey
from labkit.data.readers import ReadPolicy
from labkit.data.replay import COPIES, Check, Record, Replay, Rewriting, mask
from labkit.data.training_windows import TokenSpan, Windows, find_windows

MAX_MEMBERS = 50
MAX_DIGITS = 18
"""Of a row written as text."""
ORIGIN = ("id", "source", "group", "language", "licence", "url")
MASK = b"*"


class Copy(NamedTuple):
    row: int
    id: str
    """Masked."""
    fate: str


class Copies(NamedTuple):
    """Documents that a step joined; the one at `kept_row` stays in place of the others."""

    rule: str
    kept_row: int
    num_members: int
    members: list[Copy]
    """The kept one first; at most `MAX_MEMBERS`."""


@dataclass(frozen=True)
class LifeTrace:
    row: int
    """Its position in the corpus, from 0."""
    origin: dict[str, str]
    num_of_id: int
    """Documents of the corpus with its id."""
    fate: str
    """kept, or dropped by which rule of which step."""
    checks: list[Check]
    rewritings: list[Rewriting]
    copies: list[Copies]
    personal_data: dict[str, int]
    """Kind -> items in the text as it came to the step that replaces them, else as it came in."""
    is_redacted: bool
    text: bytes
    """As it was kept, or as it reached the step that dropped it."""
    shown: str
    """The same with personal data masked."""
    is_exact: bool
    share: float | None = None
    epochs: float | None = None
    """Of its source in the mixture."""
    windows: Windows | None = None

    @property
    def is_kept(self) -> bool:
        return self.fate == "kept"


class Lives:
    """Traces of one curation.

    Args:
        steps: those of the run, as they were given to it.
        span: where a kept document's tokens are, by its row; None where it is in no shards.

    Raises:
        LabError: the corpus or the steps are not those of the curation.
    """

    def __init__(
        self,
        curated: Curated,
        corpus: str,
        steps: Sequence[Step | Survey],
        *,
        policy: ReadPolicy | None = None,
        mixture: MixtureConfig | None = None,
        span: Callable[[int], TokenSpan | None] | None = None,
    ):
        self._curated, self._steps = curated, list(steps)
        self._corpus = Corpus(corpus, policy or ReadPolicy())
        self._mixture, self._span = mixture, span
        _check_same(curated, self._corpus, self._steps)
        self._dropped = curated.dropped(
            "row", "id", "rule", "value", "threshold", "step", "step_name"
        )
        self._kept = curated.documents("row", "id")

    @property
    def kept_rows(self) -> np.ndarray:
        """int64, ascending."""
        return np.asarray(self._kept["row"])

    @property
    def dropped_rows(self) -> np.ndarray:
        """int64, ascending."""
        return np.asarray(self._dropped["row"])

    def rows_of(self, document_id: str) -> list[int]:
        """Rows of the documents with this id, which need not be one."""
        tables = (self._kept, self._dropped)
        rows = [table.filter(pc.field("id") == document_id)["row"].to_pylist() for table in tables]
        return sorted(rows[0] + rows[1])

    def find(self, document: int | str) -> int:
        """The row of the first document with this id, or the row itself, which may be text.

        Raises:
            LabError: there is none, or it is neither a row nor an id.
        """
        last = self._kept.num_rows + self._dropped.num_rows - 1
        allowed = f"give a row, from 0 to {last:,}, or an id of the corpus as text"
        if isinstance(document, str):
            if rows := self.rows_of(document):
                return rows[0]
            if not document.isdecimal() or len(document) > MAX_DIGITS:
                raise LabError(f"no document has the row or id {document!r}; {allowed}")
        elif isinstance(document, bool) or not isinstance(document, int | np.integer):
            raise LabError(f"row={document!r}: {allowed}")
        if not 0 <= int(document) <= last:
            raise LabError(f"row {document}: the corpus has rows 0 to {last:,}")
        return int(document)

    def trace(self, document: int | str) -> LifeTrace:
        """
        Raises:
            LabError: as `find`.
        """
        row = self.find(document)
        original, record = self._original(row), self._record(row)
        replay, is_exact = self._replay(original, row, record)
        source = original.column("source")[0].as_py()
        is_mixed = self._mixture is not None and source in self._mixture.num_tokens
        text = replay.text.encode()
        span = self._span(row) if self._span and record is None else None
        return LifeTrace(
            row=row,
            origin=_origin(original),
            num_of_id=len(self.rows_of(original.column("id")[0].as_py())),
            fate=_fate(record),
            checks=replay.checks,
            rewritings=replay.rewritings,
            copies=self._copies(row),
            personal_data=replay.found_personal_data(),
            is_redacted=replay.is_redacted,
            text=text,
            shown=mask(replay.text).decode(),
            is_exact=is_exact,
            share=shares(self._mixture)[source] if self._mixture and is_mixed else None,
            epochs=epochs(self._mixture)[source] if self._mixture and is_mixed else None,
            windows=find_windows(text, span) if span else None,
        )

    def _replay(
        self, original: pa.RecordBatch, row: int, record: Record | None
    ) -> tuple[Replay, bool]:
        """The document through its steps, and whether each step's text is the run's."""
        stored = self._stored_text(row, record)
        for lost_lines in (False, True):
            replay = Replay(original, stored, record, lost_lines)
            all(replay.take(number, step) for number, step in enumerate(self._steps, start=1))
            if replay.text == stored and not replay.has_diverged:
                break
        assert replay.text == stored, f"row {row}: not the text that was stored"
        assert not replay.has_diverged, f"row {row}: a step drops what its run kept"
        return replay, not lost_lines

    def _record(self, row: int) -> Record | None:
        """What dropped it, or None."""
        found = self._dropped.filter(pc.field("row") == row).to_pylist()
        return found[0] if found else None

    def _original(self, row: int) -> pa.RecordBatch:
        for batch in self._corpus.read():
            first = batch.column("row")[0].as_py() if batch.num_rows else row + 1
            if first <= row < first + batch.num_rows:
                return batch.slice(row - first, 1)
        raise LabError(f"row {row} is not in the corpus any more; run the curation again")

    def _stored_text(self, row: int, record: Record | None) -> str:
        """One row group is read."""
        file = pq.ParquetFile(self._curated.folder / (DROPPED if record else DOCUMENTS))
        rows = np.asarray(file.read(columns=["row"])["row"])
        at, group = int(np.flatnonzero(rows == row)[0]), 0
        while at >= (size := file.metadata.row_group(group).num_rows):
            at, group = at - size, group + 1
        return file.read_row_group(group, columns=["text"])["text"][at].as_py()

    def _copies(self, row: int) -> list[Copies]:
        found = []
        for rule in [step.name for step in self._steps if isinstance(step, COPIES)]:
            joined = self._dropped.filter(pc.field("rule") == rule)
            rows, kept = np.asarray(joined["row"]), np.asarray(joined["value"]).astype(np.int64)
            kept_row = int(kept[rows == row][0]) if row in rows else row
            members = [kept_row, *rows[kept == kept_row].tolist()]
            if len(members) > 1:
                copies = [self._copy(one) for one in members[:MAX_MEMBERS]]
                found.append(Copies(rule, kept_row, len(members), copies))
        return found

    def _copy(self, row: int) -> Copy:
        if record := self._record(row):
            return Copy(row, mask(record["id"]).decode(), _fate(record))
        at = int(np.searchsorted(self.kept_rows, row))
        return Copy(row, mask(self._kept["id"][at].as_py()).decode(), _fate(None))


def _origin(original: pa.RecordBatch) -> dict[str, str]:
    return {name: mask(original.column(name)[0].as_py() or "").decode() for name in ORIGIN}


def _fate(record: Record | None) -> str:
    return f"dropped by {record['rule']}, step {record['step']}" if record else "kept"


def _check_same(curated: Curated, corpus: Corpus, steps: Sequence[Step | Survey]) -> None:
    made = artifacts.read_manifest(curated.folder, verify=False).inputs
    given = {
        "corpus": corpus.fingerprint,
        "steps": hash_json([describe(step) for step in steps]),
        "code": provenance.source_hash("data"),
    }
    if different := [name for name, value in given.items() if made.get(name) != value]:
        raise LabError(
            f"{curated.folder.name} was made with other {', '.join(different)}; give those of its "
            f"run, or run it again"
        )
