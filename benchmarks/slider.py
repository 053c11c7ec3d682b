"""From a moved control to the new numbers and the new figure, in one process; A B A B.

    python -m benchmarks.slider [--moves 200]

A move sets a control's value, as the page does when a hand lets go; it is over when the readout
and the figure have changed, which is when the assignment returns. The floor is ipywidgets alone:
an IntSlider whose observer writes its value into a label. The two take turns, move by move.

Left out on both sides: the kernel's sockets and the browser's drawing (no front end is attached).
Before any figure: every move changes readout and figure, and after every twentieth both are those
of a panel made anew from the same config.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from statistics import median, quantiles
from typing import Any

os.environ["LABKIT_MODE"] = "interactive"

import ipywidgets as widgets

from benchmarks.result import Record, conditions, ratios, write
from labkit.core.config import Config
from labkit.cost.config import CostConfig
from labkit.plan.plan import TrainingPlan
from labkit.widgets.cost_panel import CostPanel
from labkit.widgets.tuner import Tuner

BLOCK, WARM_UP = 20, 5
Seconds = tuple[float, float]
"""(wall, CPU)"""


@dataclass(frozen=True)
class Moved:
    """A panel with `form`, `readout` and `figure`, and the box that is moved up from `start`."""

    panel: Callable[[Any], Any]
    config: Config
    control: str
    start: int
    step: int = 1


PANELS = {
    "cost panel": Moved(CostPanel, CostConfig(), "num_gpus", start=8),
    "tuner": Moved(Tuner, TrainingPlan(), "budget.num_tokens", 10**6, step=10_000),
}
"""Another panel is another line here."""


def timed(move: Callable[[], None]) -> Seconds:
    wall, cpu = time.perf_counter(), time.process_time()
    move()
    return time.perf_counter() - wall, time.process_time() - cpu


def shown(panel: Any) -> tuple[str, str]:
    """What a person sees: the readout's markup, the figure as JSON."""
    return panel.readout.value, panel.figure.to_json()


def floor() -> tuple[Any, Any]:
    """A slider and the label that follows it."""
    slider, label = widgets.IntSlider(min=0, max=10**9), widgets.Label()
    slider.observe(lambda change: setattr(label, "value", str(change["new"])), names="value")
    return slider, label


def move_both(moved: Moved, num_moves: int) -> tuple[list[Seconds], list[Seconds]]:
    """Seconds of each move of the panel, and of the floor's slider just after it."""
    panel = moved.panel(moved.config)
    box = panel.form.controls[moved.control].main
    slider, label = floor()
    ours, peer = [], []
    for number in range(WARM_UP + num_moves):
        value, before = moved.start + number * moved.step, shown(panel)
        ours.append(timed(lambda: setattr(box, "value", str(value))))  # noqa: B023
        peer.append(timed(lambda: setattr(slider, "value", value)))  # noqa: B023
        after = shown(panel)
        changed = [old != new for old, new in zip(before, after, strict=True)]
        assert changed == [True, True], f"{moved.control}={value}: {changed}, {panel.form.faults}"
        assert label.value == str(value)
        if number % BLOCK == 0:
            anew = shown(moved.panel(panel.value))
            assert after == anew, f"{moved.control}={value}: not what a new panel shows"
    return ours[WARM_UP:], peer[WARM_UP:]


def milliseconds(values: list[float]) -> dict[str, float]:
    return {
        "median": round(1e3 * median(values), 3),
        "p95": round(1e3 * quantiles(values, n=20)[-1], 3),
    }


def blocks(values: list[float]) -> list[float]:
    """Sums of twenty moves in a row: one move of the floor is too short to divide by."""
    moves = iter(values)
    return [sum(part) for part in iter(lambda: list(islice(moves, BLOCK)), [])]


def figures(name: str, moved: Moved, num_moves: int) -> Record:
    ours, peer = move_both(moved, num_moves)
    (wall, cpu), (peer_wall, peer_cpu) = zip(*ours, strict=True), zip(*peer, strict=True)
    return {
        "name": f"{name}: a move of {moved.control} until numbers and figure are new",
        "equal": "every move changes both; every 20th shows what a new panel shows",
        "peer": "ipywidgets alone: IntSlider, observer, Label (floor)",
        "ratio": ratios(blocks(list(cpu)), blocks(list(peer_cpu)), digits=5),
        "unit": "ms of CPU per move; the ratio by blocks of 20 moves",
        "ours_wall_ms": milliseconds(list(wall)),
        "ours_cpu_ms": milliseconds(list(cpu)),
        "peer_wall_ms": milliseconds(list(peer_wall)),
        "peer_cpu_ms": milliseconds(list(peer_cpu)),
        "num_moves": num_moves,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--moves", type=int, default=200)
    arguments = parser.parse_args()
    facts = conditions("ipywidgets", "plotly", "traitlets", "pydantic")
    results = [figures(name, moved, arguments.moves) | facts for name, moved in PANELS.items()]
    print(json.dumps(results, indent=1))
    write("slider", results)


if __name__ == "__main__":
    main()
