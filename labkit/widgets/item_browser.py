"""Scored questions to read, one at a time: its choices with each token's likelihood."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ipywidgets as widgets

from labkit.core.config import Config, field
from labkit.core.display import Html, likelihood_strip, paragraph, text_samples
from labkit.evaluation.rules import DEFAULT_RULE, RULES, picked
from labkit.evaluation.scoring import ItemScore
from labkit.exchange.trained_model import TrainedModel
from labkit.widgets.form import ConfigForm
from labkit.widgets.markup import html_widget, show_html
from labkit.widgets.mode import is_interactive

STATIC_ITEMS = 3
"""Questions shown in batch, where nothing can be clicked."""


class ShownItem(Config):
    """Which question is shown."""

    model: int = field(1, "which of the models, in their order", ge=1, le=100)
    task: int = field(1, "which of the tasks, in their order", ge=1, le=100)
    number: int = field(1, "which question of the task", ge=1, le=100_000)
    rule: str = field(DEFAULT_RULE, "how the answer is chosen", choices=lambda: tuple(RULES))


class ItemBrowser:
    """`value` is what is shown; in batch the first questions of the first model."""

    def __init__(
        self,
        models: Mapping[str, TrainedModel],
        scores: Mapping[str, Mapping[str, Sequence[ItemScore]]],
        shown: ShownItem | None = None,
    ):
        self._models, self._scores = models, scores
        self.form = ConfigForm(shown or ShownItem())
        self.readout = html_widget(self.page(self.value), "labkit-readout")
        self.form.answered_by(self.readout)
        self.form.observe(lambda one: show_html(self.readout, self.page(one)))

    @property
    def value(self) -> ShownItem:
        return self.form.value

    def page(self, shown: ShownItem) -> Html:
        """The question, and its choices as they were judged; numbers beyond the last show it."""
        model = list(self._models)[min(shown.model, len(self._models)) - 1]
        tasks = self._scores[model]
        task = list(tasks)[min(shown.task, len(tasks)) - 1]
        number = min(shown.number, len(tasks[task]))
        one = tasks[task][number - 1]
        where = f"{model}, {task}, question {number:,} of {len(tasks[task]):,}: {one.item.name}"
        page = paragraph(where) + text_samples([("stem", one.item.stem)], limit=2000)
        if one.problem:
            return page + paragraph(f"not scored: {one.problem}")
        answer = picked(one, shown.rule)
        for place, choice in enumerate(one.choices):
            label = f"{RULES[shown.rule](choice):.3f} nats {shown.rule}"
            label += ", right" * (place == one.item.gold) + ", picked" * (place == answer)
            pieces = [self._models[model].tokenizer.token_bytes(token) for token in choice.tokens]
            page += likelihood_strip(label, zip(pieces, choice.token_log_likelihoods, strict=True))
        return page

    def _ipython_display_(self) -> None:
        from IPython.display import display

        if is_interactive():
            display(widgets.VBox([self.form.widget, self.readout]))
            return
        for number in range(1, STATIC_ITEMS + 1):
            display(self.page(self.value.model_copy(update={"number": number})))
