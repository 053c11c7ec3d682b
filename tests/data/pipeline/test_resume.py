"""Killed at its n-th write, a run goes on where it was and ends with an unbroken run's bytes.

30 kills at random moments, of one and two processes: benchmarks/curation_faults.py.
"""

from __future__ import annotations

import os
import signal
from multiprocessing import get_context
from pathlib import Path

import pytest

from labkit.core import disk
from labkit.core.errors import LabError
from labkit.data.pipeline.parts import kept_file
from labkit.data.pipeline.run import run_pipeline
from labkit.data.pipeline.stages import Stage
from labkit.data.reading import portions
from tests.data.pipeline.small_steps import STEPS, write_corpus
from tests.data.pipeline.test_run import contents

NUM_PARTS = 10


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(portions, "PORTION_CHARACTERS", 1600)
    return str(write_corpus(tmp_path / "c.jsonl"))


def killed_at_write(number: int, corpus: str, folder: Path) -> None:
    """In a process of its own: SIGKILL when a file has been written aside and not yet renamed."""
    written = 0

    def run() -> None:
        def count_and_die(path: Path) -> None:
            nonlocal written
            written += 1
            if written == number:
                os.kill(os.getpid(), signal.SIGKILL)
            synced(path)

        synced, disk._sync_folder = disk._sync_folder, count_and_die
        run_pipeline(corpus, STEPS, folder=folder)

    process = get_context("fork").Process(target=run)
    process.start()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)


@pytest.mark.parametrize("moments", [(1, 2, 5), (9, 10, 11, 12), (14, 3, 20, 23, 24, 25)])
def test_killed_anywhere_it_ends_with_the_same_bytes(tmp_path: Path, corpus: str, moments):
    expected = contents(run_pipeline(corpus, STEPS, folder=tmp_path / "whole"))
    folder = tmp_path / "killed"
    for moment in moments:
        killed_at_write(moment, corpus, folder)
    assert contents(run_pipeline(corpus, STEPS, folder=folder)) == expected
    left_over = [path.name for path in tmp_path.rglob("*") if path.name.startswith(".tmp-")]
    assert not left_over
    assert not list(tmp_path.glob("*.unfinished"))


def test_what_is_finished_is_not_worked_on_again(tmp_path: Path, corpus: str, monkeypatch):
    folder = tmp_path / "killed"
    killed_at_write(8, corpus, folder)
    [aside] = tmp_path.glob("killed.*.unfinished")
    num_finished = len(list(aside.glob("stage-1/part-*.json")))
    assert num_finished == 8
    kept_file(aside / "stage-1", 3).write_bytes(b"damaged by a failing disk")
    worked = []
    work = Stage.work
    monkeypatch.setattr(Stage, "work", lambda self, batch: worked.append(1) or work(self, batch))
    run_pipeline(corpus, STEPS, folder=folder)
    assert len(worked) == 2 * NUM_PARTS - num_finished + 1


@pytest.mark.parametrize("lost", ["kept-00003.arrow", "dropped-*.arrow", "part-00003.json"])
def test_a_finished_stage_that_is_damaged_is_made_again(tmp_path: Path, corpus: str, lost: str):
    """As after a power cut: finished.json was synced, not every file before it."""
    expected = contents(run_pipeline(corpus, STEPS, folder=tmp_path / "whole"))
    folder = tmp_path / "killed"
    killed_at_write(NUM_PARTS + 3, corpus, folder)
    [aside] = tmp_path.glob("killed.*.unfinished")
    assert (aside / "stage-1" / "finished.json").is_file()
    next(iter(sorted((aside / "stage-1").glob(lost)))).write_bytes(b"")
    lines: list[str] = []
    assert contents(run_pipeline(corpus, STEPS, folder=folder, say=lines.append)) == expected
    assert lines[0].startswith("what was finished is damaged (stage-1")


def test_one_run_at_a_time(tmp_path: Path, corpus: str):
    refusals = []

    def again(_: str) -> None:
        try:
            run_pipeline(corpus, STEPS, folder=tmp_path / "c")
        except LabError as error:
            refusals.append(str(error))

    run_pipeline(corpus, STEPS, folder=tmp_path / "c", say=again)
    assert refusals[0].startswith("the curation c runs already (process ")
