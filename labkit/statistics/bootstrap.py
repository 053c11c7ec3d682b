"""Percentile bootstrap (Efron 1979): how far would the figure move with another sample?

Resamples whole observations with replacement; the interval is the range of the middle
`confidence` of the resampled figures. It covers sampling alone, not a biased sample. With fewer
than about 10 observations it is too narrow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Interval(NamedTuple):
    estimate: float
    low: float
    high: float


def bootstrap_interval(
    observations: np.ndarray,
    statistic: Callable[[np.ndarray], float],
    *,
    seed: int,
    confidence: float = 0.95,
    num_resamples: int = 1000,
) -> Interval:
    """Interval of `statistic`, a function of the observations along the first axis.

    >>> bootstrap_interval(np.array([4.0, 4.0, 4.0]), np.mean, seed=0)
    Interval(estimate=4.0, low=4.0, high=4.0)

    Raises:
        ValueError: no observations.
    """
    size = len(observations)
    if size == 0:
        raise ValueError("no observations to resample")
    rng = np.random.default_rng(seed)
    figures = [statistic(observations[rng.integers(0, size, size)]) for _ in range(num_resamples)]
    tail = (1 - confidence) / 2
    low, high = np.quantile(figures, [tail, 1 - tail])
    return Interval(float(statistic(observations)), float(low), float(high))
