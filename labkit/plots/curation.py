"""Figures of a curation: what each step drops, what is kept of each source, before and after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import plotly.graph_objects as go

from labkit.core.display import Html, bars, plain_label
from labkit.plots.palette import SERIES, TEXT, figure

BAR_HEIGHT = 24
MAX_NAME_CHARACTERS = 28


class Kept(NamedTuple):
    """One bar: documents kept of how many, and how many the preset would keep."""

    name: str
    num_documents: int
    num_kept: int
    num_kept_by_preset: int


class Passed(NamedTuple):
    """One step: documents or bytes that came in and that it kept."""

    name: str
    num_in: int
    num_kept: int


def keep_rate_figure(rows: Sequence[Kept], preset: str = "preset") -> go.Figure:
    """A bar per source and language, a mark where the preset's keep-rate is, numbers beside."""
    result = figure(
        title={"text": "Documents kept"},
        xaxis_tickformat=".0%",
        xaxis_range=[0, 1.35],
        xaxis_tickvals=[0, 0.25, 0.5, 0.75, 1],
        yaxis_autorange="reversed",
        yaxis_showgrid=False,
        height=120 + BAR_HEIGHT * len(rows),
        margin={"l": 60, "r": 10, "t": 70, "b": 40},
        legend={"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom"},
    )
    names, (ratios, numbers) = _names([row.name for row in rows]), keep_rates(rows)
    result.add_bar(
        name="now",
        orientation="h",
        y=names,
        x=ratios,
        marker_color=SERIES[0],
        hovertemplate="%{y}: %{x:.1%}<extra></extra>",
    )
    result.add_scatter(
        mode="text",
        y=names,
        x=[1.03] * len(rows),
        text=numbers,
        textposition="middle right",
        textfont={"color": TEXT, "size": 12},
        hoverinfo="skip",
        showlegend=False,
    )
    result.add_scatter(
        name=plain_label(preset),
        mode="markers",
        y=names,
        x=[_ratio(row.num_kept_by_preset, row.num_documents) for row in rows],
        marker={"symbol": "line-ns-open", "size": 16, "color": SERIES[1], "line": {"width": 3}},
        hovertemplate=f"%{{y}}, {plain_label(preset)}: %{{x:.1%}}<extra></extra>",
    )
    return result


def keep_rate_bars(rows: Sequence[Kept], preset: str = "preset") -> Html:
    """The figure as a table, for a page where it changes often: plotly takes longer to draw."""
    ratios, numbers = keep_rates(rows)
    before = [_ratio(row.num_kept_by_preset, row.num_documents) for row in rows]
    shown = zip([_cut(row.name) for row in rows], ratios, before, numbers, strict=True)
    caption = f"Documents kept: a bar for now, a mark for the preset {preset}"
    return bars(caption, shown, (SERIES[0], SERIES[1]))


def keep_rates(rows: Sequence[Kept]) -> tuple[list[float], list[str]]:
    """(shares 0..1, what stands beside them)."""
    ratios = [_ratio(row.num_kept, row.num_documents) for row in rows]
    numbers = [
        f"{ratio:.1%}, {row.num_kept:,} of {row.num_documents:,}"
        for ratio, row in zip(ratios, rows, strict=True)
    ]
    return ratios, numbers


def funnel_figure(steps: Sequence[Passed], unit: str = "documents") -> go.Figure:
    """What each step kept and dropped of what came to it, first step on top."""
    result = figure(
        title={"text": f"What each step keeps, {unit}"},
        barmode="stack",
        xaxis_title=unit,
        xaxis_showgrid=False,
        yaxis_autorange="reversed",
        yaxis_showgrid=False,
        height=130 + BAR_HEIGHT * len(steps),
    )
    names = _names([f"{number}. {step.name}" for number, step in enumerate(steps, start=1)])
    result.add_bar(
        name="kept",
        orientation="h",
        y=names,
        x=[step.num_kept for step in steps],
        marker_color=SERIES[0],
        hovertemplate=f"%{{y}}: %{{x:,}} {unit} kept<extra></extra>",
    )
    result.add_bar(
        name="dropped",
        orientation="h",
        y=names,
        x=[step.num_in - step.num_kept for step in steps],
        marker={"color": SERIES[1], "pattern": {"shape": "/"}},
        text=[f"{_ratio(step.num_kept, step.num_in):.1%} kept" for step in steps],
        textposition="outside",
        textfont={"color": TEXT},
        cliponaxis=False,
        hovertemplate=f"%{{y}}: %{{x:,}} {unit} dropped<extra></extra>",
    )
    most = max((step.num_in for step in steps), default=0)
    result.update_xaxes(range=[0, 1.15 * most or 1])
    return result


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _cut(name: str) -> str:
    too_long = len(name) > MAX_NAME_CHARACTERS
    return name[: MAX_NAME_CHARACTERS - 1] + "…" if too_long else name


def _names(names: Sequence[str]) -> list[str]:
    """Labels that differ: two that are cut to the same would be one bar."""
    seen, labels = set(), []
    for name in names:
        label = plain_label(name, MAX_NAME_CHARACTERS)
        while label in seen:
            label += "\u00a0"
        seen.add(label)
        labels.append(label)
    return labels
