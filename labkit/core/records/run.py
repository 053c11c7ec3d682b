"""The record of a training run: a folder that says what was planned, what happened, what came out.

plan.json          the settled plan and the hashes of what it reads
predictions.json   what was expected, written before the first step
leak_check.json    what is known of validation text in the training text, in one line
windows.json       loss of each validation window at the last evaluation
metrics.jsonl      one row per step, evaluation and event, in order; each step once
status.json        where it stands
control.json       what a person asks of it; removed when taken up
LOG.md             to read, and to write notes in
result.json        what follows from plan and data: equal bytes wherever it ran
processes.json     bytes of weights, gradients and optimizer that each process held at the end
timing.json        what doesn't: seconds, memory, machine, how the predictions did
checkpoints/       folders to go on from
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from labkit.core import artifacts, disk, lock
from labkit.core.errors import LabError

State = Literal[
    "waiting",
    "starting",
    "running",
    "paused",
    "stopped",
    "interrupted",
    "finished",
    "failed",
    "died",
]
Request = Literal["pause", "stop", "evaluate"]
ROWS_BYTES = 1 << 22
READ_BACK_BYTES = 1 << 16
RUNNING: tuple[State, ...] = ("starting", "running")


class RunStatus(BaseModel):
    """`died` is never written: it is what a status without its process means."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: State
    step: int = 0
    reason: str = ""


