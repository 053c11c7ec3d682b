"""A run's folder, written whole: the completed one under the job's key, a failed one beside it.

A runner that is killed leaves a run that says 'running' and a folder with the notebook as far as
it came. The next runner sees that nobody holds the job's lock and publishes it as interrupted.
"""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from labkit.batch import status as statuses
from labkit.batch.job import beside, job_folder, lock_file, reports_folder, running_folder
from labkit.batch.report import write_report
from labkit.batch.status import Status
from labkit.core import artifacts, disk
from labkit.core.lock import HeldLock, hold, is_held

NOTEBOOK, REPORT, STATUS, LOG = "notebook.ipynb", "report.html", "status.json", "worker.log"


def publish(status: Status, scratch: Path, inputs: Mapping[str, str]) -> Status:
    """Publish what is in `scratch`; the status as it is recorded, with folder and decision."""
    notebook = scratch / NOTEBOOK
    status = status.model_copy(update={"decision": _recorded_decision(notebook)})
    if notebook.is_file():
        status = _with_report(status, scratch)
    folder = job_folder(status.notebook, status.key)
    if status.state != "completed":
        folder = beside(folder, f"failed-{status.run}")
    elif folder.exists():  # run again on demand: what was there stays beside it
        folder.rename(beside(folder, f"before-{status.run}"))
    relative = folder.relative_to(reports_folder()).as_posix()
    status = status.model_copy(update={"folder": relative})
    kept = (NOTEBOOK, REPORT) if status.state == "completed" else (NOTEBOOK, REPORT, LOG)
    with artifacts.write_artifact(folder, inputs=inputs) as temporary:
        disk.write_json(temporary / STATUS, status.model_dump(mode="json"))
        for name in kept:
            if (scratch / name).is_file():
                shutil.copyfile(scratch / name, temporary / name)
    statuses.save(status)
    return status


def publish_interrupted() -> None:
    """Publish the runs whose runner is gone."""
    for status in statuses.all_statuses():
        folder = job_folder(status.notebook, status.key)
        if status.state != "running" or is_held(lock_file(folder)):
            continue
        # Another runner may be publishing it at this moment: then there is nothing to do here.
        with contextlib.suppress(HeldLock), hold(lock_file(folder), status.notebook):
            scratch = running_folder(folder, status.run)
            reason = "the runner ended before the notebook did"
            interrupted = status.model_copy(update={"state": "interrupted", "reason": reason})
            statuses.save(_published(folder, status.run) or publish(interrupted, scratch, {}))
            shutil.rmtree(scratch, ignore_errors=True)


def _published(folder: Path, run: int) -> Status | None:
    """The status in a folder that the runner had published before it was killed."""
    for candidate in (folder, beside(folder, f"failed-{run}")):
        if artifacts.exists(candidate):
            status = Status.model_validate_json((candidate / STATUS).read_bytes())
            if status.run == run:
                return status
    return None


def _with_report(status: Status, scratch: Path) -> Status:
    """The status, with the report written. A notebook that cannot be shown is still kept."""
    try:
        write_report(scratch / NOTEBOOK, scratch / REPORT, status)
    except Exception as error:  # whatever an output may hold that our renderer did not expect
        problem = f"no report: {type(error).__name__}: {str(error)[:200]}"
        reason = f"{status.reason}; {problem}" if status.reason else problem
        state = "failed" if status.state == "completed" else status.state
        return status.model_copy(update={"state": state, "reason": reason})
    return status


def _recorded_decision(notebook: Path) -> str | None:
    """The folder that the notebook's decision cell prints: what *this* run recorded.

    Pointers and modification times could belong to another run at the same moment.
    """
    if not notebook.is_file():
        return None
    found = re.findall(r"recorded: (\w+/[0-9a-f]{16})", notebook.read_text("utf-8", "replace"))
    return found[-1] if found else None
