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
from labkit.data.pipeline.parts import Given, Part, find_part, kept_file, read_batch, write_part
from labkit.data.pipeline.stages import Stage

StartMethod = Literal["fork", "spawn", "forkserver"]
SECONDS_TO_START = 300


class Task(NamedTuple):
    """`source` is the batch itself, or the folder of the stage before it."""

    number: int
    source: pa.RecordBatch | Path
    given: Given
    folder: Path


class Done(NamedTuple):
    part: Part
    sketch: Any


class Workers:
    """A context; `work` is called once per stage."""

    def __init__(self, processes: int = 1, start_method: StartMethod = "spawn"):
        if processes < 1:
            raise LabError(f"processes={processes}: give at least 1")
        self.processes = processes
        self._start_method: StartMethod = start_method
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Workers:
        if self.processes > 1:
            context = get_context(self._start_method)
            self._pool = ProcessPoolExecutor(
                self.processes,
                mp_context=context,
                initializer=_start,
                initargs=(context.Barrier(self.processes),),
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def work(self, stage: Stage, tasks: Iterable[Task]) -> Iterator[Done]:
        """What became of each task, in their order; a few are worked on ahead."""
        if self._pool is None:
            for task in tasks:
                yield work_on(stage, task)
            return
        try:
            with _interrupts_held():
                taken = [self._pool.submit(_take, stage) for _ in range(self.processes)]
            yield from self._in_order(self._pool, tasks, taken)
        except BrokenProcessPool as error:
            raise LabError(
                "a worker process ended: short of memory, or started from a script without "
                "`if __name__ == '__main__':`; the same call goes on where it stopped, "
                "fewer processes need less memory"
            ) from error

    def _in_order(
        self, pool: ProcessPoolExecutor, tasks: Iterable[Task], taken: list[Future[None]]
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


def work_on(stage: Stage, task: Task) -> Done:
    """The task's part, made unless an earlier run did."""
    if (part := find_part(task.folder, task.number, task.given)) is not None:
        has_sketch = stage.survey is not None
        kept = read_batch(kept_file(task.folder, task.number)) if has_sketch else None
        return Done(part, stage.sketch(kept) if kept is not None else None)
    batch = task.source
    if isinstance(batch, Path):
        batch = read_batch(kept_file(batch, task.number))
    worked = stage.work(batch)
    return Done(write_part(task.folder, task.number, task.given, worked), worked.sketch)


_barrier: Any = None
_stage: Stage | None = None


def _start(barrier: Any) -> None:
    global _barrier
    _barrier = barrier
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


def _work(task: Task) -> Done:
    assert _stage is not None
    return work_on(_stage, task)
