"""Delete-one jackknife (Tukey 1958): the standard error of a smooth figure, without a seed.

se^2 = (n - 1)/n sum (f_i - mean f)^2 over the figures f_i that leave observation i out; the
interval is normal, so n should be some tens.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from labkit.statistics.bootstrap import Interval


def jackknife_interval(
    estimate: float, leave_one_out: Sequence[float], confidence: float = 0.95
) -> Interval:
    """Interval of a figure from its values with each observation left out in turn.

    For a mean this is the classical standard error of the mean.
    """
    figures = np.asarray(leave_one_out)
    size = len(figures)
    error = float(np.sqrt((size - 1) / size * np.sum((figures - figures.mean()) ** 2)))
    reach = NormalDist().inv_cdf((1 + confidence) / 2) * error
    return Interval(estimate, estimate - reach, estimate + reach)
