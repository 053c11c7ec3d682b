"""One training run from its plan to its result, in this process.

The same plan on the same data is the same folder: started again, it goes on from its newest good
checkpoint, and one that is finished only says so.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import torch

from labkit.core import artifacts, lock, provenance
from labkit.core.config import differences
from labkit.core.records.run import RunRecord, RunStatus, runs_folder
from labkit.model.initialization import initialize
from labkit.model.transformer import Transformer
from labkit.plan.plan import TrainingPlan
from labkit.tokens.tokenizer import Tokenizer
from labkit.training import checkpoints, predictions
from labkit.training.batches import StepBatches, TrainingData
from labkit.training.device import describe_device, find_device_facts
from labkit.training.evaluation import Evaluator
from labkit.training.module import TrainingModule
from labkit.training.optimizers import group_rows
from labkit.training.recorder import Clock, Milestones, Recorder, finite
from labkit.training.settle import settle
from labkit.training.state import RunState, gather_state, restore_state, state_hashes
from labkit.training.tracking import Tracker

NUM_PROBE_STEPS = 20
NUM_WARMUP_STEPS = 3
PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}
Say = Callable[[str], None]


def run(
    plan: TrainingPlan,
    folder: Path | None = None,
    *,
    until: int | None = None,
    save_at: tuple[int, ...] = (),
    resume_from: Path | None = None,
    say: Say = print,
) -> RunStatus:
    """Train; returns how it ended.

    Args:
        folder: of the record; by default `runs/<run id>`.
        until: pause after this step.
        save_at: further steps to write a checkpoint after.
        resume_from: a checkpoint of the same plan to start from, where the folder has none.

    Raises:
        LabError: what cannot be read or had here, another process at work on the same run, or a
            checkpoint of another plan.
    """
    facts = find_device_facts()
    plan = settle(plan, facts)
    say(describe_device(plan.compute, facts))
    record = RunRecord(folder or runs_folder() / plan.run_id)
    with lock.hold(record.lock_file, f"run {record.run_id}"):
        if record.is_there and record.status().state == "finished":
            say(f"{record.run_id} is finished; nothing to do")
            return record.status()
        try:
            return _Run(plan, record, facts.gpu_name, say).go(until, save_at, resume_from)
        except BaseException as error:
            reason = str(error) or type(error).__name__
            record.set_status("failed", record.status().step, reason.splitlines()[0][:300])
            raise


class _Run:
    """What one process holds while it trains."""

    def __init__(self, plan: TrainingPlan, record: RunRecord, gpu_name: str, say: Say):
        self.plan, self.record, self.gpu_name, self.say = plan, record, gpu_name, say
        _prepare(plan)
        self.memory_before = predictions.memory_before(plan.compute.device)
        self.data = TrainingData(plan)
        path = artifacts.home() / plan.data.tokenizer / "tokenizer.json"
        tokenizer = Tokenizer.load(path)
        self.evaluator = Evaluator(
            self.data.validation, tokenizer, plan.evaluation, plan.sequence_length, plan.micro_batch
        )

    def go(
        self, until: int | None, save_at: tuple[int, ...], resume_from: Path | None
    ) -> RunStatus:
        plan, record = self.plan, self.record
        state, source = self._find_state(resume_from)
        if not record.log_file.is_file():
            self._open_record()
        record.set_status("starting", 0)
        if record.read("predictions") is None:
            record.write("predictions", predictions.predict(plan, self._probe(), self.gpu_name))
        module = self._make_module()
        run = RunState()
        clock = Clock()
        if state is not None:
            restore_state(state, module, run)
            record.cut_after(module.facts.step)
            steps = record.rows("step")
            clock = Clock(before=steps[-1]["seconds"] if steps else 0.0)
        else:
            record.cut_after(0)
        tracker = Tracker(plan, record)
        milestones = Milestones.of(plan, until or plan.num_steps, save_at)
        recorder = Recorder(
            plan, record, run, self.evaluator, tracker, milestones, self.data.samples, clock
        )
        self._say_start(module, source)
        recorder.event(module.facts.step, f"start{f' from {source}' if source else ''}")
        record.set_status("running", module.facts.step)
        trainer = self._trainer(plan.num_steps - module.facts.step, recorder, state)
        start = time.process_time()
        if module.facts.step < plan.num_steps:
            batches = StepBatches(self.data, module.facts.step, plan.num_steps)
            trainer.fit(module, batches)
        cpu_seconds = time.process_time() - start
        return self._finish(module, run, recorder, tracker, clock, cpu_seconds)

    def _find_state(self, resume_from: Path | None) -> tuple[checkpoints.Checkpoint | None, str]:
        folder, state, passed_over = checkpoints.newest_good(self.record.checkpoints, self.plan)
        for reason in passed_over:
            self.say(f"passed over a damaged checkpoint: {reason}")
            self.record.log(f"passed over a damaged checkpoint: {reason}")
        if folder is None and resume_from is not None:
            return checkpoints.load_checkpoint(resume_from, self.plan), str(resume_from)
        return state, folder.name if folder else ""

    def _open_record(self) -> None:
        plan, record = self.plan, self.record
        record.write("plan", plan.model_dump(mode="json"))
        changed = differences(TrainingPlan(), plan)
        lines = "\n".join(f"- {name}: {value!r}" for name, value in changed.items())
        text = (
            f"# {record.run_id}\n\nChanged from the default plan:\n\n{lines}\n\n"
            "## Notes\n\nWrite yours here; lines are only ever added at the end.\n\n## Events\n\n"
        )
        record.log_file.write_text(text, "utf-8")

    def _probe(self) -> list[float]:
        """Seconds of single steps of this plan, on weights that are thrown away."""
        timer = _StepTimer()
        random = torch.get_rng_state()
        steps = min(NUM_PROBE_STEPS, self.plan.num_steps)
        trainer = self._trainer(steps, timer, None)
        trainer.fit(self._make_module(), StepBatches(self.data, 0, steps))
        torch.set_rng_state(random)
        return timer.seconds[NUM_WARMUP_STEPS:] or timer.seconds

    def _make_module(self) -> TrainingModule:
        plan = self.plan
        torch.manual_seed(plan.seed)
        with torch.device("cpu"):
            model = Transformer(plan.model, kernel=plan.compute.attention)
        return TrainingModule(plan, initialize(model, plan.seed))

    def _trainer(
        self, num_steps: int, callback: lightning.Callback, state: checkpoints.Checkpoint | None
    ) -> Any:
        plan = self.plan
        trainer = lightning.Trainer(
            accelerator={"cpu": "cpu", "cuda": "gpu", "mps": "mps"}[plan.compute.device],
            devices=1,
            precision=PRECISIONS[plan.compute.precision],  # pyright: ignore[reportArgumentType]
            max_steps=num_steps,
            accumulate_grad_batches=plan.data.batch_size // plan.micro_batch,
            callbacks=[callback],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            limit_val_batches=0,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
        )
        if state is not None and state["progress"]["loss_scale"]:
            trainer.precision_plugin.load_state_dict(state["progress"]["loss_scale"])
        return trainer

    def _say_start(self, module: TrainingModule, source: str) -> None:
        plan = self.plan
        self.say(f"run {self.record.run_id}{f', from {source}' if source else ''}")
        for row in group_rows(module.groups):
            self.say("  " + ", ".join(f"{key} {value}" for key, value in row.items()))
        self.say(f"{plan.num_steps:,} steps of {plan.tokens_per_step:,} tokens")

    def _finish(
        self,
        module: TrainingModule,
        run: RunState,
        recorder: Recorder,
        tracker: Tracker,
        clock: Clock,
        cpu_seconds: float,
    ) -> RunStatus:
        """The last words of a process; of a finished run also its result."""
        record, step = self.record, module.facts.step
        state, reason = recorder.outcome
        summary: dict[str, Any] = {}
        if state == "finished":
            summary = self._result(module, run)
            record.write("result", summary)
            record.write("timing", self._timing(clock, cpu_seconds))
        synced = tracker.finish(summary, state)
        recorder.event(step, f"{state}{f': {reason}' if reason else ''}")
        recorder.flush()
        record.set_status(state, step, reason)
        for line in filter(
            None, [f"{state} at step {step:,}{f': {reason}' if reason else ''}", synced]
        ):
            self.say(line)
        return record.status()

    def _result(self, module: TrainingModule, run: RunState) -> dict[str, Any]:
        """No times and no machine: what follows from plan and data."""
        plan, record = self.plan, self.record
        last = record.rows("evaluation")[-1]
        kept = {key: value for key, value in last.items() if key not in ("kind", "seconds")}
        return {
            "plan_hash": plan.hash,
            "inputs": plan.inputs(),
            "parameters": sum(p.numel() for p in module.model.parameters()),
            "steps": module.facts.step,
            "tokens": module.facts.step * plan.tokens_per_step,
            "dropped_steps": module.guard.num_dropped,
            "final_training_loss": finite(module.facts.loss) or record.rows("step")[-1]["loss"],
            "validation": kept,
            "state": state_hashes(gather_state(module, run, {})),
        }

    def _timing(self, clock: Clock, cpu_seconds: float) -> dict[str, Any]:
        plan, record = self.plan, self.record
        seconds = clock.seconds
        of_steps = seconds - clock.evaluating - clock.saving
        tokens = plan.num_steps * plan.tokens_per_step
        tokens_per_s = tokens / of_steps
        price = plan.budget.usd_per_hour
        device = plan.compute.device
        memory = predictions.peak_memory_bytes(device) - self.memory_before
        predicted = record.read("predictions")
        measured = {
            "parameters": record.read("result")["parameters"],
            "seconds_of_steps": of_steps,
            "memory_bytes": memory,
            "usd": seconds / 3600 * price if price else None,
        }
        return {
            "seconds": seconds,
            "seconds_of_steps": of_steps,
            "seconds_of_evaluations": clock.evaluating,
            "seconds_of_checkpoints": clock.saving,
            "cpu_seconds_of_last_start": cpu_seconds,
            "tokens_per_s": tokens_per_s,
            "mfu": predictions.utilization(predicted, tokens, tokens_per_s),
            "peak_memory_bytes": memory,
            "starts": sum(row["text"].startswith("start") for row in record.rows("event")),
            "scores": predictions.score(predicted, measured),
            "device": self.gpu_name or f"{plan.compute.num_threads} CPU threads",
            "versions": provenance.versions("torch", "lightning", "numpy"),
            "commit": provenance.commit(),
        }


class _StepTimer(lightning.Callback):
    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._last_step, self._last = 0, 0.0

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self._last_step, self._last = pl_module.facts.step, time.perf_counter()

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if pl_module.facts.step > self._last_step:
            now = time.perf_counter()
            self.seconds.append(now - self._last)
            self._last_step, self._last = pl_module.facts.step, now


def _prepare(plan: TrainingPlan) -> None:
    """Process-wide settings of torch, all of them fields of the plan."""
    torch.set_num_threads(plan.compute.num_threads or 1)
    if plan.compute.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
