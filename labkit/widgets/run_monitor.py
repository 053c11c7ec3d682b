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
from labkit.training.launch import Run
from labkit.training.recording.curves import FollowedRun
from labkit.widgets.markup import html_widget, show_html
from labkit.widgets.mode import is_interactive

SECONDS_BETWEEN_LOOKS = 0.5
NUM_EVENTS = 5
ENDED = ("finished", "failed", "stopped")


class RunMonitor:
    """Shown as the last value of a cell; `close` ends the thread before the runs do.

    Raises:
        LabError: no run is given.
    """

    def __init__(self, runs: Sequence[Run] | Run):
        found = [runs] if isinstance(runs, Run) else list(runs)
        if not found:
            raise LabError("no run to monitor; give one, or several")
        self.followed = [FollowedRun(run) for run in found]
        self.widget: widgets.VBox | None = None
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self._drawn: list[Any] = []
        if is_interactive():
            self._build()

    @property
    def is_following(self) -> bool:
        return self._thread is not None

    def close(self) -> None:
        self._closed.set()

    def refresh(self) -> None:
        """Take in what is new and show it."""
        with self._lock:
            for followed in self.followed:
                followed.follow()
            if self.widget is not None:
                self._show()

    def _show(self) -> None:
        show_html(self.readout, read_outs(self.followed))
        last_rows = [(one.steps.last, one.evaluations[-1:]) for one in self.followed]
        show_html(self.texts, latest_texts(self.followed))
        if last_rows == self._drawn:
            return
        with self.figure.batch_update():
            for number, followed in enumerate(self.followed):
                _show_curve(self.figure, number, followed.curve)
        self._drawn = last_rows

    def _build(self) -> None:
        import plotly.graph_objects as go

        self.figure: Any = go.FigureWidget(loss_figure([one.curve for one in self.followed]))
        self.readout, self.texts = html_widget(css_class="labkit-readout"), html_widget()
        self.answer = html_widget(fault(""), "labkit-fault")
        self.trouble = html_widget(fault(""), "labkit-fault")
        rows = [self._buttons(followed.run) for followed in self.followed]
        lines = [self.answer, self.trouble, self.readout]
        self.widget = widgets.VBox([*rows, *lines, self.figure, self.texts])
        self.widget.add_class("labkit-monitor")
        self.refresh()
        self._follow()

    def _follow(self) -> None:
        with self._lock:
            if self._thread is None and not self._closed.is_set():
                self._thread = threading.Thread(target=self._look_on, daemon=True)
                self._thread.start()

    def _look_on(self) -> None:
        while not self._closed.wait(SECONDS_BETWEEN_LOOKS) and not self._is_gone:
            try:
                if self._look_was_last():
                    return
                show_html(self.trouble, fault(""))
            except Exception as error:  # a thread's traceback would be seen by nobody
                show_html(self.trouble, fault(f"monitor: {type(error).__name__}: {error}"))
        self._thread = None

    def _look_was_last(self) -> bool:
        """Once ended, rows are read once more; then a run may have been resumed meanwhile."""
        had_ended = all(one.status.state in ENDED for one in self.followed)
        self.refresh()
        with self._lock:  # `_follow` finds the thread either going on or gone
            if had_ended and all(one.run.status().state in ENDED for one in self.followed):
                self._thread = None
        return self._thread is None

    @property
    def _is_gone(self) -> bool:
        return self.widget is None or self.widget.comm is None

    def _buttons(self, run: Run) -> widgets.HBox:
        asks: list[tuple[str, Callable[[], Any]]] = [
            ("Pause", run.pause),
            ("Resume", lambda: _resume(run)),
            ("Stop", run.stop),
            ("Evaluate now", run.evaluate),
        ]
        buttons = []
        for name, ask in asks:
            button = widgets.Button(description=name, tooltip=f"{name}: {run.run_id}")
            button.add_class(f"labkit-{name.split()[0].lower()}")
            asked = f"{run.run_id}: asked for {name.lower()}"
            button.on_click(lambda it, ask=ask, asked=asked: self._clicked(it, ask, asked))
            buttons.append(button)
        return widgets.HBox([widgets.Label(value=run.plan.name), *buttons])

    def _clicked(self, button: widgets.Button, ask: Callable[[], Any], asked: str) -> None:
        """A resumed process takes seconds to start: the kernel doesn't wait for it."""
        button.disabled = True
        show_html(self.answer, paragraph(asked))
        threading.Thread(target=self._ask, args=(button, ask), daemon=True).start()

    def _ask(self, button: widgets.Button, ask: Callable[[], Any]) -> None:
        try:
            ask()
        except LabError as error:
            show_html(self.answer, fault(str(error)))
        except Exception as error:  # a thread's traceback would be seen by nobody
            show_html(self.answer, fault(f"{type(error).__name__}: {error}"))
        button.disabled = False
        self._follow()

    def _ipython_display_(self) -> None:
        from IPython.display import display

        if self.widget is not None:
            self._follow()
            display(self.widget)
            return
        self.refresh()
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


def _resume(run: Run) -> None:
    if run.status().state == "finished":
        raise LabError(f"{run.run_id} is finished; there is nothing to resume")
    run.resume()


def _show_curve(figure: Any, number: int, curve: Curve) -> None:
    training, validation = figure.data[2 * number : 2 * number + 2]
    training.x, training.y = thinned(curve.tokens, curve.losses)
    data = evaluation_data(curve.evaluations)
    validation.x, validation.y, validation.error_y = data["x"], data["y"], data["error_y"]
