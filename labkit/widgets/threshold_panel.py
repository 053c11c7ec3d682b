"""Every rule's threshold as a control; what is kept, and what flips, follows at once.

Documents are measured once (`labkit.data.rules.measured`), so that a moved control reads no text
but that of the examples. `value` is a frozen `RuleSet`, the step that a pipeline takes. Without a
person the panel is its tables and a static figure, and its value is the set it was given.
"""

from __future__ import annotations

from pathlib import Path

import ipywidgets as widgets
import plotly.graph_objects as go

from labkit.core import disk
from labkit.core.config import ConfigError
from labkit.core.counted import counted, unit_of
from labkit.core.display import Html, paragraph, table, text_samples
from labkit.data.curation import CurationConfig
from labkit.data.rules.measured import Flip, MeasuredDocuments, Verdict, with_changes
from labkit.data.rules.rule import Rule, RuleSet
from labkit.plots.curation import Kept, keep_rate_bars, keep_rate_figure
from labkit.widgets.exports import export_row
from labkit.widgets.markup import html_widget, look_like_output, show_html
from labkit.widgets.mode import is_interactive
from labkit.widgets.rule_control import RuleControl

NUM_FLIPS = 20
NUM_SHOWN, ROW_HEIGHT = 12, 32.5
"""Rules seen without scrolling, each of so many px: the box is cut between two of them."""
CONTROLS = {"max_height": f"{NUM_SHOWN * ROW_HEIGHT:.0f}px", "overflow": "hidden auto"}
"""The one part that scrolls by itself, so that a control and what follows a move are both seen."""
GRID = {
    "grid_template_columns": "repeat(auto-fit, minmax(min(760px, 100%), 1fr))",
    "grid_gap": "8px 24px",
}
"""Controls and bars: one above the other, side by side where the page is wide."""


