"""Tokenizer figures: what a million characters cost, how much of one text a token holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import plotly.graph_objects as go

from labkit.core.display import plain_label
from labkit.plots.palette import SERIES, TEXT, figure


class TokenCost(NamedTuple):
    """Tokens for a million characters of one text, with its interval."""

    tokenizer: str
    text: str
    tokens: float
    low: float
    high: float


def token_cost_figure(costs: Sequence[TokenCost]) -> go.Figure:
    """Grouped bars: one group per text, one colour per tokenizer, intervals as whiskers."""
    result = figure(
        title={"text": "Tokens that a million characters cost"},
        yaxis_title="tokens",
        barmode="group",
        height=420,
    )
    names = list(dict.fromkeys(cost.tokenizer for cost in costs))
    for number, name in enumerate(names):
        own = [cost for cost in costs if cost.tokenizer == name]
        result.add_bar(
            name=plain_label(name),
            x=[plain_label(cost.text) for cost in own],
            y=[cost.tokens for cost in own],
            marker_color=SERIES[number % len(SERIES)],
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [max(cost.high - cost.tokens, 0) for cost in own],
                "arrayminus": [max(cost.tokens - cost.low, 0) for cost in own],
                "color": TEXT,
            },
            hovertemplate="%{x}: %{y:,.0f} tokens<extra></extra>",
        )
    return result


def bytes_per_token_figure(ratios: Sequence[tuple[str, float]]) -> go.Figure:
    """Horizontal bars of (tokenizer, bytes per token of one text)."""
    result = figure(
        title={"text": "Bytes that a token of this text holds"},
        xaxis_title="bytes per token",
        yaxis_autorange="reversed",
        height=130 + 35 * len(ratios),
    )
    result.add_bar(
        orientation="h",
        y=[plain_label(name) for name, _ in ratios],
        x=[ratio for _, ratio in ratios],
        marker_color=SERIES[0],
        hovertemplate="%{y}: %{x:.2f} bytes per token<extra></extra>",
    )
    return result
