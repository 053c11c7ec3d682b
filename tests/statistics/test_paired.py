"""Paired comparisons: by hand, against scipy, and how often they err."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, ttest_rel

from labkit.statistics.paired import compare_paired, group_mean, mcnemar, paired_bootstrap


def test_mcnemar_is_scipys_binomial_test_of_the_discordant_items():
    rng = np.random.default_rng(0)
    for _ in range(50):
        first, second = rng.integers(0, 2, (2, 40))
        only = int(np.sum(first > second)), int(np.sum(second > first))
        assert mcnemar(first, second) == binomtest(only[0], sum(only)).pvalue
    assert mcnemar([1, 0], [1, 0]) == 1.0


def test_without_groups_continuous_values_have_the_paired_t_test():
    rng = np.random.default_rng(1)
    first = rng.normal(size=30)
    second = first + rng.normal(0.3, 1, size=30)
    found, oracle = compare_paired(first, second), ttest_rel(first, second)
    assert found.p_value == pytest.approx(oracle.pvalue)
    low, high = oracle.confidence_interval()
    assert found.effect[1:] == pytest.approx((low, high))
    assert found.width_to_unpaired < 1
    with pytest.raises(ValueError, match="30 values beside 29"):
        compare_paired(first, second[1:])


def test_items_of_a_group_count_as_little_as_they_say_by_themselves():
    rng = np.random.default_rng(2)
    values = rng.normal(size=40)
    repeated, names = np.repeat(values, 5), [f"{n:02d}" for n in range(40) for _ in range(5)]
    once, five = group_mean(values), group_mean(repeated, names)
    assert five == pytest.approx(once)
    alone = paired_bootstrap(values, np.zeros(40))
    assert tuple(paired_bootstrap(repeated, np.zeros(200), names)) == pytest.approx(tuple(alone))


def test_equal_systems_differ_in_five_of_a_hundred_and_real_differences_are_found():
    rng = np.random.default_rng(3)
    skill = rng.uniform(size=(500, 200))
    equal = [
        compare_paired(*(rng.uniform(size=(2, 200)) < row).astype(float)).p_value < 0.05
        for row in skill
    ]
    assert np.mean(equal) <= 0.065
    sd = 1 / np.sqrt(200)
    found = [
        compare_paired(rng.normal(3 * sd, 1, 200), np.zeros(200)).p_value < 0.05 for _ in range(300)
    ]
    assert np.mean(found) >= 0.8
