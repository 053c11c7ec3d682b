"""The life of one document, to read: origin, rules, copies, personal data, rewriting, training.

Give a row or an id, or draw one; in batch the panel is the trace of its document, static.
"""

from __future__ import annotations

import ipywidgets as widgets
import numpy as np

from labkit.core.counted import counted, unit_of
from labkit.core.display import Html, fault, paragraph, table, text_samples
from labkit.core.errors import LabError
from labkit.data.life_trace import LifeTrace, Lives
from labkit.data.replay import Check
from labkit.widgets.markup import html_widget, look_like_output, show_html
from labkit.widgets.mode import is_interactive

MAX_ROWS = 30
MAX_TEXT, MAX_PIECE = 2000, 60


class LifeTracePanel:
    """Shown as the last value of a cell; `value` is the trace on the page.

    Args:
        row: of the first document, or its id; a kept one drawn by the seed where none is given.

    Raises:
        LabError: no such row or id.
    """

    def __init__(self, lives: Lives, row: int | str | None = None, seed: int = 0):
        self._lives, self._rng = lives, np.random.default_rng(seed)
        rows = lives.kept_rows if len(lives.kept_rows) else lives.dropped_rows
        self.value = lives.trace(self._draw(rows) if row is None else row)
        if is_interactive():
            self._build()

    def find(self, wanted: str) -> None:
        """Show the document of a row, or the first one with an id; or say why there is none."""
        self._show(wanted.strip())

    def _show(self, document: int | str) -> None:
        try:
            row = self._lives.find(document)
            show_html(self.said, paragraph(f"reading up to row {row:,} of the corpus"))
            self.value = self._lives.trace(row)
        except (LabError, OSError) as error:
            show_html(self.said, fault(f"{error}. Below is still row {self.value.row:,}."))
            return
        same = self.value.num_of_id
        note = f"{same} documents have this id; give a row for another." if same > 1 else ""
        show_html(self.said, paragraph(note) if note else fault(""))
        show_html(self.readout, show_trace(self.value))

    def _draw(self, rows: np.ndarray) -> int:
        return int(self._rng.choice(rows))

    def _build(self) -> None:
        self.box = widgets.Text(
            description="row or id", continuous_update=False, placeholder="such as 12"
        )
        self.box.observe(lambda change: self.find(change["new"]), names="value")
        self.said = html_widget(fault(""), "labkit-fault")
        self.readout = html_widget(show_trace(self.value), "labkit-readout")
        look_like_output(self.readout)
        sides = {"kept": self._lives.kept_rows, "dropped": self._lives.dropped_rows}
        buttons = [self._button(name, rows) for name, rows in sides.items()]
        controls = widgets.HBox([self.box, *buttons])
        self.widget = widgets.VBox([controls, self.said, self.readout])
        self.widget.add_class("labkit-panel")

    def _button(self, side: str, rows: np.ndarray) -> widgets.Button:
        button = widgets.Button(description=f"Draw a {side} one", disabled=not len(rows))
        button.layout.width = "auto"
        button.add_class(f"labkit-draw-{side}")
        button.on_click(lambda _: self._show(self._draw(rows)))
        return button

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self.widget if is_interactive() else show_trace(self.value))


def show_trace(trace: LifeTrace) -> Html:
    """Everything that is known of it; what is short comes first."""
    origin = {name: value for name, value in trace.origin.items() if value}
    shown = paragraph(_fate(trace))
    shown += table(["came from", ""], [("row, counted from 0", f"{trace.row:,}"), *origin.items()])
    for part in (_copies, _personal_data, _rewritings, _training, _checks, _text):
        shown += part(trace)
    return shown


def _fate(trace: LifeTrace) -> str:
    refusal = next((check for check in trace.checks if "dropped" in check.verdict), None)
    if refusal is None or refusal.value is None:
        return f"Row {trace.row:,}: {trace.fate}."
    unit = "" if refusal.unit == "ratio" else refusal.unit
    value = f"{_number(refusal.value)} {unit_of(refusal.value, unit)}".rstrip()
    limit = f"{_keeps(refusal)} {unit_of(refusal.threshold or 0, unit)}".rstrip()
    limits = f"its value is {value}, the rule keeps {limit}"
    return f"Row {trace.row:,}: {trace.fate}; {limits}."


