from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from labkit.plots import palette
from labkit.plots.corpus import length_figure, script_figure, zipf_figure
from labkit.plots.cost import Money, hours_figure, memory_figure, money_figure
from labkit.plots.table import Table
from labkit.plots.training import Curve, Point, loss_figure, schedule_figure, thinned
from tests.hostile import HOSTILE_TEXTS, active_elements


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb, WCAG 2.2."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def contrast(one: str, other: str) -> float:
    high, low = sorted([luminance(one), luminance(other)], reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_contrast_of_black_and_white_is_21():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("background", ["#ffffff", "#111111"])
def test_colours_are_readable_in_light_and_dark(background):
    assert contrast(palette.TEXT, background) >= 4
    assert min(contrast(colour, background) for colour in palette.SERIES) >= 3
    assert palette.figure().layout.paper_bgcolor == "rgba(0,0,0,0)"


def test_lengths_are_counted_once_each():
    lengths = {"a": np.array([1, 10, 100, 0]), "b": np.array([5, 1000])}
    result = length_figure(lengths, num_bins=7)
    assert [int(bar.y.sum()) for bar in result.data] == [3, 2]
    assert result.layout.title.text == "Document lengths, 6 documents (1 empty ones not shown)"


def test_the_fitted_line_of_zipf_passes_through_the_points():
    counts = [100_000 // rank for rank in range(1, 2001)]
    points, line = zipf_figure([f"w{i}" for i in range(2000)], counts, 1.0, (10, 1000)).data
    assert len(points.x) <= 500
    assert line.y[0] == pytest.approx(10_000, rel=0.02)
    assert line.y[1] == pytest.approx(100, rel=0.02)


def test_scripts_are_stacked_to_the_whole():
    result = script_figure([("x", "latin", 0.75), ("x", "space", 0.25), ("y", "han", 1.0)])
    assert np.sum([bar.x for bar in result.data], axis=0).tolist() == [1.0, 1.0]


def test_cost_figures_show_band_capacity_and_choice():
    money = money_figure([Money("A", 10, 7, 15), Money("B", 20, 14, 30)], chosen="B").data[0]
    assert list(money.error_x.array) == [5, 10]
    assert list(money.error_x.arrayminus) == [3, 6]
    assert money.marker.color[1] == palette.SERIES[0] != money.marker.color[0]
    assert memory_figure({"weights": 2 * 2**30}, 80 * 2**30).layout.shapes[0].x0 == 80
    low, high, middle, runs = hours_figure(["m"], [100.0], [110.0], (0.5, 2.0)).data
    assert [y / x for x, y in zip(low.x, low.y, strict=True)] == [0.5, 0.5]
    assert [y / x for x, y in zip(high.x, high.y, strict=True)] == [2.0, 2.0]
    assert (list(middle.x), list(runs.y)) == (list(middle.y), [110.0])


def test_a_table_is_a_dataframe_that_escapes_and_separates():
    frame = Table({"n": [1234567, 2], "text": [HOSTILE_TEXTS[0], "b"]})
    assert isinstance(frame[frame["n"] > 2], Table)
    assert isinstance(frame, pd.DataFrame)
    markup = frame._repr_html_()
    assert "1,234,567" in markup
    assert active_elements(markup) == []
    assert "nothing found" in Table({"n": []})._repr_html_()
    assert "the first 60 of 100 rows" in Table({"n": range(100)})._repr_html_()


@pytest.mark.parametrize("size", [0, 1, 2, 499, 500, 501, 750, 998, 1003, 5000])
def test_a_thinned_curve_keeps_its_ends_its_envelope_and_any_spike(size):
    rng = np.random.default_rng(size)
    x, y = np.arange(size), rng.normal(3, 0.1, size)
    for spike in {0, 1, size // 2, size - 2, size - 1} & set(range(size)):
        for height in (9.0, 0.0):
            spiked = np.where(x == spike, height, y)
            kept_x, kept_y = thinned(x, spiked)
            assert len(kept_x) <= 500
            assert spike in kept_x
            assert kept_y.tolist() == spiked[kept_x].tolist()
            assert {0, size - 1} <= set(kept_x.tolist())
            assert (np.diff(kept_x) > 0).all()


@pytest.mark.parametrize("size", [600, 998, 1500, 5000])
def test_thinning_noise_raises_it_no_more_than_it_lowers_it(size):
    rng = np.random.default_rng(0)
    means = [thinned(np.arange(size), rng.normal(size=size))[1].mean() for _ in range(200)]
    assert abs(np.mean(means)) < 4 * np.std(means) / np.sqrt(200)


def test_a_thinned_curve_has_gaps_only_where_nothing_else_is():
    y = np.where(np.arange(2000) % 3 == 0, None, 1.0)
    y[1000:1100] = None
    kept_x, kept_y = thinned(np.arange(2000), y)
    gaps = kept_x[np.isnan(kept_y)]
    assert all(gap == 0 or 1000 <= gap < 1100 for gap in gaps)
    assert len(gaps) > 1


def test_a_loss_figure_has_a_colour_for_each_run_and_its_intervals():
    curves = [
        Curve("a", [64, 128], [3.0, 2.0], [Point(128, 2.5, 2.25, 3.0)]),
        Curve(HOSTILE_TEXTS[0], [64], [3.5], []),
    ]
    first, evaluated, second, none = loss_figure(curves, title="Two runs").data
    assert (list(first.x), list(first.y)) == ([64, 128], [3.0, 2.0])
    assert (list(evaluated.error_y.array), list(evaluated.error_y.arrayminus)) == ([0.5], [0.25])
    colours = [trace.line.color for trace in (first, evaluated, second, none)]
    assert colours == [palette.SERIES[0]] * 2 + [palette.SERIES[1]] * 2
    assert first.opacity < 1
    assert active_elements(second.name) == []
    assert len(none.x) == 0


def test_training_figures_of_nothing():
    assert [len(trace.x) for trace in loss_figure([Curve("a", [], [], [])]).data] == [0, 0]
    assert len(loss_figure([]).data) == 0
    assert list(schedule_figure([0, 64], [0.0, 1.0]).data[0].y) == [0.0, 1.0]
    assert len(schedule_figure([], []).data[0].x) == 0
