"""Parts worked on by several processes, handed back in order; by this one where it is one.

The pool lives as long as the run, so that compiled code stays warm; each stage is sent to every
worker once. A worker whose parent has died ends itself.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection, get_context, parent_process
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple

import pyarrow as pa

from labkit.core.errors import LabError
from labkit.data.pipeline.corpus import number_rows
from labkit.data.pipeline.parts import Given, Part, find_part, kept_file, read_batch, write_part
from labkit.data.pipeline.row_numbers import RowNumbers
from labkit.data.pipeline.stages import Stage
from labkit.data.readers import Lines, Portion

StartMethod = Literal["fork", "spawn", "forkserver"]
SECONDS_TO_START = 300


class ReadTask(NamedTuple):
    """Of the first stage."""

    number: int
    source: Portion | Lines
    folder: Path


class Task(NamedTuple):
    """Of a later stage; `source` is the folder of the one before."""

    number: int
    source: Path
    folder: Path
    given: Given


class Done(NamedTuple):
    part: Part
    sketch: Any
    rejected: list[dict[str, Any]]


class Workers:
    """A context; `work` is called once per stage."""

    def __init__(self, processes: int = 1, start_method: StartMethod = "spawn"):
        if processes < 1:
            raise LabError(f"processes={processes}: give at least 1")
        self.processes = processes
        self._start_method: StartMethod = start_method
        self._pool: ProcessPoolExecutor | None = None
        self._rows = RowNumbers()

    def __enter__(self) -> Workers:
        if self.processes > 1:
            context = get_context(self._start_method)
            self._rows = RowNumbers(context)
            self._pool = ProcessPoolExecutor(
                self.processes,
                mp_context=context,
                initializer=_start,
                initargs=(context.Barrier(self.processes), self._rows),
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if self._pool is not None:
            with _interrupts_ignored():
                self._pool.shutdown(wait=True, cancel_futures=True)

    def work(self, stage: Stage, tasks: Iterable[ReadTask | Task]) -> Iterator[Done]:
        """What became of each task, in their order; a few are worked on ahead.

        A run has one row of `ReadTask`s, numbered from 0.
        """
        if self._pool is None:
            for task in tasks:
                yield work_on(stage, task, self._rows)
            return
        try:
            with _interrupts_held():
                taken = [self._pool.submit(_take, stage) for _ in range(self.processes)]
            yield from self._in_order(self._pool, tasks, taken)
        except threading.BrokenBarrierError as error:
            raise LabError(
                f"{self.processes} worker processes were not all there within {SECONDS_TO_START} "
                "s; take fewer, or try again when the machine is less busy"
            ) from error
        except BrokenProcessPool as error:
            raise LabError(
                "a worker process ended: short of memory, or started from a script without "
                "`if __name__ == '__main__':`; the same call goes on where it stopped, "
                "fewer processes need less memory"
            ) from error
        except MemoryError:
            self._rows.end()  # a portion that couldn't be sent: those behind it wait for its rows
            raise

    def _in_order(
        self, pool: ProcessPoolExecutor, tasks: Iterable[ReadTask | Task], taken: list[Future[None]]
    ) -> Iterator[Done]:
        """The corpus is read while workers start; that all took the stage comes before any part."""
        waiting: deque[Future[Done]] = deque()
        try:
            for task in tasks:
                waiting.append(pool.submit(_work, task))
                if len(waiting) > 2 * self.processes:
                    _check_all(taken)
                    yield waiting.popleft().result()
        finally:
            wait(taken)  # one cancelled leaves the others at the barrier
        _check_all(taken)
        while waiting:
            yield waiting.popleft().result()


def _check_all(futures: list[Future[None]]) -> None:
    while futures:
        futures.pop().result()


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Processes started meanwhile never see Ctrl-C, not even while they import: the parent ends
    them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """While a pool ends: a thread counts as ended whose join is interrupted (CPython, bpo-46726),
    and the exit of the interpreter would wait for workers that nobody sends away."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before or signal.SIG_DFL)  # none: set outside Python


def work_on(stage: Stage, task: ReadTask | Task, rows: RowNumbers) -> Done:
    """The task's part, made unless an earlier run did."""
    batch, rejected = None, []
    if isinstance(task, ReadTask):
        batch, rejected = _read(task, rows)
    given = task.given if isinstance(task, Task) else Given.of(batch)
    if (part := find_part(task.folder, task.number, given)) is not None:
        has_sketch = stage.survey is not None
        kept = read_batch(kept_file(task.folder, task.number)) if has_sketch else None
        return Done(part, stage.sketch(kept) if kept is not None else None, rejected)
    if isinstance(task, Task):
        batch = read_batch(kept_file(task.source, task.number))
    worked = stage.work(batch)
    return Done(write_part(task.folder, task.number, given, worked), worked.sketch, rejected)


def _read(task: ReadTask, rows: RowNumbers) -> tuple[pa.RecordBatch, list[dict[str, Any]]]:
    """The documents with their rows, and what was rejected."""
    try:
        source = task.source
        kept, rejected = source.read() if isinstance(source, Lines) else source
    except BaseException:
        rows.give_up(task.number)
        raise
    first = rows.take(task.number, kept.num_rows)
    return number_rows(kept, first), rejected.to_pylist()


_barrier: Any = None
_rows: RowNumbers | None = None
_stage: Stage | None = None


def _start(barrier: Any, rows: RowNumbers) -> None:
    global _barrier, _rows
    _barrier, _rows = barrier, rows
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # after a fork
    pa.set_cpu_count(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if (parent := parent_process()) is not None:
        with contextlib.suppress(OSError):
            connection.wait([parent.sentinel])
        os._exit(1)


def _take(stage: Stage) -> None:
    """Each worker takes exactly one of these, since none goes on before all have one."""
    global _stage
    _stage = stage
    _barrier.wait(SECONDS_TO_START)


def _work(task: ReadTask | Task) -> Done:
    assert _stage is not None
    assert _rows is not None
    return work_on(_stage, task, _rows)
