from __future__ import annotations

from labkit.plots.curation import Kept, Passed, funnel_figure, keep_rate_figure
from tests.hostile import HOSTILE_TEXTS, active_elements


def test_keep_rates_are_bars_with_the_presets_beside_them():
    bars, numbers, preset = keep_rate_figure([Kept("all", 4, 1, 2), Kept("none", 0, 0, 0)]).data
    assert list(bars.x) == [0.25, 0]
    assert list(preset.x) == [0.5, 0]
    assert numbers.text[0] == "25.0%, 1 of 4"


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
    assert (
        active_elements(" ".join(funnel_figure([Passed(one.name, 1, 1) for one in rows]).data[0].y))
        == []
    )
