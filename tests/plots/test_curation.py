from __future__ import annotations

import re

from labkit.plots.curation import (
    Kept,
    Passed,
    funnel_figure,
    keep_rate_bars,
    keep_rate_figure,
)
from tests.hostile import HOSTILE_TEXTS, active_elements


def test_keep_rates_are_bars_with_the_presets_beside_them():
    bars, numbers, preset = keep_rate_figure([Kept("all", 4, 1, 2), Kept("none", 0, 0, 0)]).data
    assert list(bars.x) == [0.25, 0]
    assert list(preset.x) == [0.5, 0]
    assert numbers.text[0] == "25.0%, 1 of 4"


def test_bars_of_a_page_are_as_wide_as_the_figures():
    rows = [Kept("all", 4, 1, 2), Kept("a long name " * 9, 8, 7, 7), Kept("none", 0, 0, 0)]
    markup = keep_rate_bars(rows, "english").markup
    widths = re.findall(r"width:([\d.]+)%;height:100%", markup)
    marks = re.findall(r"left:calc\(([\d.]+)%", markup)
    figure, _, preset = keep_rate_figure(rows).data
    assert [float(width) / 100 for width in widths] == list(figure.x)
    assert [float(mark) / 100 for mark in marks] == list(preset.x)
    assert ">25.0%, 1 of 4</td>" in markup
    assert ">a long name a long name a l…</td>" in markup


def test_a_step_of_the_funnel_keeps_and_drops_what_came_in():
    steps = [Passed("rules", 10, 6), Passed("rules", 6, 6)]
    kept, dropped = funnel_figure(steps).data
    came_in = [sum(both) for both in zip(kept.x, dropped.x, strict=True)]
    assert came_in == [10, 6]
    assert list(kept.y) == ["1. rules", "2. rules"]
    assert dropped.text[0] == "60.0% kept"
    assert dropped.marker.pattern.shape == "/"


def test_names_of_a_corpus_stay_text_and_apart():
    rows = [Kept(text, 1, 1, 1) for text in [*HOSTILE_TEXTS, *HOSTILE_TEXTS]]
    names = keep_rate_figure(rows).data[0].y
    assert len(set(names)) == len(rows)
    assert active_elements(" ".join(names)) == []
    assert active_elements(keep_rate_bars(rows, HOSTILE_TEXTS[0]).markup) == []
    assert (
        active_elements(" ".join(funnel_figure([Passed(one.name, 1, 1) for one in rows]).data[0].y))
        == []
    )