def _checks(trace: LifeTrace) -> Html:
    rows = [
        (check.step, check.rule, _number(check.value), _keeps(check), check.unit, check.verdict)
        for check in trace.checks
    ]
    note = "" if trace.is_exact else " Behind a step that took lines out: of the text as it ended."
    columns = ["step", "rule", "value", "keeps", "unit", "verdict"]
    return table(columns, rows, "What each step said, in order, and each of its rules." + note)


def _keeps(check: Check) -> str:
    if check.threshold is None:
        return ""
    least = {"below": "at least ", "above": "at most "}.get(check.side, "by threshold ")
    return least + _number(check.threshold)


def _number(value: float | None) -> str:
    """
    >>> _number(1e6), _number(0.0181704), _number(None)
    ('1,000,000', '0.01817', '')
    """
    if value is None:
        return ""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.4g}"


def _copies(trace: LifeTrace) -> Html:
    if not trace.copies:
        return paragraph("Copies: it was joined with no other document.")
    shown = Html("")
    for found in trace.copies:
        rows = [
            (str(one.row), one.id, "this document" if one.row == trace.row else "", one.fate)
            for one in found.members
        ]
        more = f", {len(rows)} of them here" if found.num_members > len(rows) else ""
        caption = (
            f"Copies by {found.rule}: {counted(found.num_members, 'document')}{more}; row "
            f"{found.kept_row:,} stays in place of the others"
        )
        shown += table(["row", "id", "", "what became of it"], rows, caption)
    return shown


def _personal_data(trace: LifeTrace) -> Html:
    if not trace.personal_data:
        return paragraph("Personal data: none found.")
    items = ", ".join(f"{number} {kind}" for kind, number in sorted(trace.personal_data.items()))
    what = "replaced by placeholders" if trace.is_redacted else "not replaced by these steps"
    return paragraph(f"Personal data: {items}; {what}. Here it is masked by asterisks.")


def _rewritings(trace: LifeTrace) -> Html:
    if not trace.rewritings:
        return paragraph("Rewriting: no step changed a byte of it.")
    shown = Html("")
    for one in trace.rewritings:
        rows = [
            (change.start, _piece(change.removed), _piece(change.added))
            for change in one.changes[:MAX_ROWS]
        ]
        more = f", the first {MAX_ROWS} here" if len(one.changes) > MAX_ROWS else ""
        caption = (
            f"Rewritten by {one.step}: {counted(one.num_bytes_before, 'byte')} in, "
            f"{one.num_bytes_after:,} out, {counted(len(one.changes), 'change')}{more}"
        )
        shown += table(["at byte", "removed", "put in its place"], rows, caption)
    return shown


def _training(trace: LifeTrace) -> Html:
    shown = Html("")
    if not trace.is_kept:
        return paragraph("Training: a dropped document is in no mixture and no window.")
    if trace.share is not None:
        shown += paragraph(
            f"Mixture: its source is {trace.share:.1%} of the tokens read, in {trace.epochs:.2f} "
            f"epochs: so often it is read on average."
        )
    if trace.windows is None:
        return shown + paragraph("Training windows: no shards were given that hold it.")
    found = trace.windows
    data = trace.shown.encode()
    rows = [
        (
            str(window.number),
            window.num_tokens,
            f"{window.start:,} to {window.stop:,}",
            _piece(data[window.start : window.stop]),
        )
        for window in found.windows[:MAX_ROWS]
    ]
    equal = "equal to" if found.equals_text else "NOT equal to"
    more = f", the first {MAX_ROWS} here" if len(found.windows) > MAX_ROWS else ""
    left = f"; {counted(found.num_tokens_left, 'token')} in none" if found.num_tokens_left else ""
    caption = (
        f"Training windows: {len(found.windows):,}{more}; their tokens decoded are {equal} the "
        f"bytes that were kept{left}"
    )
    return shown + table(["window", "tokens of it", "bytes", "text"], rows, caption)


def _text(trace: LifeTrace) -> Html:
    state = "as it was kept" if trace.is_kept else "as it reached the step that dropped it"
    label = f"The text {state}: {counted(len(trace.text), 'byte')}, personal data masked"
    return text_samples([(label, trace.shown)], MAX_TEXT)


def _piece(content: bytes) -> str:
    """Beginning and end, on one line; white space alone is told by its number."""
    text = content.decode("utf-8", "replace")
    if not text.strip():
        return f"{counted(len(content), 'byte')} of white space" if content else "nothing"
    line = " ".join(text.split())
    if len(line) <= MAX_PIECE:
        return line
    return f"{line[: MAX_PIECE // 2]} … {line[-MAX_PIECE // 2 :]} ({counted(len(content), 'byte')})"
