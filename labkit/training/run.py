"""One training run from its plan to its result, in this process or in one of those that share it.

The same plan on the same data is the same folder: started again, it goes on from its newest good
checkpoint, and one that is finished only says so. Here processes agree on what they run and who
holds it, and a failure becomes a reason; what happens in between is in `run_at_work.py`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from labkit.core import disk, lock
from labkit.core.errors import LabError, RunFailed
from labkit.core.records.run import RUNNING, RunRecord, RunStatus, runs_folder
from labkit.plan.plan import TrainingPlan
from labkit.training.amendments import amend
from labkit.training.device import describe_device, find_device_facts
from labkit.training.fits import refuse_too_large
from labkit.training.next_token import NextToken
from labkit.training.objective import MakeObjective
from labkit.training.recording.silent_record import SilentRecord
from labkit.training.run_at_work import RunAtWork, Say
from labkit.training.settle import settle
from labkit.training.sharding.processes import Processes, join, num_local

SECONDS_FOR_LAST_WORDS = 5.0


def run(
    plan: TrainingPlan,
    folder: Path | None = None,
    *,
    until: int | None = None,
    save_at: tuple[int, ...] = (),
    resume_from: Path | None = None,
    step_seconds: Sequence[float] = (),
    allowed: tuple[str, ...] = (),
    force: bool = False,
    make_objective: MakeObjective = NextToken,
    say: Say = print,
) -> RunStatus:
    """Train; returns how it ended. Every process of the plan's layout calls it.

    Args:
        folder: of the record; by default `runs/<run id>`.
        until: pause after this step.
        save_at: further steps to write a checkpoint after.
        resume_from: a checkpoint, or a run's folder for its newest one, to go on from where the
            folder has none: of the same plan, but for its layout, or for its length where the
            learning rates agree up to there.
        step_seconds: of this plan's steps, where they were measured before; else they are probed.
        allowed: dotted fields that may differ from the plan before although they can change the
            result, and "source" for labkit's own code; what changed is in `amendments.json`.
        force: start a plan that the closed form of memory says cannot fit.
        make_objective: what is minimized, made once on every process. One that is not the plan's
            next token needs a folder of its own.

    Raises:
        RunFailed: the run had begun and cannot go on.
        LabError: what cannot be read or had here, another process at work on the same run, or a
            checkpoint of another plan.
        KeyboardInterrupt: Ctrl-C, after the step and a checkpoint; a second one, at once.
    """
    if make_objective is not NextToken and folder is None:
        raise LabError("an objective of its own needs a folder of its own; give one to run()")
    processes = join(plan.layout, plan.compute.device)
    facts = find_device_facts()
    processes.each(lambda: _refuse_missing_data(plan))
    plan = processes.first(lambda: settle(plan, facts))
    if not force:
        processes.each(lambda: refuse_too_large(plan, num_local()))
    run_id = _agreed_run_id(plan, processes)
    where = folder or runs_folder() / run_id
    record = RunRecord(where) if processes.is_first else SilentRecord(where)
    if not processes.is_first:
        say = _say_nothing
    say(describe_device(plan.compute, facts, processes.num))
    with _held(record, processes):
        for line in processes.first(lambda: amend(record, plan, allowed)):
            say(f"changed since the run began: {line}")
        if processes.first(lambda: record.status().state == "finished"):
            say(f"{record.run_id} is finished; nothing to do")
            return record.status()
        try:
            one = RunAtWork(plan, record, processes, facts.gpu_name, say, make_objective)
            status = one.go(until, save_at, resume_from, step_seconds, allowed)
        except (KeyboardInterrupt, SystemExit) as error:
            if _is_ctrl_c(error):
                record.set_status("interrupted", record.status().step, "Ctrl-C")
                raise KeyboardInterrupt from None
            record.set_status("interrupted", record.status().step, "signal SIGTERM at the start")
            return record.status()
        except BaseException as error:
            had_begun = record.status().state == "running"
            with contextlib.suppress(LabError):  # a full disk: what failed is said all the same
                record.set_status("failed", record.status().step, _reason(error, processes))
            if not processes.is_first:
                _let_the_first_speak(record)
            if had_begun and isinstance(error, LabError):
                raise RunFailed(str(error)) from error
            raise
    if synced := one.tracking():  # the run is over and released: only this process still waits
        say(synced)
    if status.reason == "signal SIGINT":
        raise KeyboardInterrupt  # it was meant for the caller too
    return status


def _is_ctrl_c(error: KeyboardInterrupt | SystemExit) -> bool:
    """Lightning exits on Ctrl-C, and on SIGTERM before the recorder listens."""
    return isinstance(error, KeyboardInterrupt) or isinstance(error.__context__, KeyboardInterrupt)


def _reason(error: BaseException, processes: Processes) -> str:
    line = (str(error) or type(error).__name__).splitlines()[0][:300]
    if processes.num > 1 and isinstance(error, RuntimeError) and "onnection" in line:
        return f"another process of the run ended; see its output in logs/ ({line[:120]})"
    if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in line:
        return (
            "out of memory: give data.micro_batch less, layout.recompute=full or more processes; "
            f"`python -m labkit.training.dry_run` says what a plan takes ({line[:120]})"
        )
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
    """The first process holds the run for all of them.

    A run whose process died counts as running from here on, so what was asked of that one goes now:
    later it could be what is asked of this one.
    """
    with contextlib.ExitStack() as held:

        def take_hold() -> None:
            held.enter_context(lock.hold(record.lock_file, f"run {record.run_id}"))
            record.take_request()
            disk.sweep(record.folder)  # what a process that was killed was writing

        processes.first(take_hold)
        yield


def _say_nothing(_line: str) -> None:
    pass
