"""Start a run in a process group of its own, and speak to it through its folder.

A run outlives the kernel that started it. Whoever knows its id can attach, from any process: the
record is all there is to follow, and `control.json` all there is to ask with.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from labkit.core.detached import last_lines, start_detached
from labkit.core.errors import LabError
from labkit.core.records.run import RUNNING, Request, RunRecord, RunStatus, open_run, runs_folder
from labkit.plan.plan import TrainingPlan
from labkit.training.settle import settle

SECONDS_TO_START = 60.0
POLL_SECONDS = 0.1


class Run:
    """A handle on a run, whoever started it."""

    def __init__(self, record: RunRecord):
        self.record = record

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
        """Ask for an evaluation between two steps, now."""
        self._ask("evaluate")

    def begin(self) -> Run:
        """Start it where nobody has, or go on where it was cut off; leave alone what runs, is
        finished, or was paused or stopped by someone.
        """
        left_alone = ("finished", "paused", "stopped", *RUNNING)
        return self if self.status().state in left_alone else start(self.record)

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
        steps = self.record.rows("step")
        if not steps:
            return f"{self.run_id}: {self.status().state}"
        last = steps[-1]
        total = self.plan.num_steps
        loss = "NaN" if last["loss"] is None else f"{last['loss']:.4f}"
        left = last["seconds"] / last["step"] * (total - last["step"])
        return (
            f"{self.run_id}: step {last['step']:,} of {total:,}, loss {loss}, "
            f"about {left:.0f} s left"
        )

    def last_output(self, num_lines: int = 15) -> str:
        return last_lines(self.record.console, num_lines)

    def _ask(self, request: Request) -> None:
        if not self.is_running:
            raise LabError(f"{self.run_id} is not running ({self.status().state})")
        self.record.ask(request)


def prepare(plan: TrainingPlan, folder: Path | None = None) -> Run:
    """The plan's run, settled and written down, waiting to begin; one that is there as it is."""
    settled = settle(plan)
    record = RunRecord(folder or runs_folder() / settled.run_id)
    if not record.is_there:
        record.write("plan", settled.model_dump(mode="json"))
        record.set_status("waiting", 0)
    return Run(record)


def launch(plan: TrainingPlan, folder: Path | None = None) -> Run:
    """Train the plan in a process of its own; returns when that is at work. See `Run.begin`."""
    return prepare(plan, folder).begin()


def processes_of(num_processes: int) -> list[str]:
    """Python's arguments that start the trainer on this machine, through torchrun if several."""
    module = ["-m", "labkit.training"]
    if num_processes == 1:
        return module
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    return [*torchrun, str(num_processes), *module]


def attach(run_id: str) -> Run:
    """The run of that id.

    Raises:
        LabError: there is none; names those that are there.
    """
    return Run(open_run(run_id))


def start(record: RunRecord) -> Run:
    """Start the process and wait until it holds the run, or has ended.

    Raises:
        LabError: it ended before that; with its output.
    """
    begin = record.console.stat().st_size if record.console.exists() else 0
    plan_file = record.folder / "plan.json"
    num_processes = Run(record).plan.layout.num_processes
    arguments = [*processes_of(num_processes), str(plan_file), "--folder", str(record.folder)]
    process = start_detached(arguments, record.console)
    deadline = time.monotonic() + SECONDS_TO_START
    run = Run(record)
    while not run.is_running and time.monotonic() < deadline:
        if process.poll() is not None:
            break
        time.sleep(POLL_SECONDS)
    if process.poll() not in (None, 0):
        output = record.console.read_bytes()[begin:].decode("utf-8", "replace").strip()
        raise LabError(f"run {record.run_id} did not start:\n{output[-2000:]}")
    return run
