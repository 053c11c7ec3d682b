"""Whole runs: equal bytes, resume from anywhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labkit.core.records.run import RunRecord
from labkit.plan.plan import TrainingPlan
from labkit.training.batches import TrainingData
from labkit.training.checkpoints.difference import first_difference
from labkit.training.checkpoints.folder import load_checkpoint
from labkit.training.checkpoints.kept import all_checkpoints, checkpoint_folder
from tests.training.fresh_process import finished
from tests.training.tiny import hard_plan, write_tiny_corpus

STEPS = 24
SAVE_POINTS = (1, 13, 23)


def finished_with_known_speed(
    plan: TrainingPlan, home: Path, folder: Path, other: RunRecord, **keywords: Any
) -> RunRecord:
    """Without its own 20 steps to measure the speed, which say nothing here but cost most."""
    RunRecord(folder).write("predictions", other.read("predictions"))
    return finished(plan, home, folder, **keywords)


@pytest.mark.parametrize("recipe", ["gpt2", "modern"])
def test_a_resume_from_a_save_point_ends_bit_equal(recipe, data, lab_home):
    """Each resume is a fresh process; `make faults` takes all 23 save points of 24 steps."""
    plan = hard_plan(data, recipe)
    read = TrainingData(plan)
    samples = np.concatenate([read.samples(step) for step in range(STEPS)])
    assert samples[samples[:, 0] == 1, 1].max() >= 2
    whole = finished(plan, lab_home, lab_home / "whole", save_at=SAVE_POINTS)
    expected = (whole.folder / "result.json").read_bytes()
    end = load_checkpoint(checkpoint_folder(whole.checkpoints, STEPS), plan)
    for step in SAVE_POINTS:
        point = checkpoint_folder(whole.checkpoints, step)
        resumed = finished_with_known_speed(
            plan, lab_home, lab_home / f"from-{step}", whole, resume_from=point
        )
        state = load_checkpoint(checkpoint_folder(resumed.checkpoints, STEPS), plan)
        assert first_difference(end, state) is None, step
        assert (resumed.folder / "result.json").read_bytes() == expected


def test_another_seed_is_another_end(data, lab_home):
    """Or the equalities above would say little."""
    ends = []
    for seed in (0, 1):
        plan = hard_plan(data, "gpt2").with_overrides({"seed": seed})
        record = finished(plan, lab_home, lab_home / f"seed-{seed}")
        ends.append(record.read("result")["state"])
    assert not set(ends[0].items()) & set(ends[1].items())


def test_past_a_damaged_checkpoint_a_run_ends_with_the_same_bytes(data, lab_home):
    plan = hard_plan(data, "gpt2").with_overrides({"checkpoints.keep": 2})
    whole = finished(plan, lab_home, lab_home / "whole")
    record = finished(plan, lab_home, lab_home / "run", until=12, save_at=(7,))
    newest, before = all_checkpoints(record.checkpoints)
    assert (newest.name, before.name) == ("step-00000012", "step-00000007")
    weights = newest / "weights.pt"
    weights.write_bytes(weights.read_bytes()[:-100])
    finished(plan, lab_home, record.folder)
    text = record.log_file.read_text()
    assert "passed over a checkpoint" in text
    assert "start from step-00000007" in text
    expected = (whole.folder / "result.json").read_bytes()
    assert (record.folder / "result.json").read_bytes() == expected
    left = sorted(path.name for path in record.checkpoints.iterdir())
    assert left == ["passed-over-step-00000012", "step-00000018", "step-00000024"]


def test_the_same_plan_in_two_fresh_processes_gives_the_same_bytes(tmp_path):
    results = []
    for name in ("one", "other"):
        home = tmp_path / name
        plan = hard_plan(write_tiny_corpus(home), "modern")
        path = tmp_path / f"{name}.json"
        path.write_text(plan.model_dump_json())
        done = subprocess.run(
            [sys.executable, "-m", "labkit.training", str(path)],
            env=os.environ | {"LABKIT_HOME": str(home)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.startswith("device cpu (1 thread")
        assert not done.stderr
        [result] = home.glob("runs/*/result.json")
        results.append(result.read_bytes())
    assert results[0] == results[1]
