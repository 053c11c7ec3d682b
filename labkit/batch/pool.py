"""Several jobs, at most one per core, with one line when each starts and ends."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from labkit.batch.execute import Limits, execute
from labkit.batch.index import write_index
from labkit.batch.job import Job
from labkit.batch.status import Status
from labkit.core.errors import LabError


def run_jobs(
    jobs: Sequence[Job], limits: Limits, *, num_workers: int | None = None, force: bool = False
) -> bool:
    """Run what isn't done yet and write the index; whether every job is done now.

    Threads only wait: each job is a process of its own.
    """
    waiting = list(_not_done(jobs, force))
    with ThreadPoolExecutor(min(num_workers or os.cpu_count() or 1, len(waiting) or 1)) as pool:
        outcomes = list(pool.map(lambda job: _run_one(job, limits), waiting))
    print(f"reports: {write_index()}", flush=True)
    return all(outcomes)


def _not_done(jobs: Sequence[Job], force: bool) -> Iterable[Job]:
    for job in jobs:
        if not force and job.is_done:
            print(f"{_label(job)}: done before, nothing changed", flush=True)
        else:
            yield job


def _run_one(job: Job, limits: Limits) -> bool:
    print(f"{_label(job)}: started", flush=True)
    try:
        status = execute(job, limits)
    except LabError as error:
        print(f"{_label(job)}: {error}", flush=True)
        return False
    print(f"{_label(job)}: {_ending(status)}", flush=True)
    return status.state == "completed"


def _label(job: Job) -> str:
    parameters = ", ".join(f"{name}={value}" for name, value in job.parameters.items())
    return f"{job.name} ({parameters})" if parameters else job.name


def _ending(status: Status) -> str:
    reason = f": {status.reason}; see reports/{status.folder}" if status.reason else ""
    return f"{status.state} in {status.seconds} s, {status.peak_memory_mb:.0f} MB{reason}"
