"""Figures of a comparison: effects with intervals, and curves with the band of their seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

from labkit.core.display import plain_label
from labkit.plots.palette import BAND, SERIES, TEXT, figure

COLOURS = {"better": SERIES[2], "worse": SERIES[1], "equivalent": SERIES[0]}
"""Of a verdict's word; grey where nothing was shown."""


class Effect(NamedTuple):
    """One arm against the baseline, in bits per byte; `seeds` are its scores minus the mean of the
    baseline's.
    """

    name: str
    word: str
    estimate: float
    low: float
    high: float
    seeds: Sequence[float]


class Band(NamedTuple):
    """Curves of one arm: a row per seed over the same tokens."""

    name: str
    tokens: Sequence[float]
    values: np.ndarray


def effect_figure(effects: Sequence[Effect], margin: float, title: str = "") -> go.Figure:
    """A line per arm: the interval, the estimate, each seed; what doesn't matter is shaded."""
    result = figure(
        title={"text": plain_label(title)},
        xaxis_title="bits per byte against the baseline (left is better)",
        yaxis_autorange="reversed",
        height=150 + 34 * len(effects),
        showlegend=False,
    )
    result.add_vrect(x0=-margin, x1=margin, fillcolor=BAND, line_width=0, layer="below")
    result.add_vline(x=0, line={"color": TEXT, "width": 1})
    for effect in effects:
        name = plain_label(f"{effect.name}: {effect.word}")
        colour = COLOURS.get(effect.word, TEXT)
        result.add_scatter(
            x=list(effect.seeds),
            y=[name] * len(effect.seeds),
            mode="markers",
            marker={"color": colour, "size": 6, "symbol": "line-ns-open"},
            hovertemplate="a seed: %{x:+.4f}<extra></extra>",
        )
        result.add_scatter(
            x=[effect.estimate],
            y=[name],
            mode="markers",
            marker={"color": colour, "size": 10},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [effect.high - effect.estimate],
                "arrayminus": [effect.estimate - effect.low],
                "color": colour,
            },
            hovertemplate="%{x:+.4f}<extra></extra>",
        )
    return result


def band_figure(bands: Sequence[Band], y_title: str, title: str = "") -> go.Figure:
    """The mean of each arm's seeds over tokens, shaded from the lowest to the highest seed."""
    result = figure(
        title={"text": plain_label(title)},
        xaxis_title="tokens",
        yaxis_title=plain_label(y_title),
        legend={"orientation": "h", "y": -0.25},
    )
    for number, band in enumerate(bands):
        colour = SERIES[number % len(SERIES)]
        if len(band.values) > 1:
            result.add_scatter(**_area(band, colour))
        count = f", {len(band.values)} seeds" if len(band.values) > 1 else ", one seed"
        result.add_scatter(
            x=list(band.tokens),
            y=band.values.mean(axis=0),
            name=plain_label(band.name) + count,
            mode="lines+markers",
            line={"color": colour, "width": 2},
            legendgroup=band.name,
        )
    return result


def _area(band: Band, colour: str) -> dict[str, Any]:
    lowest, highest = band.values.min(axis=0), band.values.max(axis=0)
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return {
        "x": [*band.tokens, *reversed(band.tokens)],
        "y": np.concatenate([highest, lowest[::-1]]),
        "fill": "toself",
        "fillcolor": f"rgba({red},{green},{blue},0.2)",
        "line": {"width": 0},
        "mode": "lines",
        "hoverinfo": "skip",
        "showlegend": False,
        "legendgroup": band.name,
    }
