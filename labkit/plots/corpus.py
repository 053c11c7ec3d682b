"""Corpus figures: lengths, classes of characters, rank against frequency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from labkit.core.counted import counted
from labkit.core.display import plain_label
from labkit.plots.palette import SERIES, TEXT, figure


def length_figure(lengths_by_source: Mapping[str, np.ndarray], num_bins: int = 40) -> go.Figure:
    """Histogram of document lengths in characters, log-spaced bins, one colour per source.

    Empty documents have no place on a log axis: they are counted in the title.
    """
    everything = np.concatenate([*lengths_by_source.values(), np.zeros(0)])
    positive = everything[everything > 0]
    num_empty = len(everything) - len(positive)
    title = f"Document lengths, {counted(len(everything), 'document')}"
    result = figure(
        title={"text": title + (f" ({num_empty:,} empty ones not shown)" if num_empty else "")},
        xaxis_title="characters",
        xaxis_type="log",
        yaxis_title="documents",
        barmode="stack",
    )
    if not len(positive):
        positive = np.ones(1)  # every source keeps its bars, which are empty
    low, high = np.log10(positive.min()), np.log10(positive.max())
    edges = np.logspace(low, max(high, low + 0.01), num_bins + 1)
    centres = np.sqrt(edges[:-1] * edges[1:])
    for number, (source, lengths) in enumerate(lengths_by_source.items()):
        shown = np.clip(lengths[lengths > 0], edges[0], edges[-1])
        result.add_bar(
            name=plain_label(source),
            x=centres,
            y=np.histogram(shown, bins=edges)[0],
            width=edges[1:] - edges[:-1],
            marker_color=SERIES[number % len(SERIES)],
            hovertemplate="about %{x:,.0f} characters: %{y} documents<extra></extra>",
        )
    return result


def script_figure(shares: Sequence[tuple[str, str, float]]) -> go.Figure:
    """Stacked shares of character classes per source, from (source, class, share 0..1)."""
    sources = list(dict.fromkeys(source for source, _, _ in shares))
    classes = list(dict.fromkeys(name for _, name, _ in shares))
    result = figure(
        title={"text": "What the characters are"},
        barmode="stack",
        xaxis_title="share of characters",
        xaxis_tickformat=".0%",
        height=170 + 45 * len(sources),
        yaxis_autorange="reversed",
    )
    found = {(source, name): share for source, name, share in shares}
    for number, name in enumerate(classes):
        result.add_bar(
            name=name,
            orientation="h",
            y=[plain_label(source) for source in sources],
            x=[found.get((source, name), 0.0) for source in sources],
            marker_color=SERIES[number % len(SERIES)],
            marker_pattern_shape="/" if number >= len(SERIES) else "",
            hovertemplate=f"{name}: %{{x:.2%}}<extra></extra>",
        )
    return result


def zipf_figure(
    units: Sequence[str], frequencies: Sequence[int], slope: float, fit_ranks: tuple[int, int]
) -> go.Figure:
    """Frequency against rank, log-log, most frequent first, with the fitted line.

    Draws at most 500 of the ranks, spaced evenly on the log axis.
    """
    result = figure(
        title={"text": "Rank and frequency"},
        xaxis_title="rank",
        yaxis_title="occurrences",
        xaxis_type="log",
        yaxis_type="log",
        showlegend=False,
    )
    shown = np.unique(np.geomspace(1, max(len(units), 1), 500).astype(int)) - 1
    shown = shown[shown < len(units)]
    result.add_scatter(
        x=shown + 1,
        y=[frequencies[rank] for rank in shown],
        text=[plain_label(units[rank], 40) for rank in shown],
        mode="markers",
        marker={"size": 5, "color": SERIES[0]},
        hovertemplate="%{text}: rank %{x}, %{y:,} times<extra></extra>",
    )
    first, last = fit_ranks[0], min(fit_ranks[1], len(units))
    if first < last and np.isfinite(slope):
        ranks = np.geomspace(first, last, 2)
        middle = int(np.sqrt(first * last))
        line = frequencies[middle - 1] * (ranks / middle) ** -slope
        result.add_scatter(x=ranks, y=line, mode="lines", line={"color": TEXT, "dash": "dash"})
    return result
