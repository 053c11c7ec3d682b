"""Cost figures: money per GPU with its band, memory by parts, billed against predicted hours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go

from labkit.core.machine import GIB
from labkit.plots.palette import BAND, SERIES, TEXT, figure


class Money(NamedTuple):
    """One bar: USD, and the band's ends."""

    gpu: str
    usd: float
    usd_low: float
    usd_high: float


def money_figure(bars: Sequence[Money], chosen: str) -> go.Figure:
    """Horizontal bars of USD with the band as whiskers; the chosen GPU in the first colour."""
    result = figure(
        title={"text": "What the run costs on each GPU with a sourced price"},
        xaxis_title="USD (whiskers: middle 80% of published families)",
        yaxis_autorange="reversed",
        height=120 + 55 * len(bars),
    )
    result.add_bar(
        orientation="h",
        y=[bar.gpu for bar in bars],
        x=[bar.usd for bar in bars],
        marker_color=[SERIES[0] if bar.gpu == chosen else SERIES[5] for bar in bars],
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [bar.usd_high - bar.usd for bar in bars],
            "arrayminus": [bar.usd - bar.usd_low for bar in bars],
            "color": TEXT,
        },
        hovertemplate="%{y}: %{x:,.0f} USD<extra></extra>",
    )
    return result


def memory_figure(parts_bytes: Mapping[str, int], capacity_bytes: float) -> go.Figure:
    """One stacked bar of GiB by part, and a line where the GPU's memory ends."""
    result = figure(
        title={"text": "Training memory of one GPU"},
        xaxis_title="GiB (2^30 bytes)",
        barmode="stack",
        height=230,
        legend={"orientation": "h", "y": -0.6},
    )
    for number, part in enumerate(parts_bytes):
        result.add_bar(
            name=part,
            orientation="h",
            y=[""],
            marker_color=SERIES[number % len(SERIES)],
            hovertemplate=f"{part}: %{{x:.2f}} GiB<extra></extra>",
        )
    result.add_vline(x=0, line={"dash": "dash", "color": TEXT}, annotation_text="GiB")
    show_memory(result, parts_bytes, capacity_bytes)
    return result


def show_memory(drawn: Any, parts_bytes: Mapping[str, int], capacity_bytes: float) -> None:
    """Other values in a figure that `memory_figure` drew; drawing it anew takes twenty times as
    long.
    """
    for bar, size in zip(drawn.data, parts_bytes.values(), strict=True):
        bar.x = [size / GIB]
    end = capacity_bytes / GIB
    drawn.layout.shapes[0].update(x0=end, x1=end)
    drawn.layout.annotations[0].update(x=end, text=f"{end:.1f} GiB")


def hours_figure(
    names: Sequence[str],
    predicted: Sequence[float],
    billed: Sequence[float],
    band: tuple[float, float],
) -> go.Figure:
    """Billed GPU hours of published runs against those predicted from other families, log-log."""
    ends = [min(predicted) / 1.5, max(predicted) * 1.5]
    result = figure(
        title={"text": "Published runs: hours billed against hours predicted"},
        xaxis_title="predicted GPU hours",
        yaxis_title="billed GPU hours",
        xaxis_type="log",
        yaxis_type="log",
        showlegend=False,
    )
    for factor, fill in ((band[0], None), (band[1], "tonexty")):
        result.add_scatter(
            x=ends,
            y=[end * factor for end in ends],
            mode="lines",
            line={"width": 0},
            fill=fill,
            fillcolor=BAND,
            hoverinfo="skip",
        )
    result.add_scatter(x=ends, y=ends, mode="lines", line={"color": TEXT, "width": 1})
    result.add_scatter(
        x=list(predicted),
        y=list(billed),
        text=list(names),
        mode="markers",
        marker={"color": SERIES[1], "size": 9},
        hovertemplate="%{text}<br>predicted %{x:,.0f}, billed %{y:,.0f}<extra></extra>",
    )
    return result
