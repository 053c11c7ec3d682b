"""What a run will hold at its peak, said before it starts, and refused when it doesn't fit.

Each process holds its code and a batch with what the steps make of it; the parent holds the
batches that wait. A survey that says so (`predicted_bytes`) adds what it keeps per document.
Documents are counted by the first batch's mean length where the corpus hasn't been read.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import pyarrow as pa

from labkit.core.errors import LabError
from labkit.core.machine import free_memory_bytes
from labkit.data.pipeline.step import Step, Survey

PROCESS_BYTES = 350_000_000
"""Python with pyarrow, numba and the compiled passes: 330 to 366 MB resident, as measured."""
COPIES_PER_BATCH = 8
"""The batch, both sides of an outcome, a file's content, and scratch of the compiled passes:
as measured, 5 to 8 times the largest batch."""


@runtime_checkable
class Predicts(Protocol):
    """A survey that knows what it keeps."""

    def predicted_bytes(self, num_documents: int, num_bytes: int) -> int: ...


class MemoryEstimate(NamedTuple):
    processes: int
    batches: int
    surveys: dict[str, int]
    """Bytes by name; one survey at a time is held."""
    unpredicted: list[str]

    @property
    def total(self) -> int:
        return self.processes + self.batches + max(self.surveys.values(), default=0)

    def __str__(self) -> str:
        parts = [f"processes {self.processes / 1e6:,.0f}", f"batches {self.batches / 1e6:,.0f}"]
        parts += [f"{name} {size / 1e6:,.0f}" for name, size in self.surveys.items()]
        missing = f"; not predicted: {', '.join(self.unpredicted)}" if self.unpredicted else ""
        return f"about {self.total / 1e6:,.0f} MB of memory ({', '.join(parts)}{missing})"


def estimate_memory(
    steps: Sequence[Step | Survey],
    *,
    num_documents: int,
    num_bytes: int,
    batch_bytes: int,
    processes: int,
) -> MemoryEstimate:
    waiting = 2 * processes + 1 if processes > 1 else 0
    surveys = [step for step in steps if isinstance(step, Survey)]
    return MemoryEstimate(
        processes=PROCESS_BYTES * (processes + (processes > 1)),
        batches=batch_bytes * (COPIES_PER_BATCH * processes + waiting),
        surveys={
            step.name: step.predicted_bytes(num_documents, num_bytes)
            for step in surveys
            if isinstance(step, Predicts)
        },
        unpredicted=[step.name for step in surveys if not isinstance(step, Predicts)],
    )


def check_memory(estimate: MemoryEstimate) -> None:
    """
    Raises:
        LabError: more than the machine has free; says what to do.
    """
    free = free_memory_bytes()
    if estimate.total > free:
        raise LabError(
            f"needs {estimate}, and {free / 1e6:,.0f} MB are free; "
            "take fewer processes, or curate the corpus in parts"
        )


@contextlib.contextmanager
def allocated_by_malloc() -> Iterator[None]:
    """What Arrow allocates meanwhile. Its own pools keep what is freed: a curation of 150 MB peaks
    82 MB above a warm start with them, 40 MB with malloc, as fast. Not for worker processes, whose
    rules took a fifth more CPU."""
    before = pa.default_memory_pool()
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(before)
