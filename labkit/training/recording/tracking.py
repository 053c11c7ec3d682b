"""Weights & Biases beside the run's own record, which stays the truth.

`offline` writes files that `wandb sync` uploads; `online` needs an account and a network. Nothing
here may stop or hold a run: W&B lives in a process of its own (`tracking_process.py`), fed through
a bounded queue that never blocks, and what it has not taken when its time is over is left. The
first error is logged, and tracking ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any

from labkit.core.config import flatten
from labkit.core.counted import counted
from labkit.core.records.run import RunRecord
from labkit.plan.plan import TrainingPlan

PROJECT = "labkit"
LOG_EVERY_STEPS = 10
SENT = ("loss", "gradient_norm", "learning_rate", "tokens")
SENT_OF_EVALUATIONS = ("loss", "standard_error", "low", "high", "bits_per_byte")
MAX_WAITING = 10_000
"""Messages that wait for W&B; more are dropped and counted."""
SECONDS_TO_CLOSE, SECONDS_TO_CLOSE_EARLY = 30.0, 2.0
"""What W&B gets to write or upload its last rows; early where a signal asks the process to end."""
Message = Mapping[str, Any]


class Tracker:
    """A tracker of mode `off` takes everything and does nothing."""

    def __init__(self, plan: TrainingPlan, record: RunRecord):
        self.record = record
        self.num_dropped = 0
        self._process: subprocess.Popen[str] | None = None
        if plan.tracking == "off":
            return
        self._waiting: queue.Queue[Message] = queue.Queue(MAX_WAITING)
        self._answers: queue.Queue[Message] = queue.Queue()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "labkit.training.recording.tracking_process"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                start_new_session=True,
                env=os.environ | {"WANDB_SILENT": os.environ.get("WANDB_SILENT", "true")},
            )
        except OSError as error:
            self._give_up(str(error))
            return
        for work in (self._feed, self._listen):
            threading.Thread(target=work, args=(self._process,), daemon=True).start()
        settings = {
            "project": PROJECT,
            "id": record.run_id,
            "name": plan.name,
            "group": plan.name,
            "dir": str(record.folder),
            "mode": plan.tracking,
            "resume": "allow",
            "config": flatten(plan.model_dump(mode="json")) | {"run_id": record.run_id},
        }
        self._send({"init": settings})

    def log_step(self, row: dict[str, Any]) -> None:
        if row["step"] % LOG_EVERY_STEPS == 0:
            self._send({"log": {f"train/{key}": row[key] for key in SENT}, "step": row["step"]})

    def log_evaluation(self, row: dict[str, Any]) -> None:
        found = {f"validation/{key}": row.get(key) for key in SENT_OF_EVALUATIONS}
        known = {key: value for key, value in found.items() if value is not None}
        self._send({"log": known, "step": row["step"]})

    def finish(self, summary: dict[str, Any], state: str) -> str:
        """End the W&B run, or leave it when its time is over; returns one line on where it is."""
        process = self._process
        if process is None:
            return ""
        ended = {"finish": flatten(summary), "exit_code": 0 if state == "finished" else 1}
        self._send(ended)
        seconds = SECONDS_TO_CLOSE_EARLY if state == "interrupted" else SECONDS_TO_CLOSE
        try:
            answer = self._answers.get(timeout=seconds)
        except queue.Empty:
            answer = {"error": f"W&B did not close within {seconds:g} s and was left"}
            with contextlib.suppress(OSError):  # with all that it has started
                os.killpg(process.pid, signal.SIGKILL)
        self._process = None
        if self.num_dropped:
            self.record.log(f"W&B was too slow: {counted(self.num_dropped, 'row')} not sent")
        if error := answer.get("error"):
            self._give_up(error)
            folder = shlex.quote(str(self.record.folder / "wandb"))
            return f"W&B tracking ended: {error}; what it wrote: wandb sync {folder}/*run*"
        if answer["url"]:
            return f"W&B: {answer['url']}"
        return f"W&B, offline: wandb sync {shlex.quote(answer['folder'])}"

    def _send(self, message: Message) -> None:
        if self._process is None:
            return
        try:
            self._waiting.put_nowait(message)
        except queue.Full:
            self.num_dropped += 1

    def _feed(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        while True:
            message = self._waiting.get()
            try:
                process.stdin.write(json.dumps(message) + "\n")
                process.stdin.flush()
            except (OSError, ValueError):  # it has ended, or was ended
                return

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            with contextlib.suppress(ValueError):
                self._answers.put(json.loads(line))
        self._answers.put({"error": "the process of W&B has ended"})

    def _give_up(self, reason: str) -> None:
        first = (reason.splitlines() or ["unknown"])[0][:200]
        self.record.log(f"W&B tracking ended: {first}")
