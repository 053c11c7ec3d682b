"""The tester is tested on numbers whose truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from labkit.statistics.verdict import Scores, judge

SD, WINDOWS, WINDOW_SD = 0.01, 100, 0.05
NUM_TABLES, NUM_SEEDS = 2000, 5


def scores(rng, gain=0.0, num_seeds=NUM_SEEDS):
    return Scores(list(rng.normal(1.5 - gain, SD, num_seeds)))


def windowed(rng, windows, gain=0.0, num_seeds=NUM_SEEDS):
    """Seeds that move a whole run, and windows on which this arm lies apart for good."""
    seeds = rng.normal(1.5 - gain, SD, (num_seeds, 1))
    table = seeds + windows + rng.normal(0, WINDOW_SD, WINDOWS)
    return Scores(table.mean(axis=1).tolist(), table)


def share_of_tables(draw, words):
    rng = np.random.default_rng(0)
    tables = [judge(*draw(rng)) for _ in range(NUM_TABLES)]
    return np.mean([any(one.word in words for one in table.values()) for table in tables])


def test_equal_arms_are_told_apart_in_at_most_5_percent_of_tables():
    def draw(rng):
        return scores(rng), {f"arm {n}": scores(rng) for n in range(4)}

    assert share_of_tables(draw, ("better", "worse")) <= 0.065  # three standard errors above 5%


def test_a_gain_of_three_sd_of_the_difference_is_found():
    def draw(rng):
        return scores(rng), {"arm": scores(rng, gain=3 * SD * math.sqrt(2))}

    assert share_of_tables(draw, ("better",)) >= 0.8


def test_windows_that_favour_an_arm_by_chance_are_no_verdict():
    """Without their error the same tables are told apart far too often."""

    def draw(rng):
        windows = rng.normal(0, 0.3, WINDOWS)
        return windowed(rng, windows), {"arm": windowed(rng, windows)}

    def seeds_alone(rng):
        baseline, arms = draw(rng)
        return baseline._replace(by_window=None), arms

    assert share_of_tables(draw, ("better", "worse")) <= 0.065
    assert share_of_tables(seeds_alone, ("better", "worse")) > 0.1


def test_equal_arms_with_enough_seeds_are_equivalent():
    rng = np.random.default_rng(0)
    [verdict] = judge(scores(rng, num_seeds=40), {"same": scores(rng, num_seeds=40)}).values()
    assert verdict.word == "equivalent"
    assert "within 0.01 bits per byte" in verdict.reason


def test_arms_apart_by_the_margin_are_equivalent_at_most_5_percent_of_the_time():
    def draw(rng):
        return scores(rng, num_seeds=8), {"arm": scores(rng, gain=0.01, num_seeds=8)}

    assert share_of_tables(draw, ("equivalent",)) <= 0.065


def test_by_hand():
    """Means 1.0 and 1.1, both sd 0.01 on two seeds: t = 0.1 / 0.01 on 2 degrees, p = 0.0099."""
    half = 0.01 / math.sqrt(2)
    low, high = [1 - half, 1 + half], [1.1 - half, 1.1 + half]
    [verdict] = judge(Scores(low), {"arm": Scores(high)}).values()
    assert verdict.word == "worse"
    assert verdict.p_holm == pytest.approx(0.00985, abs=1e-4)
    assert verdict.effect == pytest.approx((0.1, 0.1 - 0.04303, 0.1 + 0.04303), abs=1e-5)
    two = judge(Scores(low), {"arm": Scores(high), "other": Scores(high)})
    assert two["arm"].p_holm == pytest.approx(2 * verdict.p_holm)


@pytest.mark.parametrize(
    ("values", "reason"),
    [([1.4], "it has 1 finished seed"), ([1.4, math.nan, 1.5], "1 of 3 runs of it diverged")],
)
def test_one_seed_or_a_diverged_run_is_not_judged(values, reason):
    [verdict] = judge(Scores([1.0, 1.1]), {"arm": Scores(values)}).values()
    assert verdict.word == "not comparable"
    assert reason in verdict.reason
    assert verdict.effect is None


def test_arms_that_cannot_be_judged_cost_the_others_nothing():
    rng = np.random.default_rng(0)
    baseline, arm = scores(rng), scores(rng, gain=0.02)
    alone = judge(baseline, {"arm": arm})["arm"]
    assert judge(baseline, {"one seed": Scores([1.0]), "arm": arm})["arm"] == alone
