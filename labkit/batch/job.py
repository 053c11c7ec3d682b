"""One notebook with its parameters: its identity, its folders, and the lock on it.

The key is a hash of the notebook's bytes, the parameters, what the config reads from disk, and
labkit's own source: a job whose folder is whole has been done and is not done again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from labkit.batch.parameters import Notebook, check_parameters, read_notebook
from labkit.core import artifacts, provenance
from labkit.core.config import hash_json
from labkit.core.errors import LabError


def reports_folder() -> Path:
    return artifacts.home() / "reports"


@dataclass(frozen=True)
class Job:
    notebook: Path
    parameters: dict[str, Any]
    inputs: dict[str, str]
    key: str

    @property
    def name(self) -> str:
        return artifacts.slug(self.notebook.stem)

    @property
    def folder(self) -> Path:
        return reports_folder() / self.name / self.key

    def failed_folder(self, run: int) -> Path:
        return reports_folder() / self.name / f"{self.key}.failed-{run}"

    @property
    def is_done(self) -> bool:
        """Whether the job's folder is there; it is verified on the way.

        Raises:
            DamagedArtifact: naming the file and what to do.
        """
        if not artifacts.exists(self.folder):
            return False
        artifacts.read_manifest(self.folder)
        return True


def make_job(notebook: Notebook | str | Path, parameters: dict[str, Any]) -> Job:
    """A job with checked parameters.

    Raises:
        LabError: no notebook, an unknown or refused parameter.
    """
    if not isinstance(notebook, Notebook):
        notebook = read_notebook(notebook)
    checked = check_parameters(notebook, parameters)
    inputs: dict[str, str] = {}
    if notebook.config_type:
        inputs = notebook.config_type.from_parameters({**notebook.defaults, **checked}).inputs()
    identity = {
        "notebook": hashlib.sha256(notebook.content).hexdigest(),
        "parameters": checked,
        "inputs": inputs,
        "source": provenance.source_hash(),
    }
    return Job(notebook.path.resolve(), checked, inputs, hash_json(identity))


@contextlib.contextmanager
def lock(job: Job) -> Iterator[None]:
    """Hold the job alone; the lock of a process that is gone is taken over.

    Raises:
        LabError: naming the process that runs the same job.
    """
    path = job.folder.parent / f"{job.key}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LabError(
            f"cannot write {path.parent} ({error.strerror}); make it writable or set LABKIT_HOME"
        ) from error
    me = {"pid": os.getpid(), "started": psutil.Process().create_time()}
    while True:
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
            break
        except FileExistsError:
            if owner := _living_owner(path):
                raise LabError(
                    f"{job.notebook.name} with these parameters runs already (process {owner})"
                ) from None
            path.unlink(missing_ok=True)
    try:
        with os.fdopen(descriptor, "w") as file:
            json.dump(me, file)
        yield
    finally:
        path.unlink(missing_ok=True)


def _living_owner(path: Path) -> int | None:
    """The process that wrote the lock, if it lives: equal pid and equal start time."""
    try:
        owner = json.loads(path.read_text())
        started = psutil.Process(owner["pid"]).create_time()
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return None
    return owner["pid"] if abs(started - owner["started"]) < 1 else None
