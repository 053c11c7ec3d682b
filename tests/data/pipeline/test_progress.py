from __future__ import annotations

from labkit.data.pipeline.memory import estimate_memory
from labkit.data.pipeline.progress import Progress
from tests.data.pipeline.small_steps import STEPS, ExactDuplicates


def test_a_line_every_fifteen_seconds_with_speed_and_time_left():
    lines: list[str] = []
    now = 0.0
    progress = Progress("stage 1 of 2", 100_000_000, lines.append, clock=lambda: now)
    for _ in range(8):
        now += 4.0
        progress.advance(1000, 10_000_000)
    assert lines == [
        "stage 1 of 2: 40.0 of 100.0 MB, 4,000 documents, 2.5 MB/s, 24 s left",
        "stage 1 of 2: 80.0 of 100.0 MB, 8,000 documents, 2.5 MB/s, 8 s left",
    ]


def test_a_slow_first_batch_does_not_make_the_others_slow():
    lines: list[str] = []
    now = 0.0
    progress = Progress("stage 1 of 1", 100_000_000, lines.append, clock=lambda: now)
    for seconds in (14.0, 1.0, 1.0):
        now += seconds
        progress.advance(1, 10_000_000)
    assert lines == ["stage 1 of 1: 20.0 of 100.0 MB, 2 documents, 10.0 MB/s, 8 s left"]


def test_of_a_packed_corpus_no_time_is_promised():
    lines: list[str] = []
    now = 0.0
    progress = Progress("stage 1 of 1", None, lines.append, clock=lambda: now)
    now = 20.0
    progress.advance(3, 40_000_000)
    assert lines == ["stage 1 of 1: 40.0 MB, 3 documents, 2.0 MB/s"]


def test_memory_grows_with_the_survey_that_needs_most_and_not_with_the_corpus():
    def estimate(documents: int, *surveys: ExactDuplicates) -> int:
        return estimate_memory(
            [*STEPS[:1], *surveys],
            num_documents=documents,
            num_bytes=documents * 1000,
            batch_bytes=4_000_000,
            processes=1,
        ).total

    without = estimate(10**9)
    assert estimate(10**6) == without
    assert estimate(10**6, ExactDuplicates(), ExactDuplicates("b", 500)) - without == 500 * 10**6
