"""Several jobs, at most one per core: a line when one starts and ends, and which are at work."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait

from labkit.batch.execute import Limits, execute
from labkit.batch.index import write_index
from labkit.batch.job import Job, reports_folder
from labkit.batch.publish import REPORT, STATUS, publish_interrupted
from labkit.batch.status import Status
from labkit.core.errors import LabError
from labkit.core.machine import num_cores
from labkit.core.records.decision import choose_decision

EVERY_SECONDS = 120.0


def run_jobs(
    jobs: Sequence[Job], limits: Limits, *, num_workers: int | None = None, force: bool = False
) -> list[str]:
    """Run what isn't done yet and write the index; of each job that did not finish, a line on why.

    Threads only wait: each job is a process of its own. Ctrl-C ends the jobs that run, keeps their
    notebooks as far as they came, and starts no other.
    """
    different = {job.key: job for job in jobs}.values()
    waiting = list(_not_done(different, force))
    publish_interrupted()
    stop = threading.Event()
    num_threads = min(num_workers or num_cores(), len(waiting) or 1)
    with ThreadPoolExecutor(num_threads) as pool:
        running = {pool.submit(_run_one, job, limits, stop): job for job in waiting}
        try:
            _tell_what_runs(running)
            outcomes = [future.result() for future in running]
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise
        finally:
            print(f"reports: {write_index()}", flush=True)
    return list(filter(None, outcomes))


def _tell_what_runs(running: dict[Future[str | None], Job]) -> None:
    """A line every `EVERY_SECONDS` until all are done or one raises."""
    started = time.monotonic()
    while wait(running, EVERY_SECONDS, FIRST_EXCEPTION).not_done:
        if any(future.done() and future.exception() for future in running):
            return
        names = ", ".join(_label(job) for future, job in running.items() if future.running())
        print(f"after {(time.monotonic() - started) / 60:.0f} min at work: {names}", flush=True)


def _not_done(jobs: Iterable[Job], force: bool) -> Iterable[Job]:
    for job in jobs:
        if not force and job.is_done:
            _choose_again(job)
            report = job.folder / REPORT
            print(f"{_label(job)}: done before, nothing changed; {report}", flush=True)
        else:
            yield job


def _choose_again(job: Job) -> None:
    """What the job decided is current again: those that come after it read `decision:NN`."""
    status = Status.model_validate_json((job.folder / STATUS).read_bytes())
    if status.decision:
        with contextlib.suppress(OSError):  # removed by hand: its reader says what is lacking
            choose_decision(status.decision)


def _run_one(job: Job, limits: Limits, stop: threading.Event) -> str | None:
    """Why the job did not finish, with its name."""
    print(f"{_label(job)}: started", flush=True)
    try:
        status = execute(job, limits, stop)
        completed, ending = status.state == "completed", _ending(status)
    except (LabError, OSError) as error:
        completed, ending = False, str(error)
    line = f"{_label(job)}: {ending}"
    print(line, flush=True)
    return None if completed else line


def _label(job: Job) -> str:
    parameters = ", ".join(f"{name}={value}" for name, value in job.parameters.items())
    return f"{job.name} ({parameters})" if parameters else job.name


def _ending(status: Status) -> str:
    folder = reports_folder() / (status.folder or "")
    outcome = f": {status.reason}; see {folder}" if status.reason else f"; {folder / REPORT}"
    return f"{status.state} in {status.seconds} s, {status.peak_memory_mb:.0f} MB{outcome}"
