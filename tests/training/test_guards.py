from __future__ import annotations

import json
import math
from collections.abc import Iterable

import lightning
import numpy as np
import pytest
import torch

from labkit.core.records.run import RunRecord, RunStatus
from labkit.plan.plan import TrainingPlan
from labkit.plan.recipes import RECIPES, with_recipe
from labkit.training import run_at_work
from labkit.training.batches import TrainingData
from labkit.training.checkpoints.difference import first_difference
from labkit.training.checkpoints.folder import load_checkpoint
from labkit.training.checkpoints.kept import all_checkpoints, checkpoint_folder, health
from labkit.training.guards import BadStepGuard, LossWatch
from labkit.training.module import TrainingModule
from labkit.training.next_token import NextToken
from labkit.training.objective import StepBatches
from labkit.training.optimizers.muon import MuonAdamW
from labkit.training.run import run
from labkit.training.state import TrainingState, make_state
from labkit.training.trainer import make_trainer
from tests.training.tiny import tiny_plan, write_tiny_corpus


def clean_losses(seed: int, size: int = 2000) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return 2 + 4 * np.exp(-np.arange(size) / 300) + rng.normal(0, 0.05, size)


GUESS = math.log(257)


def alarms(losses: Iterable[float]) -> list[tuple[str, int]]:
    """(kind, step) of each."""
    watch = LossWatch(GUESS, num_warmup_steps=50)
    return [(one.kind, step) for step, x in enumerate(losses, 1) for one in watch.see(step, x)]


def test_a_tenfold_spike_is_found_and_clean_steps_raise_no_alarm():
    rng = np.random.default_rng(7)
    for seed in range(20):
        losses = clean_losses(seed)
        assert not alarms(losses)
        position = int(rng.integers(50, 2000))
        losses[position] *= 10
        assert alarms(losses) == [("spike", position + 1)]


def test_what_lasts_becomes_the_level_and_a_slow_rise_is_seen():
    losses = clean_losses(0)
    step_up = losses + 1.0 * (np.arange(2000) >= 1000)
    assert alarms(step_up) == [("spike", 1001), ("level", 1032)]
    rising = losses + 0.001 * np.maximum(np.arange(2000) - 1000, 0)
    [(kind, step)] = alarms(rising)
    assert kind == "rise"
    assert 1000 < step < 1400


def test_a_loss_above_a_guess_or_far_above_its_best_has_diverged():
    steps = np.arange(2000)
    above = clean_losses(0) + 100 * (steps >= 1000)
    assert alarms(above)[:2] == [("spike", 1001), ("divergence", 1016)]
    slow = clean_losses(0) + 0.01 * np.maximum(steps - 1000, 0)
    kinds = dict(alarms(slow))
    assert 1000 < kinds["rise"] < 1100
    assert 1150 < kinds["divergence"] < 1250
    never_learned = np.full(2000, GUESS) + np.random.default_rng(0).normal(0, 0.05, 2000)
    assert not alarms(never_learned)


def test_a_watch_goes_on_from_its_state_as_if_it_had_not_been_cut():
    stepped = clean_losses(1)[:700] + 3.0 * (np.arange(700) >= 650)
    losses = [*stepped.tolist(), *[math.nan] * 9]
    whole, first, second = (LossWatch(GUESS, 50) for _ in range(3))
    found = [whole.see(step, loss) for step, loss in enumerate(losses, 1)]
    cut = [first.see(step, loss) for step, loss in enumerate(losses[:660], 1)]
    second.load_state_dict(json.loads(json.dumps(first.state_dict(), allow_nan=False)))
    cut += [second.see(step, loss) for step, loss in enumerate(losses[660:], 661)]
    assert cut == found
    assert second.state_dict() == whole.state_dict()


def test_bad_steps_are_counted_and_three_in_a_row_are_enough():
    guard = BadStepGuard()
    verdicts = [guard.drops(*v) for v in ((1, 2), (math.nan, 1), (1, math.inf), (1, 1))]
    assert verdicts == [False, True, True, False]
    assert (guard.num_dropped, guard.in_a_row, guard.gives_up) == (2, 0, False)
    assert [guard.drops(math.inf) and guard.gives_up for _ in range(3)] == [False, False, True]


