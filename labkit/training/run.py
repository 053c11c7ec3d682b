"""One training run from its plan to its result, in this process or in one of those that share it.

The same plan on the same data is the same folder: started again, it goes on from its newest good
checkpoint, and one that is finished only says so.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from labkit.core import artifacts, lock
from labkit.core.config import differences, hash_json, validate
from labkit.core.errors import LabError
from labkit.core.records.run import RUNNING, RunRecord, RunStatus, State, runs_folder
from labkit.plan.plan import TrainingPlan
from labkit.tokens.tokenizer import Tokenizer
from labkit.training.batches import StepBatches, TrainingData
from labkit.training.checkpoints.files import Checkpoint
from labkit.training.checkpoints.folder import load_checkpoint
from labkit.training.checkpoints.kept import newest_good, set_newer_aside
from labkit.training.checkpoints.state import (
    RunState,
    gather_state,
    held_bytes,
    restore_state,
    state_hashes,
)
from labkit.training.device import describe_device, find_device_facts
from labkit.training.evaluation import Evaluator
from labkit.training.module import TrainingModule
from labkit.training.optimizers.groups import group_rows
from labkit.training.recording import predictions, summary
from labkit.training.recording.recorder import Clock, Milestones, Recorder
from labkit.training.recording.silent_record import SilentRecord
from labkit.training.recording.tracking import Tracker
from labkit.training.settle import settle
from labkit.training.sharding.processes import Processes, join
from labkit.training.trainer import make_module, make_trainer, probe_step_seconds

Say = Callable[[str], None]
SECONDS_FOR_LAST_WORDS = 5.0


def run(
    plan: TrainingPlan,
    folder: Path | None = None,
    *,
    until: int | None = None,
    save_at: tuple[int, ...] = (),
    resume_from: Path | None = None,
    step_seconds: Sequence[float] = (),
    say: Say = print,
) -> RunStatus:
    """Train; returns how it ended. Every process of the plan's layout calls it.

    Args:
        folder: of the record; by default `runs/<run id>`.
        until: pause after this step.
        save_at: further steps to write a checkpoint after.
        resume_from: a checkpoint to start from, where the folder has none: of the same plan, but
            for its layout.
        step_seconds: of this plan's steps, where they were measured before; else they are probed.

    Raises:
        LabError: what cannot be read or had here, another process at work on the same run, or a
            checkpoint of another plan.
        KeyboardInterrupt: Ctrl-C, at once; the run goes on from its last checkpoint.
    """
    processes = join(plan.layout, plan.compute.device)
    facts = find_device_facts()
    processes.each(lambda: _refuse_missing_data(plan))
    plan = processes.first(lambda: settle(plan, facts))
    run_id = _agreed_run_id(plan, processes)
    where = folder or runs_folder() / run_id
    record = RunRecord(where) if processes.is_first else SilentRecord(where)
    if not processes.is_first:
        say = _say_nothing
    say(describe_device(plan.compute, facts, processes.num))
    with _held(record, processes):
        processes.first(lambda: _refuse_other_plan(record, plan))
        if processes.first(lambda: record.status().state == "finished"):
            say(f"{record.run_id} is finished; nothing to do")
            return record.status()
        try:
            one = _Run(plan, record, processes, facts.gpu_name, say)
            return one.go(until, save_at, resume_from, step_seconds)
        except (KeyboardInterrupt, SystemExit) as error:
            if _is_ctrl_c(error):
                record.set_status("interrupted", record.status().step, "Ctrl-C")
                raise KeyboardInterrupt from None
            record.set_status("interrupted", record.status().step, "signal SIGTERM at the start")
            return record.status()
        except BaseException as error:
            record.set_status("failed", record.status().step, _reason(error, processes))
            if not processes.is_first:
                _let_the_first_speak(record)
            raise


def _is_ctrl_c(error: KeyboardInterrupt | SystemExit) -> bool:
    """Lightning exits on Ctrl-C, and on SIGTERM before the recorder listens."""
    return isinstance(error, KeyboardInterrupt) or isinstance(error.__context__, KeyboardInterrupt)


def _reason(error: BaseException, processes: Processes) -> str:
    line = (str(error) or type(error).__name__).splitlines()[0][:300]
    if processes.num > 1 and isinstance(error, RuntimeError) and "onnection" in line:
        return f"another process of the run ended; see its output in logs/ ({line[:120]})"
    return line


def _refuse_missing_data(plan: TrainingPlan) -> None:
    """Before anything is measured on it."""
    plan.inputs()


def _agreed_run_id(plan: TrainingPlan, processes: Processes) -> str:
    """Raises LabError where data is missing, or another than the first process has."""
    found: list[str] = []
    processes.each(lambda: found.append(plan.run_id))
    for rank, other in enumerate(processes.from_all(found[0])):
        if other != found[0]:
            raise LabError(
                f"process {rank} reads other data or another tokenizer than process 0 under the "
                "same names; give all of them the same LABKIT_HOME, on a disk that they share"
            )
    return found[0]


def _let_the_first_speak(record: RunRecord) -> None:
    """torchrun ends all processes when one has ended; the first may be writing why."""
    deadline = time.monotonic() + SECONDS_FOR_LAST_WORDS
    while record.status().state in RUNNING and time.monotonic() < deadline:
        time.sleep(0.1)


@contextlib.contextmanager
def _held(record: RunRecord, processes: Processes) -> Iterator[None]:
    """The first process holds the run for all of them."""
    with contextlib.ExitStack() as held:
        holding = lock.hold(record.lock_file, f"run {record.run_id}")
        processes.first(lambda: held.enter_context(holding))
        yield


def _say_nothing(_line: str) -> None:
    pass


class _Run:
    """What one process holds while it trains."""

    def __init__(
        self,
        plan: TrainingPlan,
        record: RunRecord,
        processes: Processes,
        gpu_name: str,
        say: Say,
    ):
        self.plan, self.record, self.gpu_name, self.say = plan, record, gpu_name, say
        self.processes = processes
        _set_up_torch(plan)
        self.memory_before = predictions.memory_before(plan.compute.device)
        self.data = TrainingData(plan)
        self.evaluator = Evaluator(
            self.data.validation,
            Tokenizer.load(artifacts.home() / plan.data.tokenizer / "tokenizer.json"),
            plan.evaluation,
            plan.sequence_length,
            plan.micro_batch,
        )

    def go(
        self,
        until: int | None,
        save_at: tuple[int, ...],
        resume_from: Path | None,
        step_seconds: Sequence[float],
    ) -> RunStatus:
        plan, record, processes = self.plan, self.record, self.processes
        state, source = self._find_state(resume_from)
        processes.first(self._open)
        processes.each(self._see_record)
        if processes.first(lambda: record.read("predictions") is None):
            probed = step_seconds or probe_step_seconds(plan, self.data, processes)
            record.write("predictions", predictions.predict(plan, probed, self.gpu_name))
        module, run = make_module(plan, processes), RunState()
        loss_scale: dict[str, Any] = {}
        if state is not None:
            restore_state(state, module, run)
            loss_scale = state["progress"]["loss_scale"]
            del state
        processes.first(lambda: record.cut_after(module.facts.step))
        tracked = plan if processes.is_first else plan.with_overrides({"tracking": "off"})
        recorder = Recorder(
            plan,
            record,
            run,
            self.evaluator,
            Tracker(tracked, record),
            Milestones.of(plan, until or plan.num_steps, save_at),
            self.data.samples,
            Clock.going_on(record.rows("step")),
        )
        recorder.say = self.say
        self._say_start(module, source)
        recorder.event(module.facts.step, f"start{f' from {source}' if source else ''}")
        record.set_status("running", module.facts.step)
        self._fit(module, recorder, loss_scale)
        return self._finish(module, run, recorder)

    def _fit(self, module: TrainingModule, recorder: Recorder, loss_scale: dict[str, Any]) -> None:
        first, last = module.facts.step, self.plan.num_steps
        if first == last:
            return  # a process before this one ended between its last step and its result
        trainer = make_trainer(self.plan, last - first, recorder, self.processes)
        if loss_scale:
            trainer.precision_plugin.load_state_dict(loss_scale)
        trainer.fit(module, StepBatches(self.data, first, last, self.processes))

    def _find_state(self, resume_from: Path | None) -> tuple[Checkpoint | None, str]:
        """Verified by the first process, read by all."""
        folder = self.processes.first(self._newest_good)
        if folder is not None:
            if resume_from is not None:
                self.say(f"this run has {folder.name} of its own; {resume_from} is left alone")
            return load_checkpoint(folder, self.plan, verify=False), folder.name
        if resume_from is None:
            return None, ""
        if not resume_from.is_dir():
            raise LabError(f"{resume_from}: no such checkpoint; give a folder step-... of a run")
        self.processes.first(lambda: artifacts.read_manifest(resume_from) and None)
        state = load_checkpoint(resume_from, self.plan, of_any_layout=True, verify=False)
        return state, str(resume_from)

    def _newest_good(self) -> Path | None:
        folder, _, passed_over = newest_good(self.record.checkpoints, self.plan)
        for reason in passed_over:
            self.say(f"passed over a damaged checkpoint: {reason}")
            self.record.log(f"passed over a damaged checkpoint: {reason}")
        set_newer_aside(self.record.checkpoints, folder)
        return folder

    def _see_record(self) -> None:
        if not self.record.is_there:
            raise LabError(
                f"{self.record.folder} of the first process is not seen here; put LABKIT_HOME on a "
                "disk that all processes share"
            )

    def _open(self) -> None:
        if not self.record.log_file.is_file():
            self._open_record()
        self.record.take_request()  # one that a process before this one never saw
        self.record.set_status("starting", 0)

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

    def _say_start(self, module: TrainingModule, source: str) -> None:
        plan = self.plan
        self.say(f"run {self.record.run_id}{f', from {source}' if source else ''}")
        for row in group_rows(module.groups):
            self.say("  " + ", ".join(f"{key} {value}" for key, value in row.items()))
        self.say(f"{plan.num_steps:,} steps of {plan.tokens_per_step:,} tokens")

    def _finish(self, module: TrainingModule, run: RunState, recorder: Recorder) -> RunStatus:
        """The last words of a process; of a finished run also its result."""
        plan, record, step = self.plan, self.record, module.facts.step
        state, reason = recorder.outcome or _natural_end(plan, step)
        ending = f"{state}: {reason}" if reason else state
        found: dict[str, Any] = {}
        hashes = self._hashes(module, run)
        held = self.processes.from_all(held_bytes(module))

        def write_the_end() -> RunStatus:
            recorder.flush()
            record.write("processes", held)
            if state == "finished":
                found.update(summary.result(plan, record, module, hashes))
                record.write("result", found)
                clock, before = recorder.clock, self.memory_before
                record.write("timing", summary.timing(plan, record, clock, before, self.gpu_name))
            synced = recorder.tracker.finish(found, state)
            recorder.event(step, ending)
            recorder.flush()
            record.set_status(state, step, reason)
            self.say(f"{ending} (step {step:,})")
            if synced:
                self.say(synced)
            return record.status()

        return self.processes.first(write_the_end)  # torchrun would end it when others end

    def _hashes(self, module: TrainingModule, run: RunState) -> dict[str, str]:
        """Of the state; of several processes a hash over theirs, in order."""
        found = self.processes.from_all(state_hashes(gather_state(module, run, {})))
        if len(found) == 1:
            return found[0]
        return {name: hash_json([one[name] for one in found]) for name in found[0]}


def _natural_end(plan: TrainingPlan, step: int) -> tuple[State, str]:
    """`failed` is left to runs that diverged: an end that nobody can explain says nothing of the
    plan.
    """
    if step != plan.num_steps:
        raise RuntimeError(
            f"the trainer ended at step {step:,} of {plan.num_steps:,} for no known reason"
        )
    return "finished", ""


def _refuse_other_plan(record: RunRecord, plan: TrainingPlan) -> None:
    there = record.read("plan")
    if there is not None and (changed := differences(validate(TrainingPlan, there), plan)):
        raise LabError(
            f"{record.folder} holds the run of another plan, different in {', '.join(changed)}; "
            "give another folder"
        )


def _set_up_torch(plan: TrainingPlan) -> None:
    """Process-wide settings, all of them fields of the plan."""
    torch.set_num_threads(plan.compute.num_threads or 1)
    if plan.compute.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
