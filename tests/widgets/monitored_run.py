"""Rows of a run that is monitored, and the points that are drawn of them."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labkit.widgets.run_monitor import RunMonitor

NO_DATA = {
    "train": {"shards/none/train": 1.0},
    "validation": "shards/none/validation",
    "tokenizer": "tokenizers/none",
    "batch_size": 4,
}
SECONDS_PER_STEP, TOKENS_PER_STEP = 0.5, 64


def step_row(step: int, loss: float | None = 2.0) -> dict[str, Any]:
    return {
        "kind": "step",
        "step": step,
        "tokens": TOKENS_PER_STEP * step,
        "seconds": SECONDS_PER_STEP * step,
        "elapsed": SECONDS_PER_STEP * step,
        "loss": loss,
        "gradient_norm": 1.5,
        "learning_rate": 3e-4,
    }


def evaluation_row(step: int, samples: tuple[str, ...] = ("a text",)) -> dict[str, Any]:
    place = {"step": step, "tokens": TOKENS_PER_STEP * step, "seconds": SECONDS_PER_STEP * step}
    found = {"loss": 2.5, "low": 2.25, "high": 3.0, "samples": list(samples)}
    return {"kind": "evaluation", **place, **found}


def event_row(step: int, text: str) -> dict[str, Any]:
    return {"kind": "event", "step": step, "text": text}


def rows_between(first: int, last: int, seed: int = 0) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    rows = []
    for step in range(first, last + 1):
        rows.append(step_row(step, rng.choice([None, rng.gauss(3, 1), rng.gauss(3, 1)])))
        rows += [evaluation_row(step)] if step % 7 == 0 else []
        rows += [event_row(step, "loss spike to 9")] if step % 5 == 0 else []
    return rows


def points(monitor: RunMonitor) -> list[tuple[list[float], list[float | None]]]:
    return [
        (list(trace.x), [None if y != y else y for y in trace.y]) for trace in monitor.figure.data
    ]
