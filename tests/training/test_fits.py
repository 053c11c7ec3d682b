"""What cannot fit is refused before the start, and a full disk loses nothing."""

from __future__ import annotations

import pytest

from labkit.cli import main
from labkit.core import disk
from labkit.core.errors import LabError, RunFailed
from labkit.core.records.run import RunRecord
from labkit.training import fits
from labkit.training.checkpoints.kept import all_checkpoints
from labkit.training.run import run
from tests.training.tiny import tiny_plan


def test_a_plan_beyond_the_memory_is_refused_unless_forced(data, lab_home, monkeypatch):
    plan = tiny_plan(data, 2)
    monkeypatch.setattr(fits, "_memory_of_a_process", lambda *_: 100_000.0)
    with pytest.raises(LabError, match=r"takes 0\.0 GiB of memory in each process.*--force"):
        run(plan, lab_home / "run", say=lambda _: None)
    assert not (lab_home / "run").exists()
    forced = run(plan, lab_home / "run", say=lambda _: None, step_seconds=[0.01], force=True)
    assert forced.state == "finished"


def test_a_disk_without_room_ends_the_run_with_needed_and_free_bytes(
    data, lab_home, monkeypatch, capsys
):
    plan = tiny_plan(data, 8)  # checkpoints after 2, 4, 6 and 8 steps
    record, room = RunRecord(lab_home / "run"), [10**9, 10**9, 1234]
    with monkeypatch.context() as patched:
        patched.setattr(disk, "free_bytes", lambda _: room.pop(0))
        with pytest.raises(RunFailed, match="bytes, 1,234 are free"):
            run(plan, record.folder, say=lambda _: None, step_seconds=[0.01])
    assert record.status().state == "failed"
    assert "no room for checkpoint step-00000006" in record.status().reason
    assert all_checkpoints(record.checkpoints)[0].name == "step-00000004"
    assert run(plan, record.folder, say=lambda _: None).state == "finished"


def test_a_run_that_had_begun_fails_with_1_and_a_refused_one_with_2(data, lab_home, monkeypatch):
    path = lab_home / "plan.json"
    path.write_text(tiny_plan(data, 4, tracking="off").model_dump_json())
    with monkeypatch.context() as patched:
        patched.setattr(disk, "free_bytes", lambda _: 0)
        assert main(["train", str(path)]) == 1
    path.write_text(tiny_plan({**data, "validation": "shards/none"}).model_dump_json())
    assert main(["train", str(path)]) == 2
