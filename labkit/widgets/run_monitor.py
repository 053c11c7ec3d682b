"""Runs as they go: curves, rates, samples, and buttons that ask through the run's folder.

All there is to know stands in the record, so that a monitor made after a reload or a kernel
restart shows the whole run at once. A thread follows new rows twice a second until all runs have
ended. Without a person the monitor is the same, once and static.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as widgets

from labkit.core.display import Html, fault, paragraph, table, text_samples
from labkit.core.errors import LabError
from labkit.plots.training import Curve, evaluation_data, loss_figure, thinned
from labkit.training.curves import FollowedRun
from labkit.training.launch import Run
from labkit.widgets.markup import html_widget, show_html
from labkit.widgets.mode import is_interactive

SECONDS_BETWEEN_LOOKS = 0.5
NUM_EVENTS = 5
ENDED = ("finished", "failed", "stopped")


class RunMonitor:
    """Shown as the last value of a cell; `close` ends the thread before the runs do."""

    def __init__(self, runs: Sequence[Run] | Run):
        found = [runs] if isinstance(runs, Run) else list(runs)
        self.followed = [FollowedRun(run) for run in found]
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self.widget: widgets.VBox | None = None
        if is_interactive():
            self._build()

    def close(self) -> None:
        self._closed.set()

    def refresh(self) -> None:
        """Take in what is new and show it."""
        for followed in self.followed:
            followed.follow()
        with self.figure.batch_update():
            for number, followed in enumerate(self.followed):
                _show_curve(self.figure, number, followed.curve)
        show_html(self.readout, read_outs(self.followed))
        show_html(self.texts, latest_texts(self.followed))

    def _build(self) -> None:
        import plotly.graph_objects as go

        self.figure: Any = go.FigureWidget(loss_figure([one.curve for one in self.followed]))
        self.readout, self.texts = html_widget(css_class="labkit-readout"), html_widget()
        self.fault_line = html_widget(fault(""), "labkit-fault")
        rows = [self._buttons(followed.run) for followed in self.followed]
        self.widget = widgets.VBox([*rows, self.fault_line, self.readout, self.figure, self.texts])
        self.widget.add_class("labkit-monitor")
        self.refresh()
        self._follow()

    def _follow(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._look_on, daemon=True)
            self._thread.start()

    def _look_on(self) -> None:
        while not self._closed.wait(SECONDS_BETWEEN_LOOKS):
            try:
                ended = all(one.status.state in ENDED for one in self.followed)
                self.refresh()
            except Exception as error:  # a thread's traceback would be seen by nobody
                show_html(self.fault_line, fault(f"monitor: {error}"))
                continue
            if ended:
                return

    def _buttons(self, run: Run) -> widgets.HBox:
        asks: list[tuple[str, Callable[[], Any]]] = [
            ("Pause", run.pause),
            ("Resume", run.resume),
            ("Stop", run.stop),
            ("Evaluate now", run.evaluate),
        ]
        buttons = []
        for name, ask in asks:
            button = widgets.Button(description=name, tooltip=f"{name}: {run.run_id}")
            button.add_class(f"labkit-{name.split()[0].lower()}")
            button.on_click(lambda _, ask=ask: self._ask(ask))
            buttons.append(button)
        return widgets.HBox([widgets.Label(value=run.plan.name), *buttons])

    def _ask(self, ask: Callable[[], Any]) -> None:
        try:
            ask()
            show_html(self.fault_line, fault(""))
        except LabError as error:
            show_html(self.fault_line, fault(str(error)))
        self._follow()

    def _ipython_display_(self) -> None:
        from IPython.display import display

        if self.widget is not None:
            display(self.widget)
            return
        for followed in self.followed:
            followed.follow()
        display(read_outs(self.followed))
        if any(followed.curve.tokens for followed in self.followed):
            display(loss_figure([followed.curve for followed in self.followed]))


def read_outs(followed: Sequence[FollowedRun]) -> Html:
    """One column for each run."""
    columns = [one.read_outs() for one in followed]
    rows = [(name, *(column[name] for column in columns)) for name in columns[0]]
    return table(["", *(one.run.plan.name for one in followed)], rows)


def latest_texts(followed: Sequence[FollowedRun]) -> Html:
    """The last samples, and what happened; escaped."""
    samples = [
        (f"{one.run.plan.name} at step {one.evaluations[-1]['step']:,}", text)
        for one in followed
        if one.evaluations
        for text in one.evaluations[-1]["samples"]
    ]
    events = [
        f"{one.run.plan.name}, step {row['step']:,}: {row['text']}"
        for one in followed
        for row in one.events[-NUM_EVENTS:]
    ]
    found = text_samples(samples)
    for event in events:
        found = found + paragraph(event)
    return found


def _show_curve(figure: Any, number: int, curve: Curve) -> None:
    training, validation = figure.data[2 * number : 2 * number + 2]
    training.x, training.y = thinned(curve.tokens, curve.losses)
    data = evaluation_data(curve.evaluations)
    validation.x, validation.y, validation.error_y = data["x"], data["y"], data["error_y"]
