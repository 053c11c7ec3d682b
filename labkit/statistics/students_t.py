"""Student's t interval of a mean (Gosset 1908): how far would it move with other draws?

Exact for normal observations, and near enough for a handful of others; for paired comparisons the
observations are the differences.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import stdtrit

from labkit.statistics.bootstrap import Interval


def mean_interval(observations: Sequence[float], confidence: float = 0.95) -> Interval:
    """The mean and its interval.

    >>> tuple(round(end, 3) for end in mean_interval([1.0, 2.0, 3.0]))
    (2.0, -0.484, 4.484)

    Raises:
        ValueError: fewer than two observations say nothing of their spread.
    """
    values = np.asarray(observations, dtype=float)
    if len(values) < 2:
        raise ValueError(f"{len(values)} observation: give two or more to see their spread")
    error = values.std(ddof=1) / math.sqrt(len(values))
    half = float(stdtrit(len(values) - 1, (1 + confidence) / 2) * error)
    mean = float(values.mean())
    return Interval(mean, mean - half, mean + half)
