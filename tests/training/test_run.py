"""Whole runs: what they record, and refusals."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from labkit.core import artifacts
from labkit.core.errors import LabError
from labkit.core.records.run import RunRecord
from labkit.plan.schedule import learning_rate_ratio
from labkit.tokens.kinds import KINDS
from labkit.tokens.shard_writing import write_shards
from labkit.training.checkpoints.kept import all_checkpoints
from labkit.training.next_token import NextToken
from labkit.training.objective import StepBatches
from labkit.training.run import run
from tests.training.fresh_process import finished
from tests.training.tiny import tiny_plan, tiny_texts


def test_every_step_is_recorded_once_with_the_schedules_rate(data, lab_home):
    plan = tiny_plan(data, 30)
    record = finished(plan, lab_home, lab_home / "run")
    rows = record.rows("step")
    assert [row["step"] for row in rows] == list(range(1, 31))
    for row in rows:
        ratio = learning_rate_ratio(plan.schedule, row["tokens"] - 32, 30 * 64)
        assert row["learning_rate"] == ratio * plan.optimizer.learning_rate
    assert [row["step"] for row in record.rows("evaluation")] == [10, 20, 30]
    scores = record.read("timing")["scores"]
    assert scores["parameters"]["measured_to_predicted"] == 1
    assert rows[-1]["loss"] < rows[0]["loss"]


def test_accumulated_micro_batches_are_the_whole_batch(data, lab_home):
    losses = []
    for micro_batch in (4, 2, 1):
        plan = tiny_plan(data | {"micro_batch": micro_batch}, 10)
        record = finished(plan, lab_home, lab_home / str(micro_batch))
        losses.append([row["loss"] for row in record.rows("step")])
    assert losses[1] == pytest.approx(losses[0], abs=1e-5)
    assert losses[2] == pytest.approx(losses[0], abs=1e-5)


def test_an_end_that_nobody_can_explain_is_raised(data, lab_home, monkeypatch):
    """Returned as failed it would count as diverged."""

    def one_step_short(objective, state, last, skipped):
        return StepBatches(objective, state, last - 1, skipped)

    monkeypatch.setattr("labkit.training.run_at_work.StepBatches", one_step_short)
    record = RunRecord(lab_home / "run")
    with pytest.raises(RuntimeError, match="ended at step 2 of 3 for no known reason"):
        run(tiny_plan(data, 3), record.folder, step_seconds=[1.0], say=lambda _: None)
    assert record.status().state == "failed"


def test_an_error_while_observing_is_an_observation(data, lab_home, monkeypatch):
    healthy, said = NextToken.validate, []

    def validate(self, state):
        if state.step < 4:
            state.model.eval()
            raise RuntimeError("the sampler is broken")
        found = healthy(self, state)
        return found._replace(examples={"nats_per_token": [math.nan, 1.0]})

    monkeypatch.setattr(NextToken, "validate", validate)
    plan, record = tiny_plan(data, 4), RunRecord(lab_home / "run")
    plan = plan.with_overrides({"evaluation.num_evaluations": 2, "model.dropout": 0.1})
    status = run(plan, record.folder, step_seconds=[1.0], say=said.append)
    assert status.state == "finished"
    first, last = record.rows("evaluation")
    assert (first["loss"], first["error"]) == (None, "the sampler is broken")
    assert last["loss"] > 0
    assert any("evaluation failed: the sampler is broken" in line for line in said)
    assert record.read("windows")["nats_per_token"] == [None, 1.0]


def test_too_little_memory_is_told_in_fields_of_the_plan(data, lab_home, monkeypatch):
    def too_large(*_):
        return torch.empty(1 << 46)

    monkeypatch.setattr("labkit.training.run_at_work.make_state", too_large)
    record = RunRecord(lab_home / "run")
    with pytest.raises(RuntimeError, match="can't allocate memory"):
        run(tiny_plan(data), record.folder, step_seconds=[1.0], say=lambda _: None)
    assert record.status().reason.startswith("out of memory: give data.micro_batch less")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model.vocab_size": 200}, "the tokenizer has 257 ids, model.vocab_size=200; give"),
        ({"data.validation": "shards/other"}, "no such shards or tokenizer; run notebooks/20"),
        ({"model.context_length": 8192}, "not two windows of 8192; hold out more text"),
    ],
)
def test_what_cannot_be_trained_is_refused(changes, message, data, tmp_path):
    with pytest.raises(LabError, match=message):
        run(tiny_plan(data).with_overrides(changes), tmp_path / "run", say=lambda _: None)


def test_tokenizers_that_do_not_fit_are_refused(data, lab_home):
    other = KINDS["words"](tiny_texts(3, 0), 300)
    write_shards(tiny_texts(4, 1), other, lab_home / "shards/words")
    with artifacts.write_artifact(lab_home / "tokenizers/words") as temporary:
        other.save(temporary / "tokenizer.json")
    for changes, message in (
        ({"data.train": {"shards/words": 1.0}}, "shards of different tokenizers in one plan"),
        ({"data.tokenizer": "tokenizers/words"}, "not written with tokenizer words; give"),
    ):
        with pytest.raises(LabError, match=message):
            run(tiny_plan(data).with_overrides(changes), lab_home / "run", say=lambda _: None)


@pytest.mark.parametrize(
    ("budget", "reason"),
    [
        ({"budget.max_minutes": 0.01}, "max_minutes=0.01 is used up"),
        ({"budget.max_usd": 6, "budget.usd_per_hour": 36_000}, "max_usd=6 is spent"),
    ],
)
def test_a_budget_in_minutes_or_money_ends_in_a_checkpoint(budget, reason, data, lab_home):
    plan = tiny_plan(data, 100_000).with_overrides(budget)
    record = RunRecord(lab_home / "run")
    assert run(plan, record.folder, say=lambda _: None).state == "stopped"
    [newest, *_] = all_checkpoints(record.checkpoints)
    assert newest.name == f"step-{record.rows('step')[-1]['step']:08d}"
    assert reason in record.log_file.read_text()
    assert 0.6 <= record.rows("step")[-1]["elapsed"] < 5


def test_losses_of_the_windows_average_to_the_loss(data, lab_home):
    record = RunRecord(lab_home / "run")
    run(tiny_plan(data, 6), record.folder, say=lambda _: None, step_seconds=[0.5])
    windows, result = record.read("windows"), record.read("result")
    assert windows["step"] == result["validation"]["step"] == 6
    assert np.mean(windows["nats_per_token"]) == pytest.approx(result["validation"]["loss"])
    assert record.read("predictions")["seconds_of_steps"] == 3.0


def test_notes_in_the_log_stay_and_the_config_difference_is_there(data, lab_home):
    plan = tiny_plan(data, 20)
    record = RunRecord(lab_home / "run")
    run(plan, record.folder, until=10, say=lambda _: None)
    text = record.log_file.read_text()
    assert "- model.d_ff: 64" in text
    record.log_file.write_text(text.replace("## Events", "My thought.\n\n## Events"))
    run(plan, record.folder, say=lambda _: None)
    text = record.log_file.read_text()
    assert "My thought." in text
    assert "paused: asked to run until step 10" in text
    assert "start from step-00000010" in text
    assert json.loads((record.folder / "status.json").read_text())["state"] == "finished"