def test_under_fp16_twenty_overflows_in_a_row_are_enough():
    state = make_state(tiny_plan({"batch_size": 4}).with_overrides({"compute.precision": "fp16"}))
    outcomes = [state.guard.drops(1.0, math.inf) and state.guard.gives_up for _ in range(20)]
    assert outcomes == [False] * 19 + [True]


def poison(monkeypatch, steps):
    """Make loss and gradients NaN at these steps, counted from 1."""
    healthy = NextToken.step_batch

    def step_batch(self, step, state):
        batch = healthy(self, step, state)
        return batch._replace(num_units=math.nan) if step + 1 in steps else batch

    monkeypatch.setattr(NextToken, "step_batch", step_batch)


def test_a_nan_step_never_reaches_the_weights_and_its_samples_are_named(lab_home, monkeypatch):
    plan = tiny_plan(write_tiny_corpus(lab_home), 24)
    torch.set_num_threads(1)
    seen: dict[int, list[torch.Tensor]] = {}
    apply = torch.optim.AdamW.step

    def step(self, *arguments, **keywords):
        found = apply(self, *arguments, **keywords)
        weights = [w.detach().clone() for group in self.param_groups for w in group["params"]]
        state = [s["exp_avg"].clone() for s in self.state.values()]
        seen[len(seen) + 1] = weights + state
        return found

    poison(monkeypatch, {9, 10})
    monkeypatch.setattr(run_at_work, "probe_step_seconds", lambda *_: [0.01])
    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    record = RunRecord(lab_home / "run")
    assert run(plan, record.folder, say=lambda _: None).state == "finished"
    for bad in (9, 10):
        assert all(torch.equal(a, b) for a, b in zip(seen[bad], seen[8], strict=True))
    assert not torch.equal(seen[11][0], seen[8][0])
    assert record.read("result")["dropped_steps"] == 2
    events = [row["text"] for row in record.rows("event") if "dropped" in row["text"]]
    assert len(events) == 2
    assert "its samples 0/0/" in events[0]
    assert record.rows("step")[8]["loss"] is None
    for line in record.metrics.read_text().splitlines():
        json.loads(line, parse_constant=lambda name: 1 / 0)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_nan_step_leaves_weights_and_optimizer_as_saved_before_it(recipe, lab_home, monkeypatch):
    plan = with_recipe(tiny_plan(write_tiny_corpus(lab_home), 24), recipe)
    poison(monkeypatch, {9})
    record = RunRecord(lab_home / "run")
    plan = plan.with_overrides({"checkpoints.keep": 9})
    run(plan, record.folder, save_at=(8, 9, 10), say=lambda _: None)
    before, bad, after = (
        load_checkpoint(checkpoint_folder(record.checkpoints, step)) for step in (8, 9, 10)
    )
    for part in ("weights", "optimizer"):
        assert not differs_in(part, before, bad)
        assert differs_in(part, bad, after)
    assert (bad["progress"]["dropped_steps"], bad["progress"]["dropped_in_a_row"]) == (1, 1)
    assert (after["progress"]["dropped_steps"], after["progress"]["dropped_in_a_row"]) == (1, 0)


def differs_in(part: str, one: dict, other: dict) -> bool:
    """Tensors only: the learning rate in the optimizer's groups moves on in a dropped step."""
    left, right = (state[part].get("state", state[part]) for state in (one, other))
    return first_difference(one | {part: left}, one | {part: right}) is not None


def test_three_nan_steps_in_a_row_end_the_run_with_a_checkpoint(lab_home, monkeypatch):
    plan = tiny_plan(write_tiny_corpus(lab_home), 24)
    poison(monkeypatch, {11, 12, 13, 14})
    record = RunRecord(lab_home / "run")
    status = run(plan, record.folder, say=lambda _: None)
    assert (status.state, status.step) == ("failed", 13)
    assert "3 steps in a row with NaN or infinite values" in status.reason
    assert all_checkpoints(record.checkpoints)[0].name == "step-00000013"


