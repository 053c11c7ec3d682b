"""The same steps inside datatrove's executors, for corpora that need a cluster (`labkit[scale]`).

    LocalPipelineExecutor([JsonlReader(folder), *datatrove_blocks(steps), JsonlWriter(out)], ...)

A block gathers documents to Arrow batches, applies the step, hands on those kept, with their
metadata, and gives those dropped to the exclusion writer with `filter_reason`, `rule_value` and
`rule_threshold`. It runs wherever datatrove's blocks do: LocalPipelineExecutor and
SlurmPipelineExecutor are tested (the latter's script, with a false sbatch); RayPipelineExecutor
(ray 2.60, two workers on one machine) kept the same documents when run by hand in November 2026.

A task sees its own documents alone, so a `Survey` can't be a block. The step it settled to, on one
machine, can: with `row_key`, the metadata field that holds each document's row in the corpus that
was settled. Without it a batch has no rows, lest a task's own count be taken for them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa
from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.writers.disk_base import DiskWriter
from datatrove.utils.typeshelper import StatHints

from labkit.core.errors import LabError
from labkit.data.pipeline.step import ROW, VERDICT, Outcome, Step, Survey
from labkit.data.readers import SCHEMA

BATCH_CHARACTERS = 4_000_000
POSITION = "position"
"""In its batch: how an outcome finds its documents again; ids needn't be unique."""
UNKNOWN = {"source": "unknown", "language": "unknown", "licence": "unknown", "url": ""}


def datatrove_blocks(
    steps: Sequence[Step | Survey],
    exclusion_writer: Callable[[str], DiskWriter] | None = None,
    row_key: str | None = None,
) -> list[StepBlock]:
    """One block per step, in their order.

    `exclusion_writer` makes a step's writer from its number and name ("2-gopher_quality"): each
    needs files of its own, since datatrove opens a file anew for each writer.

    Raises:
        LabError: a survey; says what to do instead.
    """
    return [
        StepBlock(
            step, exclusion_writer(f"{number}-{step.name}") if exclusion_writer else None, row_key
        )
        for number, step in enumerate(steps, start=1)
    ]


class StepBlock(PipelineStep):
    type = "🔻 - FILTER"

    def __init__(
        self,
        step: Step | Survey,
        exclusion_writer: DiskWriter | None = None,
        row_key: str | None = None,
    ):
        if isinstance(step, Survey):
            raise LabError(
                f"{step.name} must see the whole corpus, and a task sees its part: settle it with "
                "run_pipeline on one machine, or use datatrove's own deduplication between stages"
            )
        self.name = f"labkit {step.name}"
        super().__init__()
        self.step, self.exclusion_writer, self.row_key = step, exclusion_writer, row_key

    def run(self, data: Any, rank: int = 0, world_size: int = 1) -> Any:
        with self.exclusion_writer or contextlib.nullcontext():
            for documents in _batches(data or ()):
                self.stat_update("batches")
                with self.track_time("batch"):
                    outcome = self._apply(documents)
                    kept, dropped = _sides(documents, outcome)
                for document in kept:
                    self.stat_update(StatHints.total, StatHints.forwarded)
                    self.update_doc_stats(document)
                    yield document
                for document in dropped:
                    rule = document.metadata["filter_reason"]
                    self.stat_update(StatHints.total, StatHints.dropped, f"dropped_{rule}")
                    if self.exclusion_writer:
                        self.exclusion_writer.write(document, rank)

    def _apply(self, documents: list[Document]) -> Outcome:
        columns = {name: [_field(one, name) for one in documents] for name in SCHEMA.names}
        batch = pa.RecordBatch.from_pydict(columns, schema=SCHEMA)
        if self.row_key is not None:
            rows = [one.metadata.get(self.row_key) for one in documents]
            if None in rows:
                raise LabError(
                    f"{self.name}: document {documents[rows.index(None)].id} has no {self.row_key}"
                )
            batch = batch.append_column(ROW, pa.array(rows, ROW.type))
        batch = batch.append_column(POSITION, pa.array(range(len(documents)), pa.int64()))
        try:
            return self.step.apply(batch)
        except KeyError as error:
            if self.row_key is not None or ROW.name not in error.args[0]:
                raise
            raise LabError(
                f"{self.name} goes by rows of the corpus it was settled on; give row_key, the "
                "metadata field that holds them"
            ) from error


def _sides(documents: list[Document], outcome: Outcome) -> tuple[list[Document], list[Document]]:
    """The documents themselves, with what the step wrote."""
    kept, dropped = (
        [documents[number] for number in side.column(POSITION).to_pylist()] for side in outcome
    )
    for document, text in zip(kept, outcome.kept.column("text").to_pylist(), strict=True):
        document.text = text
    names = [name for name, _ in VERDICT]
    verdicts = outcome.dropped.select(names).to_pylist()
    for document, verdict in zip(dropped, verdicts, strict=True):
        keys = ("filter_reason", "rule_value", "rule_threshold")
        document.metadata |= dict(zip(keys, (verdict[name] for name in names), strict=True))
    return kept, dropped


def _batches(data: Any) -> Iterator[list[Document]]:
    waiting: list[Document] = []
    size = 0
    for document in data:
        waiting.append(document)
        size += len(document.text)
        if size >= BATCH_CHARACTERS:
            yield waiting
            waiting, size = [], 0
    if waiting:
        yield waiting


def _field(document: Document, name: str) -> str:
    if name in ("id", "text"):
        return getattr(document, name)
    found = document.metadata.get(name)
    return str(found) if found is not None else UNKNOWN.get(name, document.id)