class RunRecord:
    """One run's folder; reading it needs neither torch nor the process that writes it."""

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        self.metrics = self.folder / "metrics.jsonl"
        self.log_file = self.folder / "LOG.md"
        self.lock_file = self.folder / "running.lock"
        self.console = self.folder / "console.log"
        self.control = self.folder / "control.json"
        self.checkpoints = self.folder / "checkpoints"

    @property
    def run_id(self) -> str:
        return self.folder.name

    @property
    def is_there(self) -> bool:
        return (self.folder / "plan.json").is_file()

    def read(self, name: str) -> Any:
        """One of the JSON files above, or None where it isn't written yet."""
        return disk.read_json(self.folder / f"{name}.json")

    def write(self, name: str, value: Any) -> None:
        disk.write_json(self.folder / f"{name}.json", value)

    def status(self) -> RunStatus:
        status = self._written_status()
        if status.state in RUNNING and not lock.is_held(self.lock_file):
            status = self._written_status()  # its last word, if it ended while we looked
            if status.state in RUNNING:
                return status.model_copy(update={"state": "died", "reason": "its process is gone"})
        return status

    def _written_status(self) -> RunStatus:
        found = self.read("status")
        return RunStatus.model_validate(found) if found else RunStatus(state="starting")

    def set_status(self, state: State, step: int, reason: str = "") -> None:
        self.write("status", RunStatus(state=state, step=step, reason=reason).model_dump())

    def rows_from(self, offset: int) -> tuple[list[dict[str, Any]], int]:
        """Whole rows after byte `offset`, of `ROWS_BYTES` at a time, and the offset to go on from:
        the same one where nothing is new.

        A file that has become shorter was cut back by a resumed run: it is read from the start.
        """
        try:
            with self.metrics.open("rb") as file:
                size = file.seek(0, 2)
                file.seek(offset if offset <= size else 0)
                start = file.tell()
                content = file.read(ROWS_BYTES) + file.readline()
        except FileNotFoundError:
            return [], 0
        whole = content[: content.rfind(b"\n") + 1]
        return [self._parse(line) for line in whole.splitlines()], start + len(whole)

    def each_row(self, kind: str | None = None) -> Iterator[dict[str, Any]]:
        """All whole rows, or those of a kind, in order; one at a time in memory."""
        if not self.metrics.is_file():
            return
        start = f'{{"kind": "{kind}"'.encode()
        with self.metrics.open("rb") as file:
            for line in file:
                if line.endswith(b"\n") and (kind is None or line.startswith(start)):
                    yield self._parse(line)

    def rows(self, kind: str | None = None) -> list[dict[str, Any]]:
        return list(self.each_row(kind))

    def last_row(self, kind: str) -> dict[str, Any] | None:
        """Read from the end, so that a long record costs no more than a short one."""
        start = f'{{"kind": "{kind}"'.encode()
        for _, line in self._lines_from_the_end():
            if line.startswith(start):
                return self._parse(line)
        return None

    def num_steps(self) -> int:
        """How many steps have a row; each follows the one before."""
        first, last = next(self.each_row("step"), None), self.last_row("step")
        return last["step"] - first["step"] + 1 if first and last else 0

    def _lines_from_the_end(self) -> Iterator[tuple[int, bytes]]:
        """Where each whole line begins, and the line; the last one first."""
        if not self.metrics.is_file():
            return
        with self.metrics.open("rb") as file:
            begin = file.seek(0, 2)
            pieces = [b""]  # the line whose beginning is not read yet, its last piece first
            is_whole = False  # what stands behind the last end of line is torn
            while begin:
                size = min(READ_BACK_BYTES, begin)
                begin -= size
                file.seek(begin)
                *lines, tail = file.read(size).split(b"\n")
                pieces.append(tail)
                position = begin + size - len(tail)
                while lines:
                    if is_whole:
                        yield position, b"".join(reversed(pieces))
                    is_whole = True
                    pieces = [lines.pop()]
                    position -= 1 + len(pieces[0])
            if is_whole:
                yield 0, b"".join(reversed(pieces))

    def _parse(self, line: bytes) -> dict[str, Any]:
        try:
            return json.loads(line)
        except ValueError as error:
            raise LabError(
                f"{self.metrics} is damaged ({error}); move {self.folder} aside and start the run "
                "again"
            ) from error

    def append(self, rows: list[dict[str, Any]]) -> None:
        if rows:
            text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            with disk.clear_errors(self.metrics), self.metrics.open("ab") as file:
                file.write(text.encode())

    def cut_after(self, step: int) -> None:
        """Drop rows of steps that a resumed run will take again, and a torn last line. Rows stand
        in the order of their steps, so only the end is read.
        """
        if not self.metrics.is_file():
            return
        size = 0
        for begin, line in self._lines_from_the_end():
            if self._parse(line)["step"] <= step:
                size = begin + len(line) + 1
                break
        os.truncate(self.metrics, size)

    def log(self, text: str) -> None:
        """A dated line at the end of LOG.md; what a person wrote there stays."""
        now = datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S")
        with disk.clear_errors(self.log_file), self.log_file.open("a", encoding="utf-8") as file:
            file.write(f"- {now} {text}\n")

    def ask(self, request: Request) -> None:
        """In place of what was asked before and is not taken up yet; an evaluation in place of no
        pause or stop.
        """
        if request != "evaluate" or _request_in(self.control) in (None, "evaluate"):
            self.write("control", {"request": request})

    def take_request(self) -> Request | None:
        """What was asked since the last call, once."""
        if not self.control.is_file():
            return None
        taken = disk.temporary_beside(self.control)  # else what is asked while it is read is lost
        with contextlib.suppress(FileNotFoundError):
            self.control.rename(taken)
        request = _request_in(taken)
        taken.unlink(missing_ok=True)
        return request


def _request_in(file: Path) -> Request | None:
    try:
        request = json.loads(file.read_bytes())["request"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return request if request in ("pause", "stop", "evaluate") else None


def runs_folder() -> Path:
    return artifacts.home() / "runs"


def open_run(run_id: str) -> RunRecord:
    """The record of that run.

    Raises:
        LabError: there is none; names those that are there.
    """
    record = RunRecord(runs_folder() / disk.slug(run_id))
    if not record.is_there:
        known = sorted(path.parent.name for path in runs_folder().glob("*/plan.json"))
        raise LabError(f"no run {run_id!r}; known: {', '.join(known) or 'none yet'}")
    return record
