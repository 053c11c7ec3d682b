"""A training plan as a form, with what follows from it at once: size, steps, learning rate.

Nothing here trains: `value` is a new frozen plan, and running it is one explicit call in the next
cell. Without a person the panel is its numbers and a static curve.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ipywidgets as widgets
import numpy as np

from labkit.core.display import Html, table
from labkit.cost.flops import training_flops_per_token
from labkit.cost.parameters import count_parameters
from labkit.plan.plan import TrainingPlan
from labkit.plan.schedule import learning_rate_ratio
from labkit.plots.training import schedule_figure
from labkit.widgets.cost_panel import READOUT_CLASS
from labkit.widgets.form import ConfigForm
from labkit.widgets.markup import html_widget, show_html
from labkit.widgets.mode import is_interactive

NUM_POINTS = 200


class PlanPanel:
    """Shown as the last value of a cell; `value` is the plan on the page."""

    def __init__(self, plan: TrainingPlan):
        self._plan = plan
        self.form: ConfigForm[TrainingPlan] | None = None
        if is_interactive():
            self._build(ConfigForm(plan))

    @property
    def value(self) -> TrainingPlan:
        return self.form.value if self.form else self._plan

    def save(self, path: str | Path) -> Path:
        """Write the plan's parameters, which `python -m labkit.training` takes.

        Raises:
            ConfigError: while the form shows a fault.
        """
        return self.form.save(path) if self.form else self._plan.save_parameters(path)

    def _build(self, form: ConfigForm[TrainingPlan]) -> None:
        import plotly.graph_objects as go

        self.form = form
        self.readout = html_widget(plan_read_outs(form.value), READOUT_CLASS)
        self.figure: Any = go.FigureWidget(schedule_figure(*schedule_curve(form.value)))
        self.widget = widgets.VBox([form.widget, self.readout, self.figure])
        self.widget.add_class("labkit-panel")
        form.observe(self._update)

    def _update(self, plan: TrainingPlan) -> None:
        show_html(self.readout, plan_read_outs(plan))
        tokens, ratios = schedule_curve(plan)
        with self.figure.batch_update():
            self.figure.data[0].x = tokens
            self.figure.data[0].y = ratios

    def _ipython_display_(self) -> None:
        from IPython.display import display

        if self.form:
            display(self.widget)
            return
        display(plan_read_outs(self._plan))
        display(schedule_figure(*schedule_curve(self._plan)))


def schedule_curve(plan: TrainingPlan) -> tuple[np.ndarray, np.ndarray]:
    """(tokens, share of the peak rate) over the whole budget."""
    budget = plan.num_steps * plan.tokens_per_step
    tokens = np.linspace(0, budget, NUM_POINTS)
    ratios = [learning_rate_ratio(plan.schedule, float(one), budget) for one in tokens]
    return tokens, np.array(ratios)


def plan_read_outs(plan: TrainingPlan) -> Html:
    """What the plan comes to, before anything is run."""
    parameters = count_parameters(plan.model)
    tokens = plan.num_steps * plan.tokens_per_step
    flops = training_flops_per_token(plan.model, plan.sequence_length, "6N+12LHQT") * tokens
    rows = [
        ("parameters", f"{parameters:,}"),
        ("steps", f"{plan.num_steps:,} of {plan.tokens_per_step:,} tokens"),
        ("tokens per parameter", f"{tokens / parameters:,.2f}"),
        ("training FLOPs", f"{flops:.3g} (6N+12LHQT)"),
    ]
    return table(["the plan", "comes to"], rows)
