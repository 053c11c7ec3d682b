"""A study's folder: what was declared, how far it has come, and what came out.

study.json         the declaration, whole, before the first run
predictions.json   seconds of a step of each arm, and of the whole study, before the first run
progress.json      runs done, of how many
console.log        what its process prints
verdict/           the outcome, an artefact: there once every run has ended

Its runs are ordinary ones below `runs/`: what two studies share is trained once.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from labkit.comparison.study import Study, read_study, studies_folder
from labkit.core import artifacts, disk, lock
from labkit.core.detached import last_lines, start_detached
from labkit.core.errors import LabError

POLL_SECONDS = 0.2
SECONDS_TO_START = 60.0


class Progress(NamedTuple):
    """`seconds_left` is a guess from the runs so far."""

    done: int = 0
    total: int = 0
    doing: str = "waiting"
    seconds_left: float | None = None

    @property
    def line(self) -> str:
        left = "" if self.seconds_left is None else f", about {self.seconds_left:.0f} s left"
        return f"{self.doing}: {self.done} of {self.total} runs{left}"


class StudyRecord:
    def __init__(self, folder: Path):
        self.folder = Path(folder)
        self.verdict = self.folder / "verdict"
        self.lock_file = self.folder / "running.lock"
        self.console = self.folder / "console.log"

    @property
    def study(self) -> Study:
        return read_study(self.read("study"))

    def read(self, name: str) -> Any:
        """One of the JSON files above, or None where it isn't written yet."""
        return disk.read_json(self.folder / f"{name}.json")

    def write(self, name: str, value: Any) -> None:
        disk.write_json(self.folder / f"{name}.json", value)

    def progress(self) -> Progress:
        return Progress(**(self.read("progress") or {}))

    @property
    def is_finished(self) -> bool:
        return artifacts.exists(self.verdict)

    @property
    def is_running(self) -> bool:
        return lock.is_held(self.lock_file)

    def result(self) -> dict[str, Any]:
        """The outcome, verified.

        Raises:
            LabError: there is none yet.
        """
        if not self.is_finished:
            raise LabError(f"{self.folder.name} has no verdict yet: {self.progress().line}")
        artifacts.read_manifest(self.verdict)
        return json.loads((self.verdict / "result.json").read_bytes())

    def timing(self) -> dict[str, Any]:
        """What its runs took, and were predicted to take."""
        return json.loads((self.verdict / "timing.json").read_bytes())

    def begin(self) -> StudyRecord:
        """Run it in a process of its own, which outlives this one; go on where it stopped.

        Raises:
            LabError: it ended at once; with its output.
        """
        if self.is_finished or self.is_running:
            return self
        process = start_detached(["-m", "labkit.comparison", str(self.folder)], self.console)
        deadline = time.monotonic() + SECONDS_TO_START
        while not self.is_running and process.poll() is None and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        if process.poll():
            raise LabError(f"{self.folder.name} did not start:\n{last_lines(self.console)}")
        return self

    def wait(self, say: Callable[[str], None] | None = None, every_seconds: float = 15.0) -> None:
        """Until it ends; `say` gets a line now and then.

        Raises:
            LabError: it ended without a verdict; with the end of its output.
        """
        said = time.monotonic()
        while self.is_running:
            time.sleep(POLL_SECONDS)
            if say and time.monotonic() - said >= every_seconds:
                said = time.monotonic()
                say(self.progress().line)
        if not self.is_finished:
            raise LabError(f"{self.folder.name} ended early:\n{last_lines(self.console)}")


def declare(study: Study) -> StudyRecord:
    """Write the study down, where it isn't yet; every arm's plan is built once to be checked.

    Raises:
        LabError: an arm that can't be made equal, or refuses its changes.
    """
    for arm in study.all_arms:
        for factor in study.rate_factors:
            study.run_plan(arm, factor, study.seeds[0])
    record = StudyRecord(study.folder)
    if record.read("study") is None:
        record.write("study", study.model_dump(mode="json"))
    return record


def finished_studies() -> list[StudyRecord]:
    """Those with a verdict, the latest last."""
    records = [StudyRecord(path.parent) for path in studies_folder().glob("*/verdict")]
    made = {
        record.folder: artifacts.read_manifest(record.verdict, verify=False).created
        for record in records
        if record.is_finished
    }
    return [StudyRecord(folder) for folder in sorted(made, key=lambda one: made[one])]
