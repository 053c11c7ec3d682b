from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import pytest

from labkit.core.errors import LabError
from labkit.data.pipeline import workers
from labkit.data.pipeline.stages import Stage
from labkit.data.pipeline.workers import ReadTask, Task, Workers
from labkit.data.readers import Lines, ReadPolicy
from labkit.data.reading.record import Origin


def refused() -> Iterator[Task]:
    raise LabError("no documents in it")
    yield


def test_a_corpus_refused_while_workers_start_lets_each_of_them_start(monkeypatch):
    """A start that is cancelled would leave the others waiting for it until their limit."""
    monkeypatch.setattr(workers, "SECONDS_TO_START", 5)
    starts, submit = [], ProcessPoolExecutor.submit

    def seen(*arguments):
        starts.append(submit(*arguments))
        return starts[-1]

    monkeypatch.setattr(ProcessPoolExecutor, "submit", seen)
    for _ in range(10):
        with pytest.raises(LabError, match="no documents"), Workers(2, "fork") as two:
            list(two.work(Stage(1), refused()))
    assert len(starts) == 20
    assert [start.result() for start in starts] == [None] * 20


def test_workers_that_do_not_start_in_time_are_told(monkeypatch):
    monkeypatch.setattr(workers, "SECONDS_TO_START", 0)
    told = "2 worker processes were not all there within 0 s; take fewer"
    with pytest.raises(LabError, match=told), Workers(2, "fork") as two:
        list(two.work(Stage(1), []))


class TooLarge(bytes):
    def __reduce__(self):
        raise MemoryError("none left")


def test_a_portion_that_cannot_be_sent_does_not_leave_others_waiting_for_its_rows(tmp_path):
    origin = Origin("c.jsonl", "c")
    contents = [b'{"text": "a"}', TooLarge(), b'{"text": "b"}', b'{"text": "c"}']
    tasks = [
        ReadTask(n, Lines("c.jsonl", origin, ReadPolicy(), 1, content), tmp_path)
        for n, content in enumerate(contents)
    ]
    with pytest.raises(MemoryError, match="none left"), Workers(2, "fork") as two:
        list(two.work(Stage(1), tasks))
