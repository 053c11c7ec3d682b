"""Weights & Biases beside the run's own record, which stays the truth.

`offline` writes files that `wandb sync` uploads; `online` needs an account and a network, decided
before the start: a failed online start can spoil a later offline one in the same process. Nothing
here may stop a run: the first error is logged, and tracking ends.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from labkit.core.config import flatten
from labkit.core.records.run import RunRecord
from labkit.plan.plan import TrainingPlan

PROJECT = "labkit"
LOG_EVERY_STEPS = 10
SENT = ("loss", "gradient_norm", "learning_rate", "tokens")
SENT_OF_EVALUATIONS = ("loss", "standard_error", "low", "high", "bits_per_byte")


class Tracker:
    """A tracker of mode `off` takes everything and does nothing."""

    def __init__(self, plan: TrainingPlan, record: RunRecord):
        self.record = record
        self.run: Any = None
        if plan.tracking == "off":
            return
        os.environ.setdefault("WANDB_SILENT", "true")
        try:
            import wandb

            self.run = wandb.init(
                project=PROJECT,
                id=record.run_id,
                name=plan.name,
                group=plan.name,
                dir=record.folder,
                mode=plan.tracking,
                resume="allow",
                config=flatten(plan.model_dump(mode="json")) | {"run_id": record.run_id},
                settings=wandb.Settings(init_timeout=20, console="off"),
            )
        except Exception as error:  # whatever it is, the run goes on
            self._give_up(error)

    def log_step(self, row: dict[str, Any]) -> None:
        if self.run is not None and row["step"] % LOG_EVERY_STEPS == 0:
            self._log({f"train/{key}": row[key] for key in SENT}, row["step"])

    def log_evaluation(self, row: dict[str, Any]) -> None:
        found = {f"validation/{key}": row.get(key) for key in SENT_OF_EVALUATIONS}
        self._log({key: value for key, value in found.items() if value is not None}, row["step"])

    def finish(self, summary: dict[str, Any], state: str) -> str:
        """End the W&B run; returns one line on where it is and how to sync it."""
        if self.run is None:
            return ""
        try:
            folder = Path(self.run.dir).parent
            self.run.summary.update(flatten(summary))
            is_online = not self.run.offline
            url = self.run.url
            self.run.finish(exit_code=0 if state == "finished" else 1)
        except Exception as error:
            self._give_up(error)
            return ""
        return f"W&B: {url}" if is_online else f"W&B, offline: wandb sync {folder}"

    def _log(self, values: dict[str, Any], step: int) -> None:
        if self.run is None:
            return
        try:
            self.run.log(values, step=step)
        except Exception as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self.run = None
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        self.record.log(f"W&B tracking ended: {reason}")
