"""One palette for every figure, readable on JupyterLab's light and dark themes alike.

Backgrounds are transparent, so a figure takes the page's colour. Text is the grey whose contrast
with white and with JupyterLab's dark #111111 is about equal (4.5 and 4.2 to 1); series colours
keep at least 3 to 1 against both (WCAG 2.2, 1.4.11) and differ in lightness for readers who see
few hues.
"""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

TEXT = "#767676"
GRID = "rgba(128,128,128,0.25)"
BAND = "rgba(59,125,216,0.20)"
SERIES = ["#3b7dd8", "#d9622b", "#2a9d6a", "#b0569c", "#9a7d0a", "#5f6f8c", "#c43f58", "#1b8a9a"]
FONT = "system-ui, -apple-system, 'Segoe UI', 'Noto Sans', 'Noto Sans CJK SC', sans-serif"


def figure(**layout: Any) -> go.Figure:
    """An empty figure in the house style; `layout` is passed to `update_layout`."""
    axis = {"gridcolor": GRID, "zerolinecolor": GRID, "linecolor": TEXT, "automargin": True}
    result = go.Figure()
    result.update_layout(
        template="none",
        colorway=SERIES,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": FONT, "size": 13, "color": TEXT},
        title={"x": 0.01, "xanchor": "left", "font": {"size": 15}},
        hoverlabel={"font": {"family": FONT}},
        margin={"l": 60, "r": 20, "t": 50, "b": 50},
        height=380,
        xaxis=axis,
        yaxis=axis,
    )
    result.update_layout(**layout)
    result.update_xaxes(title_font_size=13)
    result.update_yaxes(title_font_size=13)
    return result
