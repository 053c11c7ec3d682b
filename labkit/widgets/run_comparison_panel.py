"""Chosen groups' curves with the band of their seeds; in batch the first metric of all groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ipywidgets as widgets
import plotly.graph_objects as go

from labkit.comparison.run_comparison import RunComparison
from labkit.comparison.run_curves import curves, metrics
from labkit.core.errors import LabError
from labkit.plots.comparison import Band, band_figure
from labkit.widgets.mode import is_interactive


class RunComparisonPanel:
    """Shown as the last value of a cell.

    Raises:
        LabError: no run has logged a number.
    """

    def __init__(self, comparison: RunComparison):
        self.comparison = comparison
        self._metrics = metrics(comparison)
        if not self._metrics:
            raise LabError("these runs have logged nothing to draw; let one of them go on")
        self.widget: widgets.VBox | None = None
        if is_interactive():
            self._build()

    def _build(self) -> None:
        names = [group.name for group in self.comparison.groups]
        self.metric = widgets.Dropdown(options=self._metrics, description="metric")
        self.groups = widgets.SelectMultiple(options=names, value=names, description="groups")
        self.figure: Any = go.FigureWidget(self._draw(self._metrics[0], names))
        self.widget = widgets.VBox([widgets.HBox([self.metric, self.groups]), self.figure])
        self.widget.add_class("labkit-panel")
        for control in (self.metric, self.groups):
            control.observe(lambda _: self._update(), names="value")

    def _update(self) -> None:
        fresh = self._draw(str(self.metric.value), self.groups.value)
        with self.figure.batch_update():
            self.figure.data = []
            self.figure.add_traces(list(fresh.data))
            self.figure.layout.yaxis.title = fresh.layout.yaxis.title

    def _draw(self, metric: str, groups: Sequence[str]) -> go.Figure:
        found = curves(self.comparison, metric)
        bands = [Band(**curve) for curve in found if curve["name"] in groups]
        return band_figure(bands, metric.replace("_", " "), "Runs, and the range of their seeds")

    def _ipython_display_(self) -> None:
        from IPython.display import display

        names = [group.name for group in self.comparison.groups]
        display(self.widget if self.widget else self._draw(self._metrics[0], names))
