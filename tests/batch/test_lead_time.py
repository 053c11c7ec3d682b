"""The lead time of a job, worked out by hand from records written by hand."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from labkit.batch.lead_time import recommend_lead_time
from labkit.core.records.run import RunRecord
from labkit.plan.plan import TrainingPlan
from tests.training.tiny import tiny_plan, write_tiny_corpus

STEPS = [(1, 5.0), (2, 6.0), (3, 9.0)]
"""The longest takes 5 s."""


@pytest.fixture
def plan(lab_home: Path) -> TrainingPlan:
    return tiny_plan(write_tiny_corpus(lab_home))


def write_run(folder: Path, plan: TrainingPlan, *rows: dict[str, Any]) -> RunRecord:
    record = RunRecord(folder)
    record.write("plan", plan.model_dump(mode="json"))
    steps = [{"kind": "step", "step": step, "seconds": seconds} for step, seconds in STEPS]
    record.append([*steps, *rows])
    return record


def evaluation(step: int, took: float) -> dict[str, Any]:
    return {"kind": "evaluation", "step": step, "took": took}


def checkpoint(step: int, seconds: float) -> dict[str, Any]:
    return {"kind": "checkpoint", "step": step, "seconds": seconds}


def test_from_the_runs_own_record(plan, lab_home):
    own = (evaluation(2, 11), evaluation(3, 3), checkpoint(2, 1), checkpoint(3, 20))
    write_run(lab_home / "runs" / plan.run_id, plan, *own)
    lead = recommend_lead_time(plan, 1)
    assert lead.seconds == 140  # 60 + 2 x (5 + 11 + 20) = 132, in tens
    assert lead.source == (
        f"60 s + 2 x (step 5 s + evaluation 11 s + save 20 s), measured in run {plan.run_id}"
    )
    assert recommend_lead_time(plan, 2).seconds == 200


def test_what_a_record_lacks_is_assumed(plan, lab_home):
    write_run(lab_home / "runs" / plan.run_id, plan, checkpoint(3, 20))
    lead = recommend_lead_time(plan, 1)
    assert lead.seconds == 170  # 60 + 2 x (5 + 30 + 20)
    assert "evaluation 30 s (assumed) + save 20 s)" in lead.source


def test_from_the_newest_finished_run_of_the_same_size(plan, lab_home):
    """A run of another model says nothing of this one, and a damaged record nothing at all."""
    small = plan.with_overrides({"model.num_layers": 1})
    runs = [("old", plan, 1.0), ("new", plan, 50.0), ("other", small, 99.0), ("damaged", plan, 9.0)]
    for seconds, (name, of, took) in enumerate(runs):
        record = write_run(lab_home / "runs" / name, of, checkpoint(3, took))
        record.write("timing", {})
        os.utime(record.folder / "timing.json", (seconds, seconds))
    (lab_home / "runs/damaged/plan.json").write_text("{")
    write_run(lab_home / "runs" / "not-finished", plan, checkpoint(3, 70.0))
    lead = recommend_lead_time(plan, 1)
    assert lead.source.endswith("save 50 s), measured in run new")
    assert lead.seconds == 230  # 60 + 2 x (5 + 30 + 50)


def test_where_nothing_was_measured(plan):
    lead = recommend_lead_time(plan, 1)
    assert lead.seconds == 240  # 60 + 2 x (30 + 30 + 30)
    assert lead.source.endswith("nothing measured yet")


def test_a_large_state_is_assumed_to_be_written_at_a_gigabyte_a_second(plan):
    """6,738,415,616 parameters x 12 bytes are 80.9 GB."""
    large = TrainingPlan.from_parameters({"model": "llama-2-7b"}).model_copy(
        update={"data": plan.data}
    )
    lead = recommend_lead_time(large, 4)
    assert lead.seconds == 410  # 120 + 2 x (30 + 30 + 80.9) = 401.7
    assert "save 80.9 s (assumed)" in lead.source