@pytest.mark.parametrize("uses_muon", [True, False])
def test_an_overflowing_fp16_step_is_the_scalers_to_drop(uses_muon):
    weight = torch.nn.Parameter(torch.ones(4, 4))
    group = {"params": [weight], "lr": 0.1, "weight_decay": 0.0, "uses_muon": uses_muon}
    numbers = {"momentum": 0.9, "betas": (0.9, 0.95), "eps": 1e-8}
    optimizer = MuonAdamW([group | numbers], torch.float32)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    for factor, moves in ((math.inf, False), (1.0, True)):
        optimizer.zero_grad()
        before, scale = weight.detach().clone(), scaler.get_scale()
        scaler.scale((weight * factor).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        assert torch.equal(weight, before) != moves
        assert bool(optimizer.state) == moves
        assert scaler.get_scale() == (scale if moves else scale / 2)


class Norms(lightning.Callback):
    """Gradient norm, loss scale and weights after each step."""

    def __init__(self) -> None:
        self.rows: list[tuple[float, float, torch.Tensor]] = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        scale = pl_module.state.scaler.get_scale()
        self.rows.append((pl_module.facts.gradient_norm, scale, flat(pl_module.state)))


def flat(state: TrainingState) -> torch.Tensor:
    return torch.cat([weight.detach().flatten() for weight in state.weights])


def norms(plan, precision: str, init_scale: float = 1024.0) -> Norms:
    """Of six steps; fp16 for once on a CPU."""
    plan = plan.with_overrides({"compute.precision": precision})
    state, objective, callback = make_state(plan), NextToken(plan), Norms()
    state.scaler = torch.amp.GradScaler("cpu", init_scale, enabled=precision == "fp16")
    trainer = make_trainer(plan, callback)
    trainer.fit(TrainingModule(state, objective), StepBatches(objective, state, 6))
    return callback


@pytest.mark.parametrize("recipe", RECIPES)
def test_fp16_measures_and_clips_the_gradient_itself_and_not_the_scaled_one(recipe, lab_home):
    torch.set_num_threads(1)
    plan = with_recipe(tiny_plan(write_tiny_corpus(lab_home)), recipe)
    full, half = norms(plan, "fp32").rows, norms(plan, "fp16").rows
    assert [norm for norm, *_ in half] == pytest.approx([norm for norm, *_ in full], rel=0.005)


@pytest.mark.parametrize("recipe", RECIPES)
def test_fp16_halves_its_scale_until_a_step_fits(recipe, lab_home):
    torch.set_num_threads(1)
    plan = with_recipe(tiny_plan(write_tiny_corpus(lab_home)), recipe)
    rows = norms(plan, "fp16", init_scale=2.0**21).rows
    start = flat(make_state(plan))
    overflowed = [not math.isfinite(norm) for norm, _, _ in rows]
    assert overflowed[0]
    assert not all(overflowed)
    for number, (_, scale, weights) in enumerate(rows):
        before = rows[number - 1][2] if number else start
        assert torch.equal(weights, before) == overflowed[number]
        assert scale == 2.0 ** (21 - sum(overflowed[: number + 1]))


def disturb(monkeypatch, batches, factor):
    """Multiply loss and gradients of these batches, counted from 0; NaN poisons them."""
    healthy = NextToken.step_batch

    def step_batch(self, step, state):
        batch = healthy(self, step, state)
        return batch._replace(num_units=batch.num_units / factor) if step in batches else batch

    monkeypatch.setattr(NextToken, "step_batch", step_batch)


def guarded_plan(home, **guards: str) -> TrainingPlan:
    plan = tiny_plan(write_tiny_corpus(home), 60, guards=guards)
    return plan.with_overrides({"checkpoints.num_checkpoints": 6, "evaluation.num_evaluations": 1})


def trained(plan: TrainingPlan, record: RunRecord) -> RunStatus:
    torch.set_num_threads(1)
    return run(plan, record.folder, step_seconds=[0.01], say=lambda _: None)


def test_a_run_rewinds_from_a_spike_and_reads_other_batches(lab_home, monkeypatch):
    """The spike of batch 45 is at step 46: back to step 30, batches 37 to 45 are left out."""
    plan, record = guarded_plan(lab_home, on_spike="rewind"), RunRecord(lab_home / "run")
    plan = plan.with_overrides({"checkpoints.num_checkpoints": 2})
    disturb(monkeypatch, {45}, 10.0)
    read: list[int] = []
    of_data = TrainingData.step_batch
    monkeypatch.setattr(
        TrainingData, "step_batch", lambda self, n, p: (read.append(n), of_data(self, n, p))[1]
    )
    assert trained(plan, record).state == "finished"
    assert read == [*range(46), *range(30, 37), *range(46, 69)]
    result = record.read("result")
    assert result["skipped_batches"] == [[37, 45]]
    assert [row["step"] for row in record.rows("step")] == list(range(1, 61))
    assert max(row["loss"] for row in record.rows("step")) < 7
    [entry] = record.read("skipped")
    assert entry["checkpoint"] == "step-00000030"
    data = TrainingData(plan)
    [(source, documents)] = entry["documents"].items()
    read_ids = {tuple(ids) for n in range(37, 46) for ids in windows_of(data, n)}
    whole = np.concatenate([data.sources[0].document(n) for n in documents])
    for ids in read_ids:
        assert bytes(whole.astype("<u2")).find(bytes(np.array(ids, "<u2"))) >= 0
    assert source == "shards/tiny/train"


def windows_of(data: TrainingData, step: int) -> list[list[int]]:
    return [data.sources[0].window(w, data.length).tolist() for _, _, w in data.samples(step)]


def test_nan_in_a_row_rewinds_and_where_all_batches_are_bad_it_gives_up(lab_home, monkeypatch):
    record = RunRecord(lab_home / "run")
    disturb(monkeypatch, {24, 25, 26}, math.nan)
    assert trained(guarded_plan(lab_home, on_divergence="rewind"), record).state == "finished"
    assert record.read("result")["skipped_batches"] == [[20, 26]]
    assert record.read("result")["dropped_steps"] == 0
    other = RunRecord(lab_home / "other")
    disturb(monkeypatch, range(24, 10**6), math.nan)
    status = trained(guarded_plan(lab_home, on_divergence="rewind"), other)
    assert status.state == "failed"
    assert "gone back to 3 times" in status.reason


def test_starting_a_diverged_run_again_never_evicts_the_last_good_checkpoint(lab_home, monkeypatch):
    plan, record = guarded_plan(lab_home), RunRecord(lab_home / "run")
    disturb(monkeypatch, range(24, 10**6), math.nan)
    for _ in range(4):
        status = trained(plan, record)
        assert (status.state, status.step) == ("failed", 27)
    found = [path.name for path in all_checkpoints(record.checkpoints)]
    assert found == ["step-00000027", "step-00000020", "step-00000010"]
    assert [health(path) for path in all_checkpoints(record.checkpoints)] == [
        "diverged",
        "good",
        "good",
    ]


def test_a_divergence_stands_in_the_result_where_it_is_only_noted(lab_home):
    """A rate a thousand times too high, on a schedule that never falls."""
    wild = {"optimizer.learning_rate": 1.0, "schedule.shape": "constant"}
    said: list[str] = []
    for action, state in (("note", "finished"), ("stop", "failed")):
        plan = guarded_plan(lab_home, on_divergence=action).with_overrides(wild)
        record = RunRecord(lab_home / action)
        assert run(plan, record.folder, step_seconds=[0.01], say=said.append).state == state
        assert any("diverged: loss" in row["text"] for row in record.rows("event"))
        assert any("diverged: loss" in line for line in said)
    assert RunRecord(lab_home / "note").read("result")["diverged_at"] is not None
