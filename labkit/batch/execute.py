"""Run one job: worker process, limits, memory, status, and its folder written whole."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from labkit.batch import status as statuses
from labkit.batch.job import Job, lock, reports_folder
from labkit.batch.report import write_report
from labkit.batch.status import State, Status
from labkit.core import artifacts

NOTEBOOK, REPORT, STATUS = "notebook.ipynb", "report.html", "status.json"
POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Limits:
    """Seconds a cell and a whole notebook may take."""

    cell_seconds: int = 900
    notebook_seconds: int = 3600


def execute(job: Job, limits: Limits) -> Status:
    """Run the job; never raises for what goes wrong inside the notebook: the status says it.

    Raises:
        LabError: the same job runs already, or nothing can be written.
    """
    with lock(job), _scratch(job) as scratch:
        status = statuses.begin(job)
        started = time.monotonic()
        state, reason, peak_bytes = _run_worker(job, limits, scratch)
        status = status.model_copy(
            update={
                "state": state,
                "reason": reason,
                "seconds": round(time.monotonic() - started, 1),
                "peak_memory_mb": round(peak_bytes / 1e6),
                "decision": _recorded_decision(scratch / NOTEBOOK),
            }
        )
        folder = job.folder if state == "completed" else job.failed_folder(status.run)
        relative = folder.relative_to(reports_folder()).as_posix()
        status = status.model_copy(update={"folder": relative})
        _publish(scratch, folder, status, job)
        statuses.save(status)
        return status


def _run_worker(job: Job, limits: Limits, scratch: Path) -> tuple[State, str, int]:
    request = {
        "notebook": str(job.notebook),
        "output": str(scratch / NOTEBOOK),
        "parameters": job.parameters,
        "cell_timeout": limits.cell_seconds,
        "cwd": os.getcwd(),
    }
    request_file = artifacts.write_json(scratch / "request.json", request)
    environment = os.environ | {"LABKIT_MODE": "batch", "LABKIT_HOME": str(artifacts.home())}
    with (scratch / "worker.log").open("wb") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", "labkit.batch.worker", str(request_file)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    in_time, peak_bytes = _watch(worker, limits.notebook_seconds)
    if not in_time:
        return "timed out", f"longer than {limits.notebook_seconds} s in all", peak_bytes
    try:
        outcome = json.loads((scratch / "outcome.json").read_text())
    except FileNotFoundError:
        lines = (scratch / "worker.log").read_text(errors="replace").strip().splitlines()
        why = lines[-1][:200] if lines else f"exit status {worker.returncode}"
        return "failed", f"the worker process ended without an outcome: {why}", peak_bytes
    return outcome["state"], outcome["reason"], peak_bytes


def _watch(worker: subprocess.Popen[bytes], limit_seconds: float) -> tuple[bool, int]:
    """Wait for the worker; (finished in time, peak memory of it and its kernel in bytes)."""
    deadline, peak = time.monotonic() + limit_seconds, 0
    try:
        while worker.poll() is None:
            peak = max(peak, _tree_bytes(worker.pid))
            if time.monotonic() > deadline:
                return False, peak
            time.sleep(POLL_SECONDS)
        return True, peak
    finally:
        _kill_tree(worker)


def _tree_bytes(pid: int) -> int:
    total = 0
    for process in _tree(pid):
        try:
            total += process.memory_info().rss
        except psutil.Error:
            continue
    return total


def _kill_tree(worker: subprocess.Popen[bytes]) -> None:
    """The kernel is in a session of its own: killing the worker's group would miss it."""
    for process in _tree(worker.pid):
        try:
            process.kill()
        except psutil.Error:
            continue
    worker.wait()


def _tree(pid: int) -> list[psutil.Process]:
    try:
        root = psutil.Process(pid)
        return [*root.children(recursive=True), root]
    except psutil.Error:
        return []


@contextmanager
def _scratch(job: Job) -> Iterator[Path]:
    artifacts.sweep(job.folder.parent)
    scratch = artifacts.temporary_beside(job.folder)
    scratch.mkdir(parents=True)
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _publish(scratch: Path, folder: Path, status: Status, job: Job) -> None:
    output = scratch / NOTEBOOK
    if folder.exists():  # run again on demand: what was there stays beside it
        folder.rename(folder.with_name(f"{folder.name}.before-{status.run}"))
    with artifacts.write_artifact(folder, inputs=job.inputs) as temporary:
        artifacts.write_json(temporary / STATUS, status.model_dump(mode="json"))
        if output.is_file():
            write_report(output, temporary / REPORT, status)
            shutil.copyfile(output, temporary / NOTEBOOK)
        log = scratch / "worker.log"
        if status.state != "completed" and log.is_file():
            shutil.copyfile(log, temporary / "worker.log")


def _recorded_decision(notebook: Path) -> str | None:
    """The folder that the notebook's decision cell prints: what *this* run recorded.

    Pointers and modification times could belong to another run at the same moment.
    """
    if not notebook.is_file():
        return None
    found = re.findall(r"recorded: (\w+/[0-9a-f]{16})", notebook.read_text("utf-8", "replace"))
    return found[-1] if found else None
