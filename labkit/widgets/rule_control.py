"""One rule as a row of a form: a switch, its threshold as box and slider, what it drops."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets as widgets

from labkit.core import disk
from labkit.core.display import fault
from labkit.core.schema import FieldFace
from labkit.data.rules.rule import Rule
from labkit.widgets.controls import NumberControl
from labkit.widgets.form import FAULT_CLASS
from labkit.widgets.markup import html_widget, show_html

LABEL_WIDTH, BOX_WIDTH, SLIDER_WIDTH, UNIT_WIDTH = "204px", "274px", "76px", "112px"
COUNT_WIDTH = "236px"
SWITCH = {"width": "22px", "margin": "4px 2px -1px 2px"}
"""ipywidgets sets a checkbox on the baseline of a line of text, 2.5 px above its middle."""
LONG_RANGE = 10_000
"""From which the slider is logarithmic, over four decades below the rule's `highest`."""


class RuleControl:
    """`moved` is called with it after each change; `fault` is what is wrong with what was typed."""

    def __init__(self, rule: Rule, moved: Callable[[RuleControl], None]):
        self.rule, self.fault = rule, ""
        self._tell, self._is_quiet = moved, False
        self.switch = widgets.Checkbox(
            value=True,
            indent=False,
            description="",
            tooltip=f"use the rule {rule.id}: {rule.value}",
        )
        self.number = NumberControl(_face(rule), self._moved)
        self.dropped = widgets.Label(tooltip="documents that it is the first to refuse")
        self.line = html_widget(fault(""), FAULT_CLASS)
        self._lay_out()
        self.number.show(rule.threshold)
        self.switch.observe(lambda _: self._moved(), names="value")

    @property
    def threshold(self) -> float | None:
        """None where the rule is switched off.

        Raises:
            ValueError: what was typed is no number, or no threshold of the rule.
        """
        if not self.switch.value:
            return None
        threshold = float(self.number.read())
        if wrong := self.rule.fault_of(threshold):
            raise ValueError(wrong)
        return threshold

    def show(self, threshold: float | None) -> None:
        """Without telling anyone."""
        self._is_quiet = True
        self.switch.value = threshold is not None
        self.number.show(self.rule.threshold if threshold is None else threshold)
        self._is_quiet = False
        self.say("")

    def count(self, num_dropped: int, difference: int) -> None:
        """Show how many documents it is the first to refuse, and how many more than as given."""
        now = f"drops {num_dropped:,}" if self.switch.value else "switched off"
        self.dropped.value = f"{now}, {difference:+,} against preset" if difference else now

    def say(self, text: str) -> None:
        """Show a fault, or none."""
        self.fault = text
        for part in (self.number.main, self.number.slider):
            part.disabled = not self.switch.value
        if self.line.value != fault(text).markup:
            show_html(self.line, fault(text))

    def _moved(self) -> None:
        if self._is_quiet:
            return
        try:
            self.threshold  # noqa: B018
        except ValueError as error:
            self.say(f"{self.rule.id}={self.number.main.value!r}: {error}")
            return
        self.say("")
        self._tell(self)

    def _lay_out(self) -> None:
        box, slider = self.number.main, self.number.slider
        box.description = self.rule.id
        box.style.description_width = LABEL_WIDTH
        box.layout.width = BOX_WIDTH
        self.switch.layout = widgets.Layout(**SWITCH)
        side = "min" if self.rule.refuse == "below" else "max"
        unit = widgets.Label(f"{side} {self.rule.unit or 'ratio'}", tooltip=self.number.face.help)
        unit.layout.width = UNIT_WIDTH
        slider.layout = widgets.Layout(width="auto", min_width=SLIDER_WIDTH, flex="1 1 auto")
        self.dropped.layout.flex = f"0 0 {COUNT_WIDTH}"
        parts = [self.switch, box, slider, unit, self.dropped]
        row = widgets.HBox(parts, layout={"align_items": "center"})
        row.add_class(f"labkit-rule-{disk.slug(self.rule.id)}")
        self.widget = widgets.VBox([row, self.line])
        self.widget.layout.flex = "0 0 auto"


def _face(rule: Rule) -> FieldFace:
    """A slider from 0 to the rule's `highest`; a box beyond it where a count is."""
    is_long = rule.highest >= LONG_RANGE
    source = f"; {rule.source}" if rule.source else ""
    return FieldFace(
        name="threshold",
        kind="float",
        default=rule.threshold,
        description=f"drops documents whose {rule.value} is {rule.refuse} it{source}",
        unit=rule.unit,
        lower=rule.highest / LONG_RANGE if is_long else 0.0,
        upper=rule.highest,
        scale="log" if is_long else "linear",
        step=None if is_long else 0.005 if rule.highest <= 1 else rule.highest / 200,
    )
