"""An ordered list of steps cut into stages, and what a stage does with one batch.

A stage is a run of steps that see one batch at a time, up to and with the first survey, which is
sketched there and settled when all batches have passed; the step it settles to opens the next
stage. The last stage ends with the statistics columns of `labkit.data.columns`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import pyarrow as pa

from labkit.core.errors import LabError
from labkit.data.columns import add_statistics
from labkit.data.pipeline.funnel import Flow, Ledger
from labkit.data.pipeline.step import Step, Survey

STEP = [("step", pa.int64()), ("step_name", pa.string())]


class Worked(NamedTuple):
    kept: pa.RecordBatch
    dropped: list[pa.RecordBatch]
    """One batch per step that dropped anything."""
    flows: list[Flow]
    cpu_seconds: dict[int, float]
    """By step; 0 is what comes after the last of them: statistics, sketches."""
    sketch: Any


@dataclass(frozen=True)
class Stage:
    first_step: int
    """Number of its first step in the whole list, from 1."""
    steps: tuple[Step, ...] = ()
    survey: Survey | None = None
    is_last: bool = False

    @property
    def own_steps(self) -> list[Step | Survey]:
        """As they were given: a survey counts where it is, not where it is settled."""
        return [*self.steps, *([self.survey] if self.survey else [])]

    def opened_by(self, settled: Step) -> Stage:
        """With the step that the survey before this stage settled to."""
        return replace(self, steps=(settled, *self.steps))

    def work(self, batch: pa.RecordBatch) -> Worked:
        ledger, seconds = Ledger(batch), dict[int, float]()
        dropped: list[pa.RecordBatch] = []
        for number, step in enumerate(self.steps, start=self.first_step):
            if not batch.num_rows:
                break
            started = time.process_time()
            outcome = step.apply(batch)
            seconds[number] = time.process_time() - started
            ledger.count(number, step.name, outcome)
            if outcome.dropped.num_rows:
                dropped.append(_with_step(outcome.dropped, number, step.name))
            batch = outcome.kept
        started = time.process_time()
        sketch = self.sketch(batch)
        if self.is_last and batch.num_rows:
            batch = _with_row_last(add_statistics(batch.drop_columns(["row"])), batch)
        seconds[0] = time.process_time() - started
        return Worked(batch, dropped, ledger.flows, seconds, sketch)

    def sketch(self, kept: pa.RecordBatch) -> Any:
        return self.survey.sketch(kept) if self.survey and kept.num_rows else None


def cut_stages(steps: Sequence[Step | Survey]) -> list[Stage]:
    """
    Raises:
        LabError: one is neither a step nor a survey.
    """
    stages, here, first = [], [], 1
    for number, step in enumerate(steps, start=1):
        if isinstance(step, Survey):
            stages.append(Stage(first, tuple(here), survey=step))
            here, first = [], number
        elif isinstance(step, Step):
            here.append(step)
        else:
            raise LabError(
                f"step {number} is a {type(step).__name__}, which has neither `apply` (a step) nor "
                "`sketch` and `settle` (a survey)"
            )
    return [*stages, Stage(first, tuple(here), is_last=True)]


def _with_step(dropped: pa.RecordBatch, number: int, name: str) -> pa.RecordBatch:
    values = (number, name)
    for (column, kind), value in zip(STEP, values, strict=True):
        dropped = dropped.append_column(column, pa.array([value] * dropped.num_rows, kind))
    return dropped


def _with_row_last(batch: pa.RecordBatch, source: pa.RecordBatch) -> pa.RecordBatch:
    return batch.append_column("row", source.column("row"))
