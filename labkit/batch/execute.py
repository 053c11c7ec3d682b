"""Run one job: a worker process, its limits and its memory, and what became of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from labkit.batch import status as statuses
from labkit.batch.job import Job, lock_file, running_folder
from labkit.batch.processes import end, family, resident_bytes
from labkit.batch.publish import LOG, NOTEBOOK, publish
from labkit.batch.status import State, Status
from labkit.core import artifacts, disk
from labkit.core.lock import hold

POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Limits:
    """Seconds a cell and a whole notebook may take."""

    cell_seconds: int
    notebook_seconds: int


@dataclass(frozen=True)
class Ending:
    state: State
    reason: str
    seconds: float
    peak_bytes: int


def execute(job: Job, limits: Limits, stop: threading.Event | None = None) -> Status:
    """Run the job; never raises for what goes wrong inside the notebook: the status says it.

    Raises:
        LabError: the same job runs already, or nothing can be written.
    """
    with hold(lock_file(job.folder), f"{job.notebook.name} with these parameters"):
        status = statuses.begin(job)
        scratch = running_folder(job.folder, status.run)
        scratch.mkdir()
        ending = _run_worker(job, limits, scratch, stop or threading.Event())
        status = status.model_copy(
            update={
                "state": ending.state,
                "reason": ending.reason,
                "seconds": round(ending.seconds, 1),
                "peak_memory_mb": round(ending.peak_bytes / 1e6),
            }
        )
        status = publish(status, scratch, job.inputs)
        shutil.rmtree(scratch, ignore_errors=True)
        return status


def _run_worker(job: Job, limits: Limits, scratch: Path, stop: threading.Event) -> Ending:
    request = {
        "notebook": str(job.notebook),
        "output": str(scratch / NOTEBOOK),
        "parameters": job.parameters,
        "cell_timeout": limits.cell_seconds,
        "cwd": os.getcwd(),
    }
    request_file = disk.write_json(scratch / "request.json", request)
    environment = os.environ | {"LABKIT_MODE": "batch", "LABKIT_HOME": str(artifacts.home())}
    started = time.monotonic()
    with (scratch / LOG).open("wb") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", "labkit.batch.worker", str(request_file)],
            env=environment,
            stdin=subprocess.PIPE,  # never written: its end tells the worker that we are gone
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for us: we end the worker and keep its notebook
        )
    seen: set[psutil.Process] = set()
    state: State = "interrupted"
    try:
        cut_short, peak_bytes = _watch(worker, limits.notebook_seconds, stop, seen)
        state, reason = cut_short or _outcome(scratch, worker.returncode)
        return Ending(state, reason, time.monotonic() - started, peak_bytes)
    finally:
        if state != "completed":
            end(seen | family(worker.pid))
        worker.wait()
        assert worker.stdin
        worker.stdin.close()


def _watch(
    worker: subprocess.Popen[bytes],
    limit_seconds: float,
    stop: threading.Event,
    seen: set[psutil.Process],
) -> tuple[tuple[State, str] | None, int]:
    """Wait for the worker; (why it must be ended, or None; peak memory of its family, bytes).

    `seen` gathers the family: what a run that did not succeed has started is ended with it, even
    when the kernel between them is gone.
    """
    deadline, peak_bytes = time.monotonic() + limit_seconds, 0
    while worker.poll() is None:
        members = family(worker.pid)
        seen |= members
        peak_bytes = max(peak_bytes, resident_bytes(members))
        if stop.wait(POLL_SECONDS):
            return ("interrupted", "the runner was stopped"), peak_bytes
        if time.monotonic() > deadline:
            reason = f"longer than {limit_seconds} s in all; run again, it goes on, or "
            return ("timed out", reason + "raise --timeout"), peak_bytes
    return None, peak_bytes


def _outcome(scratch: Path, exit_status: int) -> tuple[State, str]:
    try:
        outcome = json.loads((scratch / "outcome.json").read_text())
    except FileNotFoundError:
        return "failed", f"the worker process {_last_words(scratch / LOG, exit_status)}"
    return outcome["state"], outcome["reason"]


def _last_words(log: Path, exit_status: int) -> str:
    if exit_status < 0:
        return f"was killed by {signal.Signals(-exit_status).name} (out of memory, or by someone)"
    lines = log.read_text(errors="replace").strip().splitlines()
    return f"ended with status {exit_status}: {lines[-1][:200] if lines else 'no last words'}"
