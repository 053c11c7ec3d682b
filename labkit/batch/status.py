"""What became of a run, in our own words: papermill's metadata calls a dead kernel 'completed'.

`reports/runs/000007.json` is run number 7. The number is taken by creating the file exclusively,
so that runs are ordered by it and never by a clock.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from labkit.batch.job import Job, reports_folder
from labkit.core.disk import write_json
from labkit.core.errors import LabError

State = Literal["running", "completed", "failed", "kernel died", "timed out", "interrupted"]


class Status(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    run: int
    notebook: str
    key: str
    parameters: dict[str, Any]
    state: State
    reason: str = ""
    seconds: float | None = None
    peak_memory_mb: float | None = None
    decision: str | None = None
    folder: str | None = None
    """Where notebook and report are, relative to the reports folder."""


def begin(job: Job) -> Status:
    """Take the next run number and write the status 'running'."""
    runs = reports_folder() / "runs"
    try:
        runs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LabError(f"cannot write {runs} ({error.strerror}); set LABKIT_HOME") from error
    number = max((int(path.stem) for path in runs.glob("[0-9]*.json")), default=0) + 1
    while True:
        try:
            os.close(os.open(_path(number), os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            break
        except FileExistsError:
            number += 1
    status = Status(
        run=number, notebook=job.name, key=job.key, parameters=job.parameters, state="running"
    )
    save(status)
    return status


def save(status: Status) -> None:
    write_json(_path(status.run), status.model_dump(mode="json"))


def all_statuses() -> list[Status]:
    """In the order of runs; a file that a killed process left empty is passed over."""
    found = []
    for path in sorted((reports_folder() / "runs").glob("[0-9]*.json")):
        try:
            found.append(Status.model_validate_json(path.read_bytes()))
        except ValidationError:
            continue
    return found


def _path(number: int) -> Path:
    return reports_folder() / "runs" / f"{number:06d}.json"
