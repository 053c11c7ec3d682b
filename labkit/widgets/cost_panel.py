"""The question of a cost estimate as a form, its answer as numbers and one live figure.

An estimate is closed forms: each move of a control recomputes all of it. Without a person the
panel is its numbers and a static figure, and its value is the config it was given.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ipywidgets as widgets

from labkit.core.counted import counted
from labkit.core.display import Html, table
from labkit.core.machine import GIB
from labkit.cost.config import CostConfig
from labkit.cost.estimate import CostEstimate, estimate_cost
from labkit.plots.cost import memory_figure, show_memory
from labkit.widgets.form import ConfigForm
from labkit.widgets.markup import html_widget, show_html
from labkit.widgets.mode import is_interactive

READOUT_CLASS = "labkit-readout"


class CostPanel:
    """Shown as the last value of a cell; `value` is the config on the page."""

    def __init__(self, config: CostConfig):
        self._config = config
        self.form: ConfigForm[CostConfig] | None = None
        if is_interactive():
            self._build(ConfigForm(config))

    @property
    def value(self) -> CostConfig:
        return self.form.value if self.form else self._config

    def save(self, path: str | Path) -> Path:
        """Write the parameter file that papermill and the command line take.

        Raises:
            ConfigError: while the form shows a fault.
        """
        return self.form.save(path) if self.form else self._config.save_parameters(path)

    def _build(self, form: ConfigForm[CostConfig]) -> None:
        import plotly.graph_objects as go

        self.form = form
        estimate = estimate_cost(form.value)
        self.readout = html_widget(read_outs(form.value, estimate), READOUT_CLASS)
        self.figure: Any = go.FigureWidget(_figure(estimate))
        self.widget = widgets.VBox([form.widget, self.readout, self.figure])
        self.widget.add_class("labkit-panel")
        form.answered_by(self.readout, self.figure)
        form.observe(self._update)

    def _update(self, config: CostConfig) -> None:
        estimate = estimate_cost(config)
        show_html(self.readout, read_outs(config, estimate))
        with self.figure.batch_update():
            show_memory(self.figure, estimate.memory_bytes, estimate.gpu_memory_bytes)

    def _ipython_display_(self) -> None:
        from IPython.display import display

        if self.form:
            display(self.widget)
            return
        estimate = estimate_cost(self._config)
        display(read_outs(self._config, estimate))
        display(_figure(estimate))


def read_outs(config: CostConfig, estimate: CostEstimate) -> Html:
    """The answer as a table: each number with its unit, money and hours with their band."""
    e = estimate
    fits = "fits" if e.fits else "DOES NOT FIT"
    parts = ", ".join(f"{part} {size / GIB:.2f}" for part, size in e.memory_bytes.items() if size)
    rows: list[tuple[str, str]] = [
        ("parameters", f"{e.num_parameters:,}"),
        ("tokens per parameter", f"{e.tokens_per_parameter:,.1f}"),
        ("training FLOPs", f"{e.total_flops:.3g} ({e.flops_convention})"),
        ("GPU hours", _band(e.gpu_hours, e.gpu_hours_low, e.gpu_hours_high)),
        (f"days on {counted(config.num_gpus, 'GPU')}", f"{e.days:,.2f}"),
        ("money", e.shown_usd),
        *_price_rows(e),
        (
            "GiB on each GPU",
            f"{e.memory_bytes_total / GIB:,.1f} of {e.gpu_memory_bytes / GIB:,.1f}: {fits}",
        ),
        ("of these GiB", parts),
    ]
    return table(["the answer", "middle (band of published runs)"], rows)


def _price_rows(e: CostEstimate) -> list[tuple[str, str]]:
    price = e.price_usd_per_gpu_hour
    return [] if price is None else [("USD per GPU hour", f"{price:,.2f} ({e.price_source})")]


def _band(middle: float, low: float, high: float) -> str:
    return f"{middle:,.0f} ({low:,.0f} to {high:,.0f})"


def _figure(estimate: CostEstimate) -> Any:
    return memory_figure(estimate.memory_bytes, estimate.gpu_memory_bytes)
