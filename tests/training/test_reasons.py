from __future__ import annotations

import pytest
import torch

from labkit.core.records.run import RunRecord
from labkit.training.module import TrainingModule
from labkit.training.run import run
from tests.training.tiny import tiny_plan, write_tiny_corpus


def test_too_little_memory_is_told_with_the_fields_that_ask_for_less(lab_home, monkeypatch):
    def ask_for_an_exabyte(*_):
        torch.empty(1 << 60, dtype=torch.uint8)

    monkeypatch.setattr(TrainingModule, "training_step", ask_for_an_exabyte)
    record = RunRecord(lab_home / "run")
    with pytest.raises(RuntimeError, match="can't allocate memory"):
        run(
            tiny_plan(write_tiny_corpus(lab_home), 3),
            record.folder,
            step_seconds=[1.0],
            say=lambda _: None,
        )
    status = record.status()
    assert status.state == "failed"
    assert status.reason.startswith(
        "out of memory: give data.micro_batch less, layout.recompute=full or more processes"
    )
