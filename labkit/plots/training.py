"""Training figures: loss against tokens with validation's error bars, and the learning rate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

from labkit.core.display import plain_label
from labkit.plots.palette import SERIES, figure

MAX_POINTS = 500
Points = Sequence[float] | np.ndarray


class Point(NamedTuple):
    """One evaluation: nats per token, and the interval's ends."""

    tokens: int
    loss: float
    low: float
    high: float


class Curve(NamedTuple):
    """One run: tokens and training loss of each step, and its evaluations."""

    name: str
    tokens: Sequence[float]
    losses: Sequence[float]
    evaluations: Sequence[Point]


def loss_figure(curves: Sequence[Curve], title: str = "Loss") -> go.Figure:
    """Training loss thin, validation with its 95% interval; two traces for each curve."""
    result = figure(
        title={"text": plain_label(title)},
        xaxis_title="tokens",
        yaxis_title="nats per token",
        legend={"orientation": "h", "y": -0.25},
    )
    for number, curve in enumerate(curves):
        colour = SERIES[number % len(SERIES)]
        name = plain_label(curve.name)
        tokens, losses = thinned(curve.tokens, curve.losses)
        result.add_scatter(
            x=tokens,
            y=losses,
            name=f"{name}, training",
            mode="lines",
            opacity=0.75,
            line={"color": colour, "width": 1},
        )
        validation = evaluation_data(curve.evaluations)
        result.add_scatter(
            x=validation["x"],
            y=validation["y"],
            error_y=validation["error_y"],
            name=f"{name}, validation (95% over windows)",
            mode="lines+markers",
            line={"color": colour, "width": 2},
            marker={"color": colour, "size": 7},
        )
    return result


def evaluation_data(points: Sequence[Point]) -> dict[str, Any]:
    """x, y and error bars of the validation trace."""
    return {
        "x": [point.tokens for point in points],
        "y": [point.loss for point in points],
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [point.high - point.loss for point in points],
            "arrayminus": [point.loss - point.low for point in points],
        },
    }


def thinned(xs: Points, ys: Points, limit: int = MAX_POINTS) -> tuple[np.ndarray, np.ndarray]:
    """At most `limit` points: the first, the last, and the lowest and highest of equal slices.

    What is drawn are steps that were taken, and their envelope is that of the whole curve: a mean
    would smooth a spike of one step away. NaNs are left out where a slice has anything else.

    >>> [axis.tolist() for axis in thinned([0, 1, 2, 3, 4, 5], [5, 4, 9, 3, 2, 1], limit=4)]
    [[0, 2, 4, 5], [5.0, 9.0, 2.0, 1.0]]
    """
    x, y = np.asarray(xs), np.asarray(ys, dtype=float)
    if len(x) <= limit:
        return x, y
    num_slices = max((limit - 2) // 2, 1)
    starts = np.arange(num_slices) * (len(x) - 2) // num_slices
    lowest, highest = (_peaks(side, starts) for side in (-y[1:-1], y[1:-1]))
    kept = np.unique(np.concatenate([[0], 1 + lowest, 1 + highest, [len(x) - 1]]))
    return x[kept], y[kept]


def _peaks(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Where in each slice its highest value stands first; NaN counts as lowest."""
    values = np.where(np.isnan(values), -np.inf, values)
    sizes = np.diff(np.append(starts, len(values)))
    is_peak = values == np.repeat(np.maximum.reduceat(values, starts), sizes)
    found = np.flatnonzero(is_peak)
    return found[np.searchsorted(found, starts)]


def schedule_figure(tokens: Points, ratios: Points) -> go.Figure:
    """The learning rate over the budget, as a share of its peak."""
    result = figure(
        title={"text": "Learning rate"},
        xaxis_title="tokens",
        yaxis_title="share of the peak",
        height=260,
        showlegend=False,
    )
    result.add_scatter(x=tokens, y=ratios, mode="lines", line={"color": SERIES[0]})
    return result
