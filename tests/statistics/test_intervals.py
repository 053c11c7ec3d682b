from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from labkit.statistics.bootstrap import bootstrap_interval
from labkit.statistics.jackknife import jackknife_interval
from labkit.statistics.students_t import mean_interval


def test_bootstrap_by_enumeration():
    """Means of two resamples of [0, 1]: 0, 1/2, 1/2, 1, so the middle half is exactly 1/2."""
    found = bootstrap_interval(np.array([0.0, 1.0]), np.mean, seed=0, confidence=0.4)
    assert found == (0.5, 0.5, 0.5)


def test_bootstrap_covers_the_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    covered = 0
    for trial in range(200):
        found = bootstrap_interval(
            rng.normal(3, 1, 40), np.mean, seed=trial, confidence=0.9, num_resamples=200
        )
        covered += found.low <= 3 <= found.high
    assert 0.82 <= covered / 200 <= 0.95


def test_bootstrap_width_is_that_of_the_normal_theory():
    values = np.random.default_rng(2).normal(0, 1, 400)
    found = bootstrap_interval(values, np.mean, seed=0)
    expected = 2 * 1.96 * values.std(ddof=1) / 20
    assert found.high - found.low == pytest.approx(expected, rel=0.1)


def test_bootstrap_is_a_function_of_its_seed():
    values = np.arange(10.0)
    assert bootstrap_interval(values, np.median, seed=3) == bootstrap_interval(
        values, np.median, seed=3
    )
    with pytest.raises(ValueError, match="no observations"):
        bootstrap_interval(np.zeros(0), np.mean, seed=0)


def test_jackknife_of_a_mean_is_the_standard_error_of_the_mean():
    values = np.array([1.0, 2.0, 4.0, 9.0])
    left_out = [np.delete(values, i).mean() for i in range(4)]
    found = jackknife_interval(values.mean(), left_out)
    reach = 1.959964 * values.std(ddof=1) / 2
    assert found.high - found.estimate == pytest.approx(reach, rel=1e-6)
    assert found.estimate == 4.0


def test_students_interval_equals_scipys_and_covers_as_often_as_it_says():
    values = [0.3, 1.2, -0.4, 0.9]
    expected = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    assert mean_interval(values)[1:] == pytest.approx(expected)
    rng = np.random.default_rng(4)
    found = [mean_interval(rng.normal(2, 1, 4).tolist()) for _ in range(2000)]
    assert sum(one.low <= 2 <= one.high for one in found) / 2000 == pytest.approx(0.95, abs=0.015)
    with pytest.raises(ValueError, match="1 observation: give two or more"):
        mean_interval([1.0])
