"""Choose fields of a plan and values for them; see the runs, the cost and what could be seen.

Launching is a button, since a study is a process of its own; `lab.finish_study(panel.record)`
follows it. Without a person the panel is its numbers, and `value` the sweep it was given.
"""

from __future__ import annotations

import json
from pathlib import Path

import ipywidgets as widgets

from labkit.comparison.study import Study
from labkit.comparison.study_record import StudyRecord, declare
from labkit.comparison.sweep import (
    NOT_SWEPT,
    SweepConfig,
    save_wandb_sweep,
    sweep_cost,
    sweep_study,
)
from labkit.core.config import leaves
from labkit.core.disk import save_json
from labkit.core.display import Html, fault, paragraph, table
from labkit.core.errors import LabError
from labkit.core.schema import parse_value
from labkit.plan.plan import TrainingPlan
from labkit.widgets.cost_panel import READOUT_CLASS
from labkit.widgets.exports import export_row
from labkit.widgets.form import ConfigForm
from labkit.widgets.hours import shown_hours
from labkit.widgets.markup import html_widget, show_html
from labkit.widgets.mode import is_interactive


class SweepPanel:
    """Shown as the last value of a cell; `study` is what would be launched."""

    def __init__(self, plan: TrainingPlan, sweep: SweepConfig | None = None):
        self.plan = plan
        self._sweep = sweep or SweepConfig()
        self.record: StudyRecord | None = None
        self.form: ConfigForm[SweepConfig] | None = None
        if is_interactive():
            self._build(ConfigForm(self._sweep))

    @property
    def value(self) -> SweepConfig:
        return self.form.value if self.form else self._sweep

    @property
    def study(self) -> Study:
        """
        Raises:
            LabError: nothing to compare yet, or a refused value.
        """
        return sweep_study(self.plan, self.value)

    def save(self, path: str | Path) -> Path:
        """Write the sweep's parameters."""
        return self.form.save(path) if self.form else self._sweep.save_parameters(path)

    def save_study(self, path: str | Path) -> Path:
        """Write the whole study, which `labkit study` runs."""
        return save_json(path, self._settled().model_dump(mode="json"))

    def save_sweep(self, path: str | Path) -> Path:
        """Write the plan's parameters and, beside them, W&B's definition of the sweep."""
        self._refuse_faults()
        plan = self.plan.save_parameters(Path(path).with_name("sweep_plan.yaml"))
        return save_wandb_sweep(path, plan.name, self.value)

    def launch(self) -> StudyRecord:
        """Declare the study and run it in a process of its own."""
        self.record = declare(self._settled()).begin()
        return self.record

    def _settled(self) -> Study:
        """On a CPU with one thread to a run, since runs go side by side."""
        self._refuse_faults()
        from labkit.training.settle import settle

        compute = self.plan.compute
        if compute.device in ("auto", "cpu") and compute.num_threads is None:
            compute = compute.model_copy(update={"num_threads": 1})
        plan = settle(self.plan.model_copy(update={"compute": compute}))
        return sweep_study(plan, self.value)

    def _refuse_faults(self) -> None:
        if self.form:
            self.form.refuse_faults()

    def _build(self, form: ConfigForm[SweepConfig]) -> None:
        self.form = form
        fields = [name for name in leaves(self.plan) if name not in NOT_SWEPT]
        self.field = widgets.Dropdown(options=fields, value="model.positions", description="field")
        self.values = widgets.Text(placeholder="rope, learned", description="values")
        add = widgets.Button(description="Add to the grid")
        add.on_click(lambda _: self.add())
        begin = widgets.Button(description="Launch study", button_style="primary")
        begin.on_click(lambda _: self._launch())
        self.line = html_widget(paragraph(""), "labkit-launched")
        self.readout = html_widget(self._read_outs(), READOUT_CLASS)
        self.widget = widgets.VBox(
            [
                widgets.HBox([self.field, self.values, add]),
                form.widget,
                self.readout,
                export_row(
                    {
                        "study.json": self.save_study,
                        "params.yaml": self.save,
                        "sweep.yaml": self.save_sweep,
                    }
                ),
                widgets.HBox([begin, self.line]),
            ]
        )
        self.widget.add_class("labkit-panel")
        form.answered_by(self.readout)
        form.observe(lambda _: show_html(self.readout, self._read_outs()))

    def add(self) -> None:
        """Put the chosen field and its values into the grid."""
        assert self.form
        values = [parse_value(one.strip()) for one in self.values.value.split(",") if one.strip()]
        grid = {**self.value.grid, self.field.value: values}
        control = self.form.controls["grid"].main
        control.value = json.dumps({name: held for name, held in grid.items() if held})

    def _launch(self) -> None:
        try:
            record = self.launch()
            text = f"{record.folder.name} is at work; lab.finish_study(panel.record) follows it"
            show_html(self.line, paragraph(text))
        except LabError as error:
            show_html(self.line, fault(str(error)))

    def _read_outs(self) -> Html:
        return sweep_read_outs(self.plan, self.value)

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self.widget if self.form else self._read_outs())


def sweep_read_outs(plan: TrainingPlan, sweep: SweepConfig) -> Html:
    """Runs, cost and power of the sweep; what is wrong with it where it is no study."""
    try:
        study = sweep_study(plan, sweep)
        cost = sweep_cost(study, sweep.noise)
    except LabError as error:
        return fault(str(error))
    hours = "no run has finished here yet"
    if cost.seconds is not None:
        hours = f"about {shown_hours(cost.seconds / 3600)}, at the speed of {cost.speed_of}"
    seen = "nothing: one seed is never judged"
    if cost.smallest_detectable is not None:
        seen = f"{cost.smallest_detectable:.4f} bits per byte, found with chance 80%"
    rows = [
        ("arms", ", ".join(arm.name for arm in study.arms)),
        ("runs", f"{cost.num_runs:,}, and {len(study.tuning_seeds)} an arm whose best is an edge"),
        ("FLOPs of matrix products", f"{cost.flops:.3g}"),
        ("time here", hours),
        ("USD", f"{cost.usd:,.2f}" if cost.usd is not None else "the plan has no usd_per_hour"),
        ("smallest difference it could see", seen),
    ]
    return table(["the sweep", "comes to"], rows)
