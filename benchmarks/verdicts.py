"""How often verdicts and intervals err where the truth is known, by simulation.

    python -m benchmarks.verdicts [--tables 2000]

False verdicts: tables of four arms, all of them equal to the baseline; each seed moves a whole run,
and each arm has windows that it is good at, alike for all its seeds and correlated from window to
window (AR(1)). A table is false where any arm is called better or worse. The peer takes windows as
independent: it sees the same tables with their windows shuffled.

Power: one arm better by three standard deviations of a seed. Skew: pairs of equal means whose
scores are lognormal, one ten times as wide as the other.

Coverage: documents of lognormal length whose bits per byte fall with length; the peer is the
percentile bootstrap. `flagged` is the share that the page calls too narrow.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np

from benchmarks.result import Record, conditions, spread, write
from labkit.statistics.bootstrap import bootstrap_interval
from labkit.statistics.ratio import is_too_narrow, ratio_interval
from labkit.statistics.verdict import ALPHA, SAFE_FROM_SKEW, Scores, judge

Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
SEED_SD, WINDOW_SD, NUM_WINDOWS, NUM_ARMS = 0.003, 0.05, 128, 4


def _outliers(rng: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
    """One in twenty is five times as wide."""
    wide = np.where(rng.random(size) < 0.05, 5.0, 1.0)
    return wide * rng.standard_normal(size) / np.sqrt(0.95 + 0.05 * 25)


DISTRIBUTIONS: dict[str, Draw] = {
    "normal": lambda rng, size: rng.standard_normal(size),
    "t3": lambda rng, size: rng.standard_t(3, size) / np.sqrt(3),
    "laplace": lambda rng, size: rng.laplace(size=size) / np.sqrt(2),
    "outliers": _outliers,
}
"""Of mean 0 and variance 1."""


def table(
    rng: np.random.Generator,
    draw: Draw,
    num_seeds: int,
    correlation: float,
    num_arms: int = NUM_ARMS,
    gain: float = 0.0,
    window_sd: float = WINDOW_SD,
) -> tuple[Scores, dict[str, Scores]]:
    """A baseline and arms that are better than it by `gain`, in bits per byte."""
    moved_AS = SEED_SD * draw(rng, (num_arms + 1, num_seeds))
    noise_WA = window_sd * draw(rng, (NUM_WINDOWS, num_arms + 1))
    windows_WA = np.empty_like(noise_WA)
    windows_WA[0] = noise_WA[0]
    for w in range(1, NUM_WINDOWS):
        fresh = np.sqrt(1 - correlation**2) * noise_WA[w]
        windows_WA[w] = correlation * windows_WA[w - 1] + fresh
    arms = {}
    for arm in range(num_arms + 1):
        by_window = 1.5 + moved_AS[arm][:, None] + windows_WA[:, arm] - (gain if arm else 0.0)
        arms[str(arm)] = Scores(by_window.mean(axis=1).tolist(), by_window)
    return arms.pop("0"), arms


def false_share(
    num_tables: int, draw: Draw, num_seeds: int, correlation: float, shuffle: bool = False
) -> float:
    """Of A/A tables, those in which any arm is called better or worse."""
    rng, order_rng = np.random.default_rng(0), np.random.default_rng(1)
    num_false = 0
    for _ in range(num_tables):
        baseline, arms = table(rng, draw, num_seeds, correlation)
        if shuffle:
            order = order_rng.permutation(NUM_WINDOWS)
            baseline = _reordered(baseline, order)
            arms = {name: _reordered(one, order) for name, one in arms.items()}
        num_false += any(one.word in ("better", "worse") for one in judge(baseline, arms).values())
    return num_false / num_tables


def _reordered(scores: Scores, order: np.ndarray) -> Scores:
    assert scores.by_window is not None
    return scores._replace(by_window=scores.by_window[:, order])


def power(num_tables: int, num_seeds: int = 5) -> float:
    """How often a gain of 3 sd of a seed is found, where windows move an arm less than a seed."""
    rng, found, normal = np.random.default_rng(0), 0, DISTRIBUTIONS["normal"]
    for _ in range(num_tables):
        baseline, arms = table(
            rng, normal, num_seeds, 0.6, num_arms=1, gain=3 * SEED_SD, window_sd=SEED_SD
        )
        found += judge(baseline, arms, margin=SEED_SD / 10)["1"].word == "better"
    return found / num_tables


def skewed_shares(num_tables: int, num_seeds: int) -> dict[str, float]:
    """False words of pairs of equal means, and those that come without a caution."""
    rng, words, without = np.random.default_rng(0), 0, 0
    for _ in range(num_tables):
        narrow, wide = (np.exp(rng.standard_normal(num_seeds)) - np.exp(0.5) for _ in range(2))
        pair = Scores(narrow.tolist()), {"wide": Scores((10 * wide).tolist())}
        verdict = judge(*pair)["wide"]
        is_false = verdict.word in ("better", "worse")
        words += is_false
        without += is_false and not verdict.caution
    return {"false": words / num_tables, "false without a caution": without / num_tables}


def documents(
    rng: np.random.Generator, num_documents: int, sigma: float, fall: float = 0.2
) -> tuple[np.ndarray, np.ndarray]:
    """(bits, bytes): a rate of (length / 2000)^-fall, times 10% of noise."""
    lengths = 2000 * np.exp(sigma * rng.standard_normal(num_documents))
    rates = (lengths / 2000) ** -fall * np.exp(0.1 * rng.standard_normal(num_documents))
    return rates * lengths, lengths


def true_rate(sigma: float, fall: float = 0.2) -> float:
    """E[rate length] / E[length] of the lognormal."""
    return float(np.exp(((1 - fall) ** 2 - 1) * sigma**2 / 2 + 0.005))


def coverage(
    num_samples: int, num_documents: int, sigma: float, with_peer: bool = True
) -> dict[str, Any]:
    rng, truth = np.random.default_rng(0), true_rate(sigma)
    ours, peers, flagged = [], [], []
    for number in range(num_samples):
        bits, lengths = documents(rng, num_documents, sigma)
        _, low, high = ratio_interval(bits, lengths, seed=number)
        ours.append(low <= truth <= high)
        flagged.append(is_too_narrow(lengths))
        if with_peer:
            pairs = np.stack([bits, lengths], axis=1)
            _, low, high = bootstrap_interval(pairs, _ratio, seed=number, num_resamples=500)
            peers.append(low <= truth <= high)
    row: dict[str, Any] = {"documents": num_documents, "sigma": sigma}
    row |= {"coverage": _share(ours), "flagged": _share(flagged)}
    return row | ({"percentile": _share(peers)} if with_peer else {})


COVERED = ((100, 0.5), (100, 1.0), (400, 0.5), (400, 1.0), (1000, 1.0), (400, 1.5))


def _ratio(pairs_D2: np.ndarray) -> float:
    above, below = pairs_D2.sum(axis=0)
    return float(above / below)


def _share(hits: list[bool]) -> float:
    return round(float(np.mean(hits)), 4)


def verdict_record(num_tables: int) -> Record:
    rows = []
    for (name, draw), num_seeds, correlation in product(DISTRIBUTIONS.items(), (3, 5), (0.0, 0.6)):
        row: dict[str, Any] = {"scores": name, "seeds": num_seeds, "correlation": correlation}
        row["false"] = false_share(num_tables, draw, num_seeds, correlation)
        if correlation:
            row["windows taken as independent"] = false_share(
                num_tables, draw, num_seeds, correlation, shuffle=True
            )
        rows.append(row)
        print(row, flush=True)
    correlated = [row for row in rows if row["correlation"]]
    return {
        "name": "false verdicts in A/A tables of four arms",
        "equal": f"the same {num_tables} tables, {NUM_WINDOWS} windows, seeded",
        "peer": "windows taken as independent, AR(1) 0.6",
        "ratio": spread([r["windows taken as independent"] / r["false"] for r in correlated]),
        "unit": "share of tables with a false word",
        "largest_false_share": max(row["false"] for row in rows),
        "power_at_3_sd_and_5_seeds": power(num_tables),
        "rows": rows,
        "skewed_with_unequal_spread": {
            str(num_seeds): skewed_shares(num_tables, num_seeds) for num_seeds in (3, 5, 10)
        },
        "p_without_a_caution": ALPHA / SAFE_FROM_SKEW,
    }


def coverage_record(num_samples: int) -> Record:
    rows = []
    for num_documents, sigma in COVERED:
        rows.append(coverage(num_samples, num_documents, sigma))
        print(rows[-1], flush=True)
    promised = [row for row in rows if row["documents"] >= 400 and row["sigma"] <= 1]
    return {
        "name": "coverage of 95% intervals of bits per byte over documents",
        "equal": f"the same {num_samples} samples of each kind, seeded",
        "peer": "percentile bootstrap of 500 resamples",
        "ratio": spread([(1 - r["percentile"]) / (1 - r["coverage"]) for r in promised]),
        "unit": "share of intervals that miss",
        "coverage_from_400_documents_and_sigma_up_to_1": spread([r["coverage"] for r in promised]),
        "rows": rows,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tables", type=int, default=2000)
    tables = parser.parse_args().tables
    facts = conditions("numpy", "scipy")
    write("verdicts", [verdict_record(tables) | facts, coverage_record(tables // 2) | facts])


if __name__ == "__main__":
    main()
