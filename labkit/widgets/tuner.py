"""A training plan as a form, with what follows from it at once: size, cost, learning rate.

Nothing here trains: `value` is a new frozen plan, and running it is one explicit call in the next
cell. Without a person the tuner is its numbers and a static curve.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ipywidgets as widgets
import numpy as np

from labkit.comparison.sweep import SweepConfig, save_wandb_sweep
from labkit.core.disk import save_json
from labkit.core.display import Html, fault, table
from labkit.core.errors import LabError
from labkit.core.machine import GIB
from labkit.cost.hardware import gpu_names
from labkit.cost.plan_cost import estimate_plan
from labkit.cost.spending import measured_speed, spending
from labkit.plan.plan import TrainingPlan
from labkit.plan.schedule import learning_rate_ratio
from labkit.plots.training import schedule_figure
from labkit.widgets.cost_panel import READOUT_CLASS
from labkit.widgets.exports import export_row
from labkit.widgets.form import ConfigForm
from labkit.widgets.hours import shown_hours
from labkit.widgets.markup import html_widget, show_html
from labkit.widgets.mode import is_interactive

NUM_POINTS = 200
FIRST = (
    "model.d_model",
    "model.num_layers",
    "data.sequence_length",
    "data.batch_size",
    "optimizer.learning_rate",
    "budget.num_tokens",
    "layout.data_parallel",
)
"""What is turned most often stands above the folds."""


class Tuner:
    """Shown as the last value of a cell; `value` is the plan on the page."""

    def __init__(self, plan: TrainingPlan, gpu: str = "H100 SXM"):
        self._plan, self._gpu = plan, gpu
        self.form: ConfigForm[TrainingPlan] | None = None
        if is_interactive():
            self._build(ConfigForm(plan, FIRST))

    @property
    def value(self) -> TrainingPlan:
        return self.form.value if self.form else self._plan

    def save(self, path: str | Path) -> Path:
        """Write the plan's parameters, which `labkit train --params` takes.

        Raises:
            ConfigError: while the form shows a fault.
        """
        return self.form.save(path) if self.form else self._plan.save_parameters(path)

    def save_plan(self, path: str | Path) -> Path:
        """Write the whole plan, every field of it, which `labkit train` takes.

        Raises:
            ConfigError: while the form shows a fault.
        """
        if self.form:
            self.form.refuse_faults()
        return save_json(path, self.value.model_dump(mode="json"))

    def save_sweep(self, path: str | Path) -> Path:
        """Write the plan's parameters and, beside them, W&B's definition of five seeds of it."""
        plan = self.save(Path(path).with_name("sweep_plan.yaml"))
        return save_wandb_sweep(path, plan.name, SweepConfig(), self.value.seed)

    def _build(self, form: ConfigForm[TrainingPlan]) -> None:
        import plotly.graph_objects as go

        self.form = form
        self.gpu = widgets.Dropdown(options=gpu_names(), value=self._gpu, description="on GPU")
        self.readout = html_widget(self._read_outs(), READOUT_CLASS)
        self.figure: Any = go.FigureWidget(schedule_figure(*schedule_curve(form.value)))
        exports = {
            "plan.json": self.save_plan,
            "params.yaml": self.save,
            "sweep.yaml": self.save_sweep,
        }
        self.widget = widgets.VBox(
            [
                form.widget,
                self.gpu,
                self.readout,
                self.figure,
                export_row(exports),
            ]
        )
        self.widget.add_class("labkit-panel")
        form.answered_by(self.readout, self.figure)
        form.observe(self._update)
        self.gpu.observe(lambda _: self._update(form.value), names="value")

    def _update(self, plan: TrainingPlan) -> None:
        self._gpu = str(self.gpu.value)
        show_html(self.readout, self._read_outs())
        tokens, ratios = schedule_curve(plan)
        with self.figure.batch_update():
            self.figure.data[0].x = tokens
            self.figure.data[0].y = ratios

    def _read_outs(self) -> Html:
        return plan_read_outs(self.value, self._gpu)

    def _ipython_display_(self) -> None:
        from IPython.display import display

        if self.form:
            display(self.widget)
            return
        display(self._read_outs())
        display(schedule_figure(*schedule_curve(self._plan)))


def schedule_curve(plan: TrainingPlan) -> tuple[np.ndarray, np.ndarray]:
    """(tokens, share of the peak rate) over the whole budget."""
    budget = plan.num_steps * plan.tokens_per_step
    tokens = np.linspace(0, budget, NUM_POINTS)
    ratios = [learning_rate_ratio(plan.schedule, float(one), budget) for one in tokens]
    return tokens, np.array(ratios)


def plan_read_outs(plan: TrainingPlan, gpu: str) -> Html:
    """What the plan comes to, before anything is run."""
    spent, speed = spending(plan), measured_speed(plan)
    here = "no run has finished here yet"
    if speed:
        hours = spent.flops / speed.flops_per_s / 3600
        here = f"about {shown_hours(hours)}, at the speed of {speed.run_id} on {speed.device}"
    rows = [
        ("parameters", f"{spent.parameters:,}, of them {spent.embedding_parameters:,} embeddings"),
        ("steps", f"{plan.num_steps:,} of {plan.tokens_per_step:,} tokens"),
        ("tokens per parameter", f"{spent.tokens / spent.parameters:,.2f}"),
        ("FLOPs of matrix products", f"{spent.flops:.3g}"),
        ("time here", here),
    ]
    try:
        rows += _gpu_rows(plan, gpu)
    except LabError as error:
        return table(["the plan", "comes to"], rows) + fault(str(error))
    return table(["the plan", "comes to"], rows)


def _gpu_rows(plan: TrainingPlan, gpu: str) -> list[tuple[str, str]]:
    e = estimate_plan(plan, gpu)
    where = f"on {plan.layout.num_processes:,} x {gpu}"
    parts = ", ".join(f"{part} {size / GIB:.2g}" for part, size in e.memory_bytes.items() if size)
    hours = [shown_hours(one) for one in (e.gpu_hours, e.gpu_hours_low, e.gpu_hours_high)]
    fits = "fits" if e.fits else "DOES NOT FIT"
    return [
        (
            f"GPU time {where}",
            f"{hours[0]} ({hours[1]} to {hours[2]}) at MFU 0.40, which small models don't reach",
        ),
        (
            "USD",
            e.price_source
            if e.usd is None
            else f"{e.usd:,.2f} ({e.usd_low:,.2f} to {e.usd_high:,.2f}), {e.price_source}",
        ),
        (
            "GiB on each GPU",
            f"{e.memory_bytes_total / GIB:.3g} of {e.gpu_memory_bytes / GIB:,.1f}, {fits}: {parts}",
        ),
    ]