class ThresholdPanel:
    """Shown as the last value of a cell; `value` is the rule set on the page.

    Args:
        config: the curation that it is for, whose thresholds it starts from and whose parameters
            it saves; `documents` are then measured by the preset's rules.
    """

    def __init__(
        self, documents: MeasuredDocuments, seed: int = 0, config: CurationConfig | None = None
    ):
        self.documents, self.seed, self.config = documents, seed, config
        self.controls: dict[str, RuleControl] = {}
        self._given = documents.rule_set
        self._changes: dict[str, float | None] = dict(config.thresholds) if config else {}
        if is_interactive():
            self._build()
            self.show(self._changes)

    @property
    def value(self) -> RuleSet:
        return with_changes(self._given, self._changes) if self._changes else self._given

    @property
    def changes(self) -> dict[str, float | None]:
        """Rule id -> threshold where it is not the given one; None where a rule is off."""
        return dict(self._changes)

    @property
    def verdict(self) -> Verdict:
        return self.documents.judge(self._changes)

    def show(self, changes: dict[str, float | None]) -> None:
        """Set controls and all that follows them; rules not named stand as given.

        Raises:
            ConfigError: no such rule, or none left.
        """
        with_changes(self._given, changes)
        for name, control in self.controls.items():
            control.show(changes.get(name, control.rule.threshold))
        self._changes = dict(changes)
        self._update()

    def save(self, path: str | Path) -> Path:
        """Write the curation's parameters with `thresholds` as on the page, null for a rule that is
        off; without a curation, `thresholds` alone.

        Raises:
            ConfigError: while a box shows what is no number.
        """
        import yaml

        self._refuse_faults()
        if self.config is not None:
            moved = self.config.with_overrides({"thresholds": self._changes})
            return moved.save_parameters(path)
        text = yaml.safe_dump({"thresholds": self._changes}, sort_keys=False, allow_unicode=True)
        return disk.save_file(path, text.encode())

    def save_rules(self, path: str | Path) -> Path:
        """Write the whole set, every field of it; `RuleSet.model_validate` takes it.

        Raises:
            ConfigError: while a box shows what is no number.
        """
        self._refuse_faults()
        return disk.save_json(path, self.value.model_dump(mode="json"))

    def rule_table(self, verdict: Verdict) -> Html:
        """Per rule, in their order: documents that it is the first to refuse."""
        before, now = self.documents.as_given.num_dropped, verdict.num_dropped
        rows = [
            (rule.id, _side(rule, threshold), int(dropped), _signed(dropped - given))
            for rule, threshold, dropped, given in zip(
                self._given.rules, verdict.thresholds.tolist(), now, before, strict=True
            )
        ]
        columns = ["rule, in their order", "keeps", "drops first", "against preset"]
        return table(columns, rows)

    def sentence(self, verdict: Verdict) -> Html:
        whole, kept = len(self.documents), int(verdict.is_kept.sum())
        newly_kept, newly_dropped = self.documents.num_flips(verdict)
        return paragraph(
            f"{kept:,} of {counted(whole, 'document is', 'documents are')} kept "
            f"({kept / whole:.1%}), {whole - kept:,} dropped. Against the preset "
            f"{self._given.name}: {newly_kept:,} more kept, {newly_dropped:,} more dropped."
        )

    def flip_samples(self, verdict: Verdict) -> Html:
        """Documents whose verdict changed, drawn by the seed: rule, value, threshold, beginning."""
        flips = self.documents.flips(verdict, NUM_FLIPS, self.seed)
        if not flips:
            return paragraph("No document's verdict differs from the preset's: move a threshold.")
        shown, whole = len(flips), sum(self.documents.num_flips(verdict))
        heading = f"{shown} of {whole:,} documents whose verdict changed, drawn by seed {self.seed}"
        return paragraph(heading) + text_samples([(_label(flip), flip.text) for flip in flips])

    def static_figure(self) -> go.Figure:
        return keep_rate_figure(self._rates(self.verdict), self._given.name)

    def _build(self) -> None:
        self.controls = {rule.id: RuleControl(rule, self._moved) for rule in self._given.rules}
        self.readout = html_widget(css_class="labkit-readout")
        self.rates = html_widget(css_class="labkit-rates")
        self.flips = html_widget(css_class="labkit-flips")
        back = widgets.Button(description="Back to the preset")
        back.on_click(lambda _: self.show({}))
        others = widgets.Button(description="Other examples", tooltip="draws by the next seed")
        others.on_click(lambda _: self._draw_again())
        rules = widgets.VBox([one.widget for one in self.controls.values()], layout=CONTROLS)
        rules.add_class("labkit-rules")
        self.heading = html_widget(self._heading(), "labkit-heading")
        listed = widgets.VBox([self.heading, rules])
        rates, flips = widgets.VBox([self.rates]), widgets.VBox([self.flips])
        look_like_output(rates)
        look_like_output(flips)
        grid = widgets.GridBox([listed, rates], layout=GRID)
        exports = export_row({"params.yaml": self.save, "rules.json": self.save_rules})
        buttons = widgets.HBox([back, others, exports], layout={"flex_flow": "row wrap"})
        self.widget = widgets.VBox([self.readout, grid, buttons, flips])
        self.widget.add_class("labkit-panel")

    def _heading(self) -> Html:
        number = len(self.controls)
        scroll = f"; {NUM_SHOWN} are seen at a time, scroll for the others"
        return paragraph(
            f"{counted(number, 'rule')} in their order, each counting what those above it let "
            f"through{scroll if number > NUM_SHOWN else ''}"
        )

    def _moved(self, control: RuleControl) -> None:
        name, threshold = control.rule.id, control.threshold
        changes = {key: value for key, value in self._changes.items() if key != name}
        if threshold != control.rule.threshold:
            changes[name] = threshold
        try:
            with_changes(self._given, changes)
        except ConfigError as error:
            control.show(self._changes.get(name, control.rule.threshold))
            control.say(str(error))
            return
        self._changes = changes
        self._update()

    def _update(self) -> None:
        if not self.controls:
            return
        verdict = self.verdict
        show_html(self.readout, self.sentence(verdict))
        show_html(self.rates, keep_rate_bars(self._rates(verdict), self._given.name))
        changes = verdict.num_dropped - self.documents.as_given.num_dropped
        for control, dropped, change in zip(
            self.controls.values(), verdict.num_dropped.tolist(), changes.tolist(), strict=True
        ):
            control.count(dropped, change)
        show_html(self.flips, self.flip_samples(verdict))

    def _draw_again(self) -> None:
        self.seed += 1
        show_html(self.flips, self.flip_samples(self.verdict))

    def _rates(self, verdict: Verdict) -> list[Kept]:
        return [Kept(*one) for one in self.documents.keep_rates(verdict)]

    def _refuse_faults(self) -> None:
        if faults := {name: one.fault for name, one in self.controls.items() if one.fault}:
            raise ConfigError(faults)

    def _ipython_display_(self) -> None:
        from IPython.display import display

        if self.controls:
            display(self.widget)
            return
        verdict = self.verdict
        display(self.sentence(verdict))
        display(self.static_figure())
        display(self.rule_table(verdict))


def _side(rule: Rule, threshold: float) -> str:
    if abs(threshold) == float("inf"):
        return "all: switched off"
    least = "at least" if rule.refuse == "below" else "at most"
    return f"{least} {_number(threshold, 6)} {unit_of(threshold, rule.unit)}".rstrip()


def _signed(difference: int) -> str:
    return f"{difference:+,}" if difference else "same"


def _label(flip: Flip) -> str:
    where = " · ".join(part for part in (flip.source, flip.language, flip.id) if part)
    verdict = "now KEPT, preset dropped it" if flip.is_kept else "now DROPPED"
    return f"{verdict}: {flip.rule}, {_against(flip.value, flip.threshold)} · {where}"


def _against(value: float, threshold: float) -> str:
    """With as many digits as tell them apart.

    >>> _against(100_001.0, 100_000.0), _against(0.100004, 0.1)
    ('100,001 against 100,000', '0.100004 against 0.1')
    """
    shown = [(_number(value, digits), _number(threshold, digits)) for digits in (4, 6, 9, 17)]
    return " against ".join(next((pair for pair in shown if pair[0] != pair[1]), shown[-1]))


def _number(value: float, digits: int) -> str:
    """Whole numbers wholly: `g` alone writes 100,000 as 1e+05."""
    return f"{value:,.0f}" if value.is_integer() else f"{value:,.{digits}g}"
