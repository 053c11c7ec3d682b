"""The standard error of a mean whose neighbouring observations are alike (Newey & West 1987).

    W n(W) se^2 = s_0 + 2 sum_{l=1..L} (1 - l/(L+1)) s_l,   s_l = sum_t (x_t - m)(x_{t+l} - m)

With Bartlett's weights and L = round(sqrt(W)) lags. n(W) is what makes it unbiased for independent
observations; with L = 0 it is the classical W - 1. The estimate rests on few lags, so that a mean
over its error follows a t with W / (1.5 L) degrees of freedom rather than a normal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from labkit.statistics.difference import Difference


def serial_mean(observations: Sequence[float] | np.ndarray) -> Difference:
    """The mean of observations in their order, as a difference from 0, with error and degrees.

    >>> [round(one, 3) for one in serial_mean([1.0, 2.0, 4.0, 5.0])]  # the classical error: 0.913
    [3.0, 1.085, 1.333]

    Raises:
        ValueError: fewer than two observations.
    """
    values = np.asarray(observations, dtype=float)
    size = len(values)
    if size < 2:
        raise ValueError(f"{size} observation: give two or more to see their spread")
    mean, num_lags = float(values.mean()), round(math.sqrt(size))
    centred = values - mean
    total, unbiased = float(centred @ centred), float(size - 1)
    for lag in range(1, num_lags + 1):
        weight = 2 * (1 - lag / (num_lags + 1))
        total += weight * float(centred[lag:] @ centred[:-lag])
        unbiased -= weight * (size - lag) / size
    return Difference(mean, math.sqrt(max(total, 0.0) / size / unbiased), size / (1.5 * num_lags))
