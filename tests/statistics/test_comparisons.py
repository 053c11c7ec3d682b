"""Differences, correction and power against closed forms, scipy's tests and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from labkit.core.errors import LabError
from labkit.statistics.difference import Difference, welch
from labkit.statistics.holm import holm
from labkit.statistics.power import (
    detectable_with,
    detection_chance,
    seeds_needed,
    smallest_detectable,
)


@pytest.mark.parametrize("seed", range(3))
def test_welch_is_scipys(seed):
    rng = np.random.default_rng(seed)
    ours, theirs = rng.normal(0.3, 1, 5), rng.normal(0, 3, 8)
    found = welch(ours, theirs)
    oracle = stats.ttest_ind(ours, theirs, equal_var=False)
    assert found.p_of_none() == pytest.approx(oracle.pvalue)
    assert found.interval(0.9)[1:] == pytest.approx(tuple(oracle.confidence_interval(0.9)))


def test_equivalence_is_the_90_percent_interval_within_the_margin():
    found = Difference(0.004, 0.003, 8)
    _, low, high = found.interval(0.9)
    reach = max(-low, high)
    assert found.p_of_margin(reach) == pytest.approx(0.05)
    assert found.p_of_margin(1.1 * reach) < 0.05 < found.p_of_margin(0.9 * reach)


def test_without_spread_only_the_difference_counts():
    same, apart = welch([1.0, 1.0], [1.0, 1.0]), welch([2.0, 2.0], [1.0, 1.0])
    assert (same.p_of_none(), apart.p_of_none()) == (1.0, 0.0)
    assert (same.p_of_margin(0.5), apart.p_of_margin(0.5)) == (0.0, 1.0)


def test_one_observation_has_no_spread():
    with pytest.raises(ValueError, match="two or more"):
        welch([1.0], [1.0, 2.0])


def test_a_further_error_covers_as_it_says():
    """Two sources of error: the interval that knows of one alone covers too seldom."""
    rng = np.random.default_rng(0)
    seeds, windows, both = 0.5, 1.0, [0, 0]
    for _ in range(2000):
        shift = rng.normal(0, windows)
        difference = welch(rng.normal(shift, seeds, 5), rng.normal(0, seeds, 5))
        _, low, high = difference.interval()
        both[0] += low < 0 < high
        _, low, high = difference.with_error(windows, 1e6).interval()
        both[1] += low < 0 < high
    assert both[0] / 2000 < 0.7
    assert both[1] / 2000 == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize(
    ("given", "adjusted"),
    [
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),  # Holm 1979, steps by hand
        ([0.6, 0.9], [1.0, 1.0]),
        ([], []),
    ],
)
def test_holm(given, adjusted):
    assert [one.p_value for one in holm(given)] == pytest.approx(adjusted)


def test_an_interval_after_holm_leaves_0_out_just_where_the_test_does():
    """Also where an arm is held back by a smaller p-value before it, and where p is 0."""
    arms = [Difference(d, 1.0, 8) for d in (3.4, 2.6, 2.59, 2.2, 0.1)] + [Difference(1.0, 0.0, 8)]
    for arm, adjusted in zip(arms, holm([one.p_of_none() for one in arms]), strict=True):
        for alpha in (0.01, 0.05, 0.2):
            _, low, high = arm.interval(adjusted.confidence(alpha))
            assert (low > 0 or high < 0) == (adjusted.p_value <= alpha)


@pytest.mark.parametrize(("ratio", "num_seeds"), [(1.0, 17), (1.5, 9), (2.0, 6), (3.0, 4)])
def test_seeds_needed_are_those_of_published_tables(ratio, num_seeds):
    """Two-sample t at 5% and power 80%: Cohen 1988, table 2.4.1 (n = 17 at d = 1)."""
    assert seeds_needed(ratio, 1.0, 0.05) == num_seeds


def test_power_is_what_a_simulation_finds():
    rng = np.random.default_rng(1)
    num_seeds, sd = 5, 2.0
    effect = detectable_with(num_seeds, sd, 0.05)
    ours, theirs = (rng.normal(mean, sd, (4000, num_seeds)) for mean in (effect, 0))
    students = stats.ttest_ind(ours, theirs, axis=1).pvalue < 0.05
    welchs = [welch(a, b).p_of_none() < 0.05 for a, b in zip(ours, theirs, strict=True)]
    assert np.mean(students) == pytest.approx(0.8, abs=0.02)
    assert np.mean(welchs) == pytest.approx(0.77, abs=0.02)


def test_no_effect_is_found_alpha_of_the_time():
    assert detection_chance(0.0, 8, 0.05) == pytest.approx(0.05)
    assert smallest_detectable(1.0, 8, 0.05) < smallest_detectable(1.0, 8, 0.0125)


def test_a_hopeless_question_is_refused():
    with pytest.raises(LabError, match="more than 1000 seeds"):
        seeds_needed(0.001, 1.0, 0.05)
