"""The error of a mean of neighbours that are alike, and of ratios over unequal documents."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from benchmarks.verdicts import DISTRIBUTIONS, coverage, false_share, power, skewed_shares
from labkit.statistics.newey_west import serial_mean
from labkit.statistics.ratio import is_too_narrow, ratio_interval


def test_by_hand():
    """1 2 4 5, two lags of weights 2/3 and 1/3: s = 10, 3, -4."""
    total = 10 + 2 * (2 / 3 * 3 + 1 / 3 * -4)
    unbiased = 3 - 2 * (2 / 3 * 3 / 4 + 1 / 3 * 2 / 4)
    found = serial_mean([1.0, 2.0, 4.0, 5.0])
    assert found.standard_error**2 == pytest.approx(total / 4 / unbiased)
    assert found.degrees == pytest.approx(4 / 3)
    with pytest.raises(ValueError, match="1 observation: give two or more"):
        serial_mean([1.0])


def test_of_independent_observations_it_is_the_classical_error():
    """On average exactly, and the t that it follows covers as it says."""
    rng = np.random.default_rng(0)
    found = [serial_mean(rng.normal(0, 1, 64)) for _ in range(2000)]
    variances = [one.standard_error**2 for one in found]
    assert np.mean(variances) == pytest.approx(1 / 64, rel=0.03)
    inside = [one.interval().low <= 0 <= one.interval().high for one in found]
    assert np.mean(inside) >= 0.94


def test_of_an_autoregression_it_is_the_error_of_the_limit():
    """AR(1) of 0.6: the variance of the mean is (1 + 0.6) / (1 - 0.6) = 4 times as large."""
    rng = np.random.default_rng(1)
    values = stats.norm.rvs(size=20_000, random_state=rng)
    for one in range(1, len(values)):
        values[one] = 0.6 * values[one - 1] + 0.8 * values[one]
    assert serial_mean(values).standard_error ** 2 == pytest.approx(4 / 20_000, rel=0.3)


def test_windows_that_neighbours_share_are_no_false_verdict():
    """A sample of benchmarks/verdicts.py; taken as independent, half of these tables are false."""
    assert false_share(150, DISTRIBUTIONS["normal"], 5, 0.6) <= 0.1
    assert false_share(50, DISTRIBUTIONS["normal"], 5, 0.6, shuffle=True) > 0.2
    assert power(100) >= 0.8


def test_a_word_that_skewed_seeds_may_have_made_has_a_caution():
    shares = skewed_shares(400, 5)
    assert shares["false"] > 0.1
    assert shares["false without a caution"] < 0.08


def test_a_ratio_over_unequal_documents_covers_as_it_says():
    found = coverage(40, 400, 1.0)
    assert found["coverage"] >= 0.9
    assert found["coverage"] >= found["percentile"]
    assert found["flagged"] <= 0.05


def test_documents_that_are_too_few_or_too_unequal_are_said_to_be():
    rng = np.random.default_rng(0)
    lengths = {sigma: np.exp(sigma * rng.standard_normal(1000)) for sigma in (0.5, 1.0, 1.5)}
    assert [is_too_narrow(one) for one in lengths.values()] == [False, False, True]
    assert is_too_narrow(lengths[0.5][:20])
    assert is_too_narrow(np.array([0, 0, 5]))


def test_equal_documents_give_the_students_interval():
    rng = np.random.default_rng(0)
    values = rng.normal(3, 1, 400)
    found = ratio_interval(values, np.ones(400), seed=0)
    low, high = stats.t.interval(0.95, 399, values.mean(), stats.sem(values))
    assert found[1:] == pytest.approx((low, high), rel=0.01)
    assert ratio_interval(values, np.ones(400), seed=0) == found
    assert ratio_interval(np.ones(3), np.zeros(3), seed=0) == (0.0, 0.0, 0.0)
