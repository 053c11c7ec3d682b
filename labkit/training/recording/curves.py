"""A run's record taken in row by row: its curve, and where it stands in numbers."""

from __future__ import annotations

from collections import deque
from typing import Any

from labkit.core.errors import LabError
from labkit.core.records.run import RUNNING
from labkit.core.records.thinned import ThinnedRows
from labkit.cost.flops import model_flops_utilization
from labkit.plan.plan import TrainingPlan
from labkit.plots.training import Curve, Point
from labkit.training.launch import SECONDS_OF_SILENCE, Run

RATE_STEPS = 50
"""Tokens per second is that of the last so many steps."""


class FollowedRun:
    """What has been read so far; `follow` reads what is new."""

    def __init__(self, run: Run):
        self.run = run
        self.plan = run.plan
        self._forget()

    def follow(self) -> None:
        """Take in new rows; all of them again where a resumed run has cut its rows back.

        Raises:
            LabError: the record is damaged.
        """
        is_anew = False
        while True:
            try:
                rows, offset = self.run.record.rows_from(self._offset)
            except LabError:  # the place it had come to may be in the middle of a row now
                if is_anew or not self._offset:
                    raise
                rows, offset = [], -1
            if offset < self._offset or not (is_anew or self._goes_on(rows)):
                self._forget()
                is_anew = True
                continue
            if offset == self._offset:
                break
            self._offset = offset
            for row in rows:
                self._take_in(row)
        self.status = self.run.status()

    def _take_in(self, row: dict[str, Any]) -> None:
        if row["kind"] == "step":
            self.steps.append(row)
            self._recent.append(row)
        shown = {"evaluation": self.evaluations, "event": self.events}
        shown.get(row["kind"], []).append(row)

    @property
    def curve(self) -> Curve:
        points = [
            Point(row["tokens"], row["loss"], row["low"], row["high"])
            for row in self.evaluations
            if row["loss"] is not None
        ]
        tokens, losses = ([row[key] for row in self.steps.rows] for key in ("tokens", "loss"))
        return Curve(self.plan.name, tokens, losses, points)

    def read_outs(self) -> dict[str, str]:
        """Where it stands: each number with its unit."""
        last = self.steps.last
        step = last["step"] if last else 0
        seconds, elapsed = (last["seconds"], last["elapsed"]) if last else (0.0, 0.0)
        predictions = self.run.record.read("predictions") or {}
        rate = self.tokens_per_s
        price = self.plan.budget.usd_per_hour
        left = (self.plan.num_steps - step) * self.plan.tokens_per_step / rate if rate else None
        is_running = self.status.state in RUNNING
        predicted = predictions.get("seconds_of_steps")
        silent = self.run.seconds_without_news() if is_running else 0.0
        silence = f"no news for {silent:.0f} s" if silent > SECONDS_OF_SILENCE else ""
        return {
            "run": self.run.run_id,
            "state": " · ".join(filter(None, [self.status.state, self.status.reason, silence])),
            **_processes(self.plan),
            "step": f"{step:,} of {self.plan.num_steps:,}",
            "training loss": f"{last['loss']:.4f}" if last and last["loss"] is not None else "-",
            "validation loss": self._validation(),
            "learning rate": f"{last['learning_rate']:.3g}" if last else "-",
            "gradient norm": _shown(last["gradient_norm"] if last else None),
            "tokens/s": f"{rate:,.0f}" if rate else "-",
            "MFU": _utilization(rate, predictions, self.plan),
            "seconds of steps": f"{seconds:,.1f}"
            + (f" of {predicted:,.1f} predicted" if predicted else ""),
            "seconds left": f"{left:,.0f}" if left is not None and is_running else "-",
            "USD so far": f"{elapsed / 3600 * price:,.2f}" if price else "no price given",
        }

    @property
    def tokens_per_s(self) -> float | None:
        recent = self._recent
        if len(recent) < 2:
            return None
        seconds = recent[-1]["seconds"] - recent[0]["seconds"]
        return (recent[-1]["tokens"] - recent[0]["tokens"]) / seconds if seconds > 0 else None

    def _validation(self) -> str:
        if not self.evaluations or self.evaluations[-1]["loss"] is None:
            return "-"
        last = self.evaluations[-1]
        return f"{last['loss']:.4f} ({last['low']:.4f} to {last['high']:.4f})"

    def _goes_on(self, rows: list[dict[str, Any]]) -> bool:
        """Whether the new steps follow those that are known."""
        steps = [row["step"] for row in rows if row["kind"] == "step"]
        last = self.steps.last
        return not steps or not last or steps[0] == last["step"] + 1

    def _forget(self) -> None:
        self._offset = 0
        self.steps = ThinnedRows()
        self._recent: deque[dict[str, Any]] = deque(maxlen=RATE_STEPS)
        self.evaluations: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.status = self.run.status()


def _processes(plan: TrainingPlan) -> dict[str, str]:
    layout = plan.layout
    if layout.num_processes == 1:
        return {}
    degrees = f"data parallel {layout.data_parallel} x tensor parallel {layout.tensor_parallel}"
    return {"processes": f"{layout.num_processes}: {degrees}"}


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _utilization(rate: float | None, predictions: dict[str, Any], plan: Any) -> str:
    peak = predictions.get("peak_flops_per_s")
    if peak is None:
        return f"peak of this device in {plan.compute.precision} unknown" if predictions else "-"
    if rate is None:
        return "-"
    tokens = plan.num_steps * plan.tokens_per_step
    per_token, per_device = predictions["flops"] / tokens, rate / plan.layout.num_processes
    return f"{model_flops_utilization(per_device, per_token, peak):.1%}"
