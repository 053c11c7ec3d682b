"""Whole runs: equal bytes, resume from anywhere, requests, signals, and refusals."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from labkit.core import artifacts
from labkit.core.errors import LabError
from labkit.core.records.run import RunRecord
from labkit.plan.plan import TrainingPlan
from labkit.plan.recipes import with_recipe
from labkit.plan.schedule import learning_rate_ratio
from labkit.tokens.kinds import KINDS
from labkit.tokens.shard_writing import write_shards
from labkit.training import launch as launching
from labkit.training.batches import TrainingData
from labkit.training.checkpoints.difference import first_difference
from labkit.training.checkpoints.folder import load_checkpoint
from labkit.training.checkpoints.kept import all_checkpoints, checkpoint_folder
from labkit.training.launch import attach, launch, prepare
from labkit.training.module import TrainingModule
from labkit.training.run import run
from labkit.training.trainer import make_trainer
from tests.training.tiny import tiny_plan, tiny_texts, write_tiny_corpus

PROCESSES = get_context("forkserver")
PROCESSES.set_forkserver_preload(["labkit.training.run", "labkit.training.__main__"])
STEPS = 24


@pytest.fixture
def data(lab_home: Path) -> dict[str, Any]:
    torch.set_num_threads(1)
    return write_tiny_corpus(lab_home)


def hard_plan(data: dict[str, Any], recipe: str) -> TrainingPlan:
    """Accumulation, dropout, and a second source so small that it is read three times."""
    data = data | {"micro_batch": 2, "train": {**data["train"], "shards/tiny/small": 1.0}}
    plan = with_recipe(tiny_plan(data, STEPS), recipe)
    return plan.with_overrides({"model.dropout": 0.1, "checkpoints.keep": STEPS})


def _train(plan: dict[str, Any], home: str, folder: Path, keywords: dict[str, Any]) -> None:
    from labkit.training.__main__ import EXIT_STATUS, quieten

    os.environ["LABKIT_HOME"] = home
    quieten()
    status = run(TrainingPlan.model_validate(plan), folder, say=lambda _: None, **keywords)
    sys.exit(EXIT_STATUS.get(status.state, 0))


def in_fresh_process(plan: TrainingPlan, home: Path, folder: Path, **keywords: Any) -> Any:
    """A process forked from a server that has imported torch and trained nothing."""
    arguments = (plan.model_dump(mode="json"), str(home), folder, keywords)
    process = PROCESSES.Process(target=_train, args=arguments)
    process.start()
    return process


def finished(plan: TrainingPlan, home: Path, folder: Path, **keywords: Any) -> RunRecord:
    process = in_fresh_process(plan, home, folder, **keywords)
    process.join(60)
    assert process.exitcode == 0
    return RunRecord(folder)


def finished_with_known_speed(
    plan: TrainingPlan, home: Path, folder: Path, other: RunRecord, **keywords: Any
) -> RunRecord:
    """Without its own 20 steps to measure the speed, which say nothing here but cost most."""
    RunRecord(folder).write("predictions", other.read("predictions"))
    return finished(plan, home, folder, **keywords)


@pytest.mark.parametrize("recipe", ["gpt2", "modern"])
def test_a_resume_from_every_save_point_ends_bit_equal(recipe, data, lab_home):
    """Each resume is a fresh process; all 23 save points of 24 steps."""
    plan = hard_plan(data, recipe)
    read = TrainingData(plan)
    samples = np.concatenate([read.samples(step) for step in range(STEPS)])
    assert samples[samples[:, 0] == 1, 1].max() >= 2
    whole = finished(plan, lab_home, lab_home / "whole", save_at=tuple(range(1, STEPS)))
    expected = (whole.folder / "result.json").read_bytes()
    end = load_checkpoint(checkpoint_folder(whole.checkpoints, STEPS), plan)
    for step in range(1, STEPS):
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
    assert "passed over a damaged checkpoint" in text
    assert "start from step-00000007" in text
    expected = (whole.folder / "result.json").read_bytes()
    assert (record.folder / "result.json").read_bytes() == expected
    left = sorted(path.name for path in record.checkpoints.iterdir())
    assert left == ["damaged-step-00000012", "step-00000018", "step-00000024"]


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


def test_a_run_ended_from_outside_goes_on_to_the_same_result(data, lab_home):
    plan = tiny_plan(data, 400).with_overrides({"checkpoints.num_checkpoints": 10})
    expected = finished(plan, lab_home, lab_home / "whole").folder / "result.json"
    for number, status, state, moment in (
        (signal.SIGTERM, 143, "interrupted", 61),
        (signal.SIGTERM, 143, "interrupted", 203),
        (signal.SIGKILL, -9, "died", 127),
    ):
        record = RunRecord(lab_home / f"ended-{moment}")
        process = in_fresh_process(plan, lab_home, record.folder)
        wait_until(lambda record=record, moment=moment: len(record.rows("step")) > moment)
        os.kill(process.pid, number)
        process.join(30)
        assert process.exitcode == status
        assert record.status().state == state
        assert all_checkpoints(record.checkpoints)
        if state == "interrupted":
            last = record.rows("step")[-1]["step"]
            assert moment < last < 400
            assert all_checkpoints(record.checkpoints)[0].name == f"step-{last:08d}"
        finished(plan, lab_home, record.folder)
        assert (record.folder / "result.json").read_bytes() == expected.read_bytes()
        assert [row["step"] for row in record.rows("step")] == list(range(1, 401))


def test_launch_pause_resume_evaluate_stop_and_attach(data, lab_home):
    plan = tiny_plan(data, 20_000)
    launched = launch(plan)
    with pytest.raises(LabError, match="runs already"):
        run(plan, launched.record.folder, say=lambda _: None)
    wait_until(lambda: launched.record.rows("step"))
    launched.pause()
    assert launched.wait().state == "paused"
    assert launch(plan).status().state == "paused"  # what a person paused stays so
    followed = attach(launched.run_id).resume()
    followed.evaluate()
    wait_until(lambda: followed.record.rows("evaluation"))
    followed.stop()
    assert followed.wait().state == "stopped"
    steps = [row["step"] for row in followed.record.rows("step")]
    assert steps == list(range(1, len(steps) + 1))
    assert all_checkpoints(followed.record.checkpoints)[0].name == f"step-{len(steps):08d}"
    with pytest.raises(LabError, match=r"is not running \(stopped\)"):
        followed.pause()
    with pytest.raises(LabError, match=f"no run 'other'; known: {launched.run_id}"):
        attach("other")


def test_a_killed_run_is_seen_as_died_and_goes_on_when_launched_again(data, lab_home):
    plan = tiny_plan(data, 1500).with_overrides({"checkpoints.num_checkpoints": 30})
    launched = launch(plan)
    wait_until(lambda: all_checkpoints(launched.record.checkpoints))
    owner = json.loads(launched.record.lock_file.read_text())
    os.kill(owner["pid"], signal.SIGKILL)
    with pytest.raises(
        LabError, match=r"(?s)died: its process is gone\n.*1,500 steps of 64 tokens"
    ):
        launched.wait()
    assert attach(launched.run_id).status().state == "died"
    again = launch(plan)
    assert again.run_id == launched.run_id
    assert again.wait().state == "finished"
    record = again.record
    assert [row["step"] for row in record.rows("step")] == list(range(1, 1501))
    assert record.read("timing")["starts"] == 2
    before = [(path, path.stat().st_mtime_ns) for path in sorted(record.folder.rglob("*"))]
    assert launch(plan).wait().state == "finished"
    says: list[str] = []
    assert run(plan, say=says.append).state == "finished"
    assert says[1:] == [f"{record.run_id} is finished; nothing to do"]
    assert before == [(path, path.stat().st_mtime_ns) for path in sorted(record.folder.rglob("*"))]
    with pytest.raises(LabError, match=r"holds the run of another plan, different in seed; give"):
        run(plan.with_overrides({"seed": 1}), record.folder, say=says.append)


def test_a_run_that_fails_on_its_way_ends_the_wait_with_its_last_words(data, lab_home):
    waiting = prepare(tiny_plan(data, 400))
    waiting.record.checkpoints.write_text("in the way")
    with pytest.raises(
        LabError, match=r"(?s)failed: cannot write .*step-00000100.*\n.*400 steps of"
    ):
        waiting.begin().wait()


def test_a_request_to_a_process_that_died_is_not_taken_up_by_the_next(data, lab_home):
    plan = tiny_plan(data, 400)
    record = RunRecord(lab_home / "run")
    record.ask("pause")
    assert finished(plan, lab_home, record.folder).status().state == "finished"


def test_a_run_that_ends_while_it_is_looked_at_has_not_died(tmp_path, monkeypatch):
    record = RunRecord(tmp_path)
    record.set_status("running", 3)
    assert record.status().state == "died"

    def ends_meanwhile(_):
        record.set_status("finished", 4)
        return False

    monkeypatch.setattr("labkit.core.records.run.lock.is_held", ends_meanwhile)
    assert record.status().state == "finished"


def test_ctrl_c_reaches_the_caller_and_the_run_goes_on_later(data, lab_home, monkeypatch):
    """Lightning makes it a SystemExit, as it does a SIGTERM at the start."""
    record, plan = RunRecord(lab_home / "run"), tiny_plan(data, 4)

    def pressed(_module, _batch, number):
        if number == 2:
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patched:
        patched.setattr(TrainingModule, "on_train_batch_start", pressed)
        with pytest.raises(KeyboardInterrupt):
            run(plan, record.folder, step_seconds=[1.0], say=lambda _: None)
    status = record.status()
    assert (status.state, status.step, status.reason) == ("interrupted", 2, "Ctrl-C")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert run(plan, record.folder, say=lambda _: None).state == "finished"


def test_an_end_that_nobody_can_explain_is_raised(data, lab_home, monkeypatch):
    """Returned as failed it would count as diverged."""

    def one_step_short(plan, num_steps, *others):
        return make_trainer(plan, num_steps - 1, *others)

    monkeypatch.setattr("labkit.training.run_at_work.make_trainer", one_step_short)
    record = RunRecord(lab_home / "run")
    with pytest.raises(RuntimeError, match="ended at step 2 of 3 for no known reason"):
        run(tiny_plan(data, 3), record.folder, step_seconds=[1.0], say=lambda _: None)
    assert record.status().state == "failed"


def test_a_run_that_fails_says_why_to_whoever_waits(data, lab_home):
    (lab_home / "shards/tiny/train/tokens-00000.bin").write_bytes(b"damaged")
    with pytest.raises(LabError, match=r"(?s)did not start:.*tokens-00000.bin.*manifest"):
        launch(tiny_plan(data))


def test_a_start_that_hangs_is_told_with_what_it_said(data, lab_home, monkeypatch):
    stuck = "import time; print('importing', flush=True); time.sleep(60)"
    monkeypatch.setattr(launching, "SECONDS_TO_START", 2.0)
    monkeypatch.setattr(launching, "trainer_arguments", lambda _: ["-c", stuck])
    with pytest.raises(LabError, match=r"(?s)has not begun after 2 s.*importing") as told:
        launch(tiny_plan(data))
    os.kill(int(re.search(r"its process (\d+)", str(told.value))[1]), signal.SIGKILL)


def test_too_little_memory_is_told_in_fields_of_the_plan(data, lab_home, monkeypatch):
    def too_large(*_):
        return torch.empty(1 << 46)

    monkeypatch.setattr("labkit.training.run_at_work.make_module", too_large)
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


def wait_until(holds: Any, seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_signal_before_the_first_step_is_an_interruption_too(data, lab_home):
    plan = tiny_plan(data, 100_000)
    seen = set()
    for delay in (0.0, 0.05, 0.1, 0.2, 0.4):
        folder = lab_home / f"early-{delay}"
        process = in_fresh_process(plan, lab_home, folder)
        wait_until(lambda folder=folder: (folder / "running.lock").is_file())
        time.sleep(delay)
        os.kill(process.pid, signal.SIGTERM)
        process.join(30)
        assert process.exitcode in (143, -signal.SIGTERM)
        seen.add(RunRecord(folder).status().state)
    assert seen <= {"interrupted", "died"}
