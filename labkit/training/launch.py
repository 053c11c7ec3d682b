"""Start a run in a process group of its own, and speak to it through its folder.

A run outlives the kernel that started it. Whoever knows its id can attach, from any process: the
record is all there is to follow, and `control.json` all there is to ask with.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from labkit.core.detached import last_lines, start_detached
from labkit.core.errors import LabError
from labkit.core.machine import num_cores
from labkit.core.records.run import RUNNING, Request, RunRecord, RunStatus, open_run, runs_folder
from labkit.plan.plan import TrainingPlan
from labkit.training.__main__ import EXIT_STATUS_FILE
from labkit.training.amendments import amend
from labkit.training.settle import settle
from labkit.training.watch import seconds_without_news

SECONDS_TO_START = 300.0
POLL_SECONDS = 0.1
SECONDS_OF_SILENCE = 40.0
"""After which it is said that there is no news of a run."""
TIME_TO_SAVE = {"TORCH_ELASTIC_SHUTDOWN_TIMEOUT": "600", "OMP_NUM_THREADS": "1"}
"""Seconds between SIGTERM and torchrun's SIGKILL, 30 by default; and no word of torchrun's on
threads, which a plan settles."""
MOST_ON_ANY_MACHINE = 8


class Run:
    """A handle on a run, whoever started it."""

    def __init__(self, record: RunRecord):
        self.record = record

    def __repr__(self) -> str:
        return f"<run {self.run_id}: {self.status().state}>"

    @property
    def run_id(self) -> str:
        return self.record.run_id

    @property
    def plan(self) -> TrainingPlan:
        return TrainingPlan.model_validate(self.record.read("plan"))

    def status(self) -> RunStatus:
        return self.record.status()

    @property
    def is_running(self) -> bool:
        return self.status().state in RUNNING

    def pause(self) -> None:
        """Ask for a checkpoint and an end; `resume` goes on from there."""
        self._ask("pause")

    def stop(self) -> None:
        """Ask for a checkpoint and an end for good; `resume` still would go on."""
        self._ask("stop")

    def evaluate(self) -> None:
        """Ask for an evaluation between two steps, now; not in place of a pause or stop."""
        self._ask("evaluate")

    def begin(self, *flags: str) -> Run:
        """Start it where nobody has, or go on where it was cut off; leave alone what runs, is
        finished, or was paused or stopped by someone. `flags` are the trainer's own.
        """
        left_alone = ("finished", "paused", "stopped", *RUNNING)
        return self if self.status().state in left_alone else start(self.record, *flags)

    def resume(self) -> Run:
        """Go on from the newest good checkpoint, also after a pause or stop.

        Raises:
            LabError: it runs already.
        """
        if self.is_running:
            raise LabError(f"{self.run_id} is running")
        return start(self.record)

    def wait(
        self, say: Callable[[str], None] | None = None, every_seconds: float = 15.0
    ) -> RunStatus:
        """Until it ends; `say` gets a line now and then.

        Raises:
            LabError: it failed or died; with the end of its output.
        """
        said = time.monotonic()
        while (status := self.status()).state in RUNNING:
            time.sleep(POLL_SECONDS)
            if say and time.monotonic() - said >= every_seconds:
                said = time.monotonic()
                say(self.progress_line())
        if status.state in ("failed", "died"):
            raise LabError(
                f"run {self.run_id} {status.state}: {status.reason}\n{self.last_output()}"
            )
        return status

    def progress_line(self) -> str:
        last = self.record.last_row("step")
        if last is None:
            return f"{self.run_id}: {self.status().state}"
        total, silent = self.plan.num_steps, self.seconds_without_news()
        loss = "NaN" if last["loss"] is None else f"{last['loss']:.4f}"
        left = last["seconds"] / self.record.num_steps() * (total - last["step"])
        return (
            f"{self.run_id}: step {last['step']:,} of {total:,}, loss {loss}, "
            f"about {left:.0f} s left"
            + (f"; no news for {silent:.0f} s" if silent > SECONDS_OF_SILENCE else "")
        )

    def seconds_without_news(self) -> float:
        """Since any of its processes said that it lives; 0 of a run that has not begun."""
        return seconds_without_news(self.record.folder) or 0.0

    def last_output(self, num_lines: int = 15) -> str:
        return last_lines(self.record.console, num_lines)

    def _ask(self, request: Request) -> None:
        if not self.is_running:
            raise LabError(f"{self.run_id} is not running ({self.status().state})")
        self.record.ask(request)


def prepare(plan: TrainingPlan, folder: Path | None = None) -> Run:
    """The plan's run, settled and written down, waiting to begin; one that is there with what may
    change of a plan as it is given now.
    """
    plan.inputs()  # refused at once, before anything is measured
    settled = settle(plan)
    record = RunRecord(folder or runs_folder() / settled.run_id)
    if not record.is_there:
        record.write("plan", settled.model_dump(mode="json"))
        record.set_status("waiting", 0)
    elif record.status().state not in RUNNING:
        amend(record, settled)
    return Run(record)


def launch(plan: TrainingPlan, processes: int | None = None, *, folder: Path | None = None) -> Run:
    """Train the plan in processes of its own; returns when they are at work. See `Run.begin`.

    Args:
        processes: how many; by default as many as the plan's layout has.

    Raises:
        ConfigError: the plan cannot be shared by so many.
    """
    return prepare(on_processes(plan, processes), folder).begin()


def on_processes(plan: TrainingPlan, processes: int | None) -> TrainingPlan:
    """The plan with as many data-parallel groups as make up that many processes."""
    layout = plan.layout
    if processes is None or processes == layout.num_processes:
        return plan
    if processes < 1 or processes % layout.tensor_parallel:
        raise LabError(
            f"{processes} processes are no whole number of groups of layout.tensor_parallel="
            f"{layout.tensor_parallel}; give a multiple"
        )
    return plan.with_overrides({"layout.data_parallel": processes // layout.tensor_parallel})


def train_in_front(plan: TrainingPlan, *flags: str) -> int:
    """All processes of the plan on this machine, until they end; what they print is shown.

    SIGTERM and Ctrl-C make them end with a checkpoint. `flags` are the trainer's own. Returns the
    exit status that one process would have.
    """
    record = prepare(plan).record
    arguments = [sys.executable, *trainer_arguments(record), *flags]
    signals: list[int] = []
    handlers = {
        number: signal.signal(number, lambda number, _: signals.append(number))
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
    }
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "status"
        environment = os.environ | TIME_TO_SAVE | {EXIT_STATUS_FILE: str(told)}
        try:
            process = subprocess.Popen(arguments, start_new_session=True, env=environment)
            while process.poll() is None:
                if signals.count(signal.SIGINT) > 1:  # a second Ctrl-C: at once
                    os.killpg(process.pid, signal.SIGKILL)
                if signals and record.status().state == "running":
                    record.ask("pause")  # again and again: a start takes away what was asked before
                time.sleep(POLL_SECONDS)
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        exit_status = int(told.read_text()) if told.is_file() else process.returncode or 1
    has_paused = exit_status == 0 and record.status().state != "finished"
    return 128 + signals[0] if signals and has_paused else exit_status


def trainer_arguments(record: RunRecord) -> list[str]:
    """Python's: the trainer on this machine, through torchrun if it has several processes.

    Raises:
        LabError: more of them than the machine could want.
    """
    num_processes = Run(record).plan.layout.num_processes
    if num_processes > max(MOST_ON_ANY_MACHINE, num_cores()):
        raise LabError(
            f"the plan is for {num_processes} processes, this machine has {num_cores()} cores; "
            "give layout.data_parallel fewer, or `labkit slurm` for a cluster"
        )
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    several = [*torchrun, str(num_processes)] if num_processes > 1 else []
    plan_file = str(record.folder / "plan.json")
    return [*several, "-m", "labkit.training", plan_file, "--folder", str(record.folder)]


def attach(run_id: str) -> Run:
    """The run of that id.

    Raises:
        LabError: there is none; names those that are there.
    """
    return Run(open_run(run_id))


def start(record: RunRecord, *flags: str) -> Run:
    """Start the processes and wait until the first holds the run, or they have ended. `flags` are
    the trainer's own.

    Raises:
        LabError: it ended before that, or is not so far after `SECONDS_TO_START`; with its output.
    """
    begin = record.console.stat().st_size if record.console.exists() else 0
    process = start_detached([*trainer_arguments(record), *flags], record.console, TIME_TO_SAVE)
    deadline = time.monotonic() + SECONDS_TO_START
    run = Run(record)
    while not run.is_running and process.poll() is None:
        if time.monotonic() > deadline:
            raise LabError(
                f"run {record.run_id} has not begun after {SECONDS_TO_START:g} s, but its process "
                f"{process.pid} is there: attach to the run by its id when it has, or end the "
                f"process. It said:\n{_said(record, begin) or 'nothing'}"
            )
        time.sleep(POLL_SECONDS)
    if process.poll() not in (None, 0):
        raise LabError(f"run {record.run_id} did not start:\n{_said(record, begin)}")
    return run


def _said(record: RunRecord, begin: int) -> str:
    """The end of what it printed after so many bytes."""
    return record.console.read_bytes()[begin:].decode("utf-8", "replace").strip()[-2000:]
