from __future__ import annotations

import pytest

from labkit.statistics.proportion import wilson_interval


@pytest.mark.parametrize(("count", "whole"), [(0, 1), (1, 1), (5, 10), (88, 250), (3890, 6046)])
def test_it_is_scipys(count, whole):
    stats = pytest.importorskip("scipy.stats")
    theirs = stats.binomtest(count, whole).proportion_ci(method="wilson")
    ours = wilson_interval(count, whole)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_it_mirrors_and_stays_a_share():
    for whole in (1, 7, 100):
        for count in range(whole + 1):
            one, other = wilson_interval(count, whole), wilson_interval(whole - count, whole)
            assert 0 <= one.low <= one.estimate <= one.high <= 1
            assert one.low == pytest.approx(1 - other.high)


def test_of_nothing_there_is_none():
    with pytest.raises(ValueError, match="0 of 0 is no proportion"):
        wilson_interval(0, 0)
