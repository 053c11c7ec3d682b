"""What one process of a run does from finding its state to its last words.

In this order: data and windows are opened, the newest good checkpoint is found, speed is probed
where no prediction stands yet, the model is made and its state put back, it trains, and the end is
written down.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from labkit.core import artifacts
from labkit.core.artifacts import DamagedArtifact
from labkit.core.canonical_json import hash_json
from labkit.core.config import differences, flatten
from labkit.core.errors import LabError
from labkit.core.records.run import RunRecord, RunStatus, State, runs_folder
from labkit.plan.amendments import SOURCE
from labkit.plan.plan import TrainingPlan
from labkit.tokens.shards import Shards
from labkit.training.amendments import note
from labkit.training.checkpoints.files import Checkpoint
from labkit.training.checkpoints.folder import load_checkpoint
from labkit.training.checkpoints.kept import all_checkpoints, newest_good, set_newer_aside
from labkit.training.checkpoints.source import changed_source
from labkit.training.checkpoints.state import (
    RunState,
    gather_state,
    held_bytes,
    restore_state,
    state_hashes,
)
from labkit.training.guards import LossWatch
from labkit.training.leak_check import leak_check
from labkit.training.module import TrainingModule
from labkit.training.objective import MakeObjective, StepBatches
from labkit.training.optimizers.groups import group_rows
from labkit.training.recording import predictions, summary
from labkit.training.recording.recorder import Clock, Milestones, Recorder, Rewind
from labkit.training.recording.tracking import Tracker
from labkit.training.rewind import rewind
from labkit.training.sharding.processes import Processes
from labkit.training.state import TrainingState, make_state
from labkit.training.trainer import make_trainer, probe_step_seconds
from labkit.training.watch import Watch

Say = Callable[[str], None]


class RunAtWork:
    """What one process holds while it trains; `go` is called once."""

    def __init__(
        self,
        plan: TrainingPlan,
        record: RunRecord,
        processes: Processes,
        gpu_name: str,
        say: Say,
        make_objective: MakeObjective,
    ):
        self.plan, self.record, self.gpu_name, self.say = plan, record, gpu_name, say
        self.processes = processes
        _set_up_torch(plan)
        self.memory_before = predictions.memory_before(plan.compute.device)
        self.objective = make_objective(plan, processes)
        self.watch = Watch(
            record.folder, processes.rank, plan.layout.hang_seconds, processes.num > 1
        )
        self.tracking: Callable[[], str] = str
        """Ends the tracking of a run whose end is written down; a line on where it is, or none."""

    def go(
        self,
        until: int | None,
        save_at: tuple[int, ...],
        resume_from: Path | None,
        step_seconds: Sequence[float],
        allowed: tuple[str, ...] = (),
    ) -> RunStatus:
        self.allowed = allowed
        self.watch.start()
        try:
            return self._go(until, save_at, resume_from, step_seconds)
        finally:
            self.watch.stop()

    def _go(
        self,
        until: int | None,
        save_at: tuple[int, ...],
        resume_from: Path | None,
        step_seconds: Sequence[float],
    ) -> RunStatus:
        plan, record, processes = self.plan, self.record, self.processes
        checkpoint, source = self._find_state(resume_from)
        processes.first(self._open)
        processes.each(self._see_record)
        if processes.first(lambda: record.read("predictions") is None):
            probed = step_seconds or probe_step_seconds(plan, self.objective, processes)
            record.write("predictions", predictions.predict(plan, probed, self.gpu_name))
        num_warmup = math.ceil(plan.schedule.warmup_share * plan.num_steps)
        watch = LossWatch(self.objective.loss_of_guessing, num_warmup)
        state, run = make_state(plan, processes), RunState(watch)
        if checkpoint is not None:
            restore_state(checkpoint, state, run, self.objective)
            del checkpoint
        processes.first(lambda: record.cut_after(state.step))
        tracked = plan if processes.is_first else plan.with_overrides({"tracking": "off"})
        recorder = Recorder(
            plan,
            record,
            run,
            Tracker(tracked, record),
            Milestones.of(plan, until or plan.num_steps, save_at),
            Clock.going_on(record.last_row("step"), record.num_steps()),
        )
        recorder.say, recorder.watch = self.say, self.watch
        self._say_start(state, source)
        recorder.event(state.step, f"start{f' from {source}' if source else ''}")
        record.set_status("running", state.step)
        self._fit(state, recorder)
        return self._finish(state, run, recorder)

    def _fit(self, state: TrainingState, recorder: Recorder) -> None:
        if state.step == self.plan.num_steps:
            return  # a process before this one ended between its last step and its result
        recorder.outcome = self.processes.first(recorder.spent)
        if recorder.outcome is not None:
            return
        while True:
            skipped, recorder.outcome = recorder.run.skipped, None
            batches = StepBatches(self.objective, state, self.plan.num_steps, skipped)
            trainer = make_trainer(self.plan, recorder, self.processes)
            trainer.fit(TrainingModule(state, self.objective), batches)
            if not isinstance(recorder.outcome, Rewind):
                return
            self.watch.doing("going back")
            recorder.outcome = rewind(recorder.outcome, state, recorder, self.objective)
            if recorder.outcome is not None:
                return

    def _find_state(self, resume_from: Path | None) -> tuple[Checkpoint | None, str]:
        """Verified by the first process, read by all."""
        folder = self.processes.first(self._newest_good)
        if folder is not None:
            if resume_from is not None:
                self.say(f"this run has {folder.name} of its own; {resume_from} is left alone")
            self._note_allowed(folder)
            state = load_checkpoint(folder, self.plan, verify=False, allowed=self.allowed)
            return state, folder.name
        if resume_from is None:
            return None, ""
        source = self.processes.first(lambda: _checkpoint_of(resume_from))
        self._note_allowed(source)
        state = load_checkpoint(source, self.plan, is_fork=True, verify=False, allowed=self.allowed)
        return state, str(source)

    def _newest_good(self) -> Path | None:
        folder, _, passed_over = newest_good(self.record.checkpoints, self.plan, self.allowed)
        for reason in passed_over:
            self.say(f"passed over a checkpoint: {reason}")
            self.record.log(f"passed over a checkpoint: {reason}")
        set_newer_aside(self.record.checkpoints, folder)
        return folder

    def _note_allowed(self, folder: Path) -> None:
        """Put down what was allowed to differ from the checkpoint that the run goes on from."""
        if not self.processes.is_first or not self.allowed:
            return
        changes: dict[str, tuple[Any, Any]] = {}
        if changed := changed_source(folder):
            changes[SOURCE] = (f"as of {folder.name}", changed)
        there = artifacts.read_manifest(folder, verify=False).config or {}
        was, now = flatten(there), flatten(self.plan.model_dump(mode="json"))
        for name in now:
            if name.startswith(self.allowed) and was.get(name) != now[name]:
                changes[name] = (was.get(name), now[name])
        if changes:
            note(self.record, changes)
            self.say(f"goes on although these changed: {', '.join(changes)}")

    def _see_record(self) -> None:
        if not self.record.is_there:
            raise LabError(
                f"{self.record.folder} of the first process is not seen here; put LABKIT_HOME on a "
                "disk that all processes share"
            )

    def _open(self) -> None:
        if not self.record.log_file.is_file():
            self._open_record()
        self.record.set_status("starting", 0)
        if self.record.read("leak_check") is None:
            self.record.write("leak_check", self._leak_check())

    def _leak_check(self) -> str:
        data = self.plan.data
        folders = [artifacts.home() / name for name in (*data.train, data.validation)]
        *sources, validation = (Shards(folder, verify=False) for folder in folders)
        return leak_check(sources, validation)

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

    def _say_start(self, state: TrainingState, source: str) -> None:
        plan = self.plan
        if self.processes.is_first:
            self.say(str(self.record.read("leak_check")))
        self.say(f"run {self.record.run_id}{f', from {source}' if source else ''}")
        for row in group_rows(state.groups):
            self.say("  " + ", ".join(f"{key} {value}" for key, value in row.items()))
        self.say(f"{plan.num_steps:,} steps of {plan.tokens_per_step:,} tokens")

    def _finish(self, at_work: TrainingState, run: RunState, recorder: Recorder) -> RunStatus:
        """The last words of a process; of a finished run also its result."""
        plan, record, step = self.plan, self.record, at_work.step
        assert not isinstance(recorder.outcome, Rewind)  # taken or refused in _fit
        if recorder.outcome is None:
            recorder.close(step)
        state, reason = recorder.outcome or _natural_end(plan, step)
        ending = f"{state}: {reason}" if reason else state
        found: dict[str, Any] = {}
        self.watch.doing("ending")
        hashes = self._hashes(at_work, run)
        held = self.processes.from_all(held_bytes(at_work))

        def write_the_end() -> RunStatus:
            recorder.flush()
            record.write("processes", held)
            if state == "finished":
                found.update(summary.result(plan, record, at_work, run, hashes))
                record.write("result", found)
                clock, before = recorder.clock, self.memory_before
                record.write("timing", summary.timing(plan, record, clock, before, self.gpu_name))
                _write_model_folder(record)
            recorder.event(step, ending)
            recorder.flush()
            record.set_status(state, step, reason)
            self.say(f"{ending} (step {step:,})")
            self.tracking = lambda: recorder.tracker.finish(found, state)
            return record.status()

        return self.processes.first(write_the_end)  # torchrun would end it when others end

    def _hashes(self, at_work: TrainingState, run: RunState) -> dict[str, str]:
        """Of the state; of several processes a hash over theirs, in order."""
        found = self.processes.from_all(state_hashes(gather_state(at_work, run, self.objective)))
        if len(found) == 1:
            return found[0]
        return {name: hash_json([one[name] for one in found]) for name in found[0]}


def _write_model_folder(record: RunRecord) -> None:
    """Not of a run that is kept elsewhere, such as a trial of layouts. Imported at the end: cards
    and corpora would lengthen every start.
    """
    if record.folder.parent == runs_folder():
        from labkit.training.export import write_model_folder

        write_model_folder(record)


def _natural_end(plan: TrainingPlan, step: int) -> tuple[State, str]:
    """`failed` is left to runs that diverged: an end that nobody can explain says nothing of the
    plan.
    """
    if step != plan.num_steps:
        raise RuntimeError(
            f"the trainer ended at step {step:,} of {plan.num_steps:,} for no known reason"
        )
    return "finished", ""


def _checkpoint_of(source: Path) -> Path:
    """A checkpoint as it is, or the newest undamaged one of a run's folder.

    Raises:
        LabError: neither.
    """
    if not source.is_dir():
        raise LabError(f"{source}: no such folder; give a run's, or step-... of its checkpoints")
    record = RunRecord(source)
    if not record.is_there:
        artifacts.read_manifest(source)
        return source
    for folder in all_checkpoints(record.checkpoints):
        with contextlib.suppress(DamagedArtifact):
            artifacts.read_manifest(folder)
            return folder
    raise LabError(f"run {record.run_id} has no checkpoint to go on from")


def _set_up_torch(plan: TrainingPlan) -> None:
    """Process-wide settings, all of them fields of the plan."""
    torch.set_num_threads(plan.compute.num_threads or 1)
    if plan.compute.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
