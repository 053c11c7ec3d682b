"""One notebook with its parameters: its identity and where its runs are kept.

The key is a hash of the notebook's bytes, the parameters, what the config reads from disk, and
labkit's own source: a job whose folder is whole has been done and is not done again.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labkit.batch.parameters import Notebook, check_parameters, read_notebook
from labkit.core import artifacts, disk, provenance
from labkit.core.canonical_json import hash_json


def reports_folder() -> Path:
    return artifacts.home() / "reports"


def job_folder(name: str, key: str) -> Path:
    """`<key>` when completed; beside it `.running-<run>`, `.failed-<run>`, `.before-<run>`."""
    return reports_folder() / name / key


def running_folder(folder: Path, run: int) -> Path:
    return beside(folder, f"running-{run}")


def lock_file(folder: Path) -> Path:
    return beside(folder, "lock")


def beside(folder: Path, suffix: str) -> Path:
    return folder.with_name(f"{folder.name}.{suffix}")


@dataclass(frozen=True)
class Job:
    notebook: Path
    parameters: dict[str, Any]
    inputs: dict[str, str]
    key: str

    @property
    def name(self) -> str:
        return disk.slug(self.notebook.stem)

    @property
    def folder(self) -> Path:
        return job_folder(self.name, self.key)

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
