"""What if documents shorter or longer than this were dropped? A figure and a count that follow."""

from __future__ import annotations

from typing import Any, Self

import ipywidgets as widgets
import numpy as np
import plotly.graph_objects as go
from pydantic import model_validator

from labkit.core.config import Config, field
from labkit.core.counted import counted
from labkit.core.display import paragraph
from labkit.data.exploration import Exploration
from labkit.plots.corpus import length_figure
from labkit.widgets.form import ConfigForm
from labkit.widgets.markup import html_widget, show_html
from labkit.widgets.mode import is_interactive


class LengthView(Config):
    """Which lengths to look at."""

    num_bins: int = field(40, "bins of the histogram", ge=5, le=200)
    min_characters: int = field(1, "shortest document kept", unit="characters", ge=1, le=10**7)
    max_characters: int = field(
        10**9, "longest document kept", unit="characters", ge=1, le=10**9, scale="log"
    )

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.min_characters > self.max_characters:
            raise ValueError(
                f"min_characters={self.min_characters} is above "
                f"max_characters={self.max_characters}; nothing would be kept"
            )
        return self


class CorpusPanel:
    """`value` is the view shown; in batch the panel is its static figure."""

    def __init__(self, exploration: Exploration, view: LengthView | None = None):
        self._lengths = {
            source: exploration.of_source(source)["num_characters"].to_numpy()
            for source in exploration.sources()
        }
        self._form = ConfigForm(view or LengthView())
        self._form.observe(self._show)
        self.readout = html_widget(paragraph(self._sentence(self.value)), "labkit-readout")
        self._figure: Any = None

    @property
    def value(self) -> LengthView:
        return self._form.value

    @property
    def form(self) -> ConfigForm[LengthView]:
        return self._form

    def figure(self) -> go.Figure:
        kept = {source: self._kept(source, self.value) for source in self._lengths}
        return length_figure(kept, self.value.num_bins)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        if not is_interactive():
            return self.figure()._repr_mimebundle_(**options)
        if self._figure is None:
            self._figure = go.FigureWidget(self.figure())
            self._form.answered_by(self.readout, self._figure)
        page = widgets.VBox([self._form.widget, self.readout, self._figure])
        return page._repr_mimebundle_(**options)

    def _show(self, view: LengthView) -> None:
        show_html(self.readout, paragraph(self._sentence(view)))
        if self._figure is not None:
            fresh: Any = self.figure()
            with self._figure.batch_update():
                for shown, bars in zip(self._figure.data, fresh.data, strict=True):
                    shown.update(x=bars.x, y=bars.y, width=bars.width)
                self._figure.layout.title.text = fresh.layout.title.text

    def _kept(self, source: str, view: LengthView) -> np.ndarray:
        lengths = self._lengths[source]
        return lengths[(lengths >= view.min_characters) & (lengths <= view.max_characters)]

    def _sentence(self, view: LengthView) -> str:
        kept = np.concatenate([self._kept(source, view) for source in self._lengths])
        whole = np.concatenate(list(self._lengths.values()))
        share = kept.sum() / max(whole.sum(), 1)
        return (
            f"{len(kept):,} of {counted(len(whole), 'document is', 'documents are')} kept, "
            f"with {counted(int(kept.sum()), 'character')} "
            f"({share:.1%})."
        )
