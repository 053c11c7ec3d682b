"""How far two means lie apart, and whether that could be chance or is too small to matter.

Welch's t (1947): unequal variances, unpaired, with Satterthwaite's degrees of freedom
(s1 + s2)^2 / (s1^2/d1 + s2^2/d2) over the squared standard errors s. The same rule adds a further
independent source of error. Equivalence is two one-sided tests (TOST, Schuirmann 1987): at level
alpha just when the 1 - 2 alpha interval lies within the margin.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import stdtr, stdtrit

from labkit.statistics.bootstrap import Interval


class Difference(NamedTuple):
    estimate: float
    standard_error: float
    degrees: float
    """Degrees of freedom of the t distribution."""

    def interval(self, confidence: float = 0.95) -> Interval:
        half = float(stdtrit(self.degrees, (1 + confidence) / 2)) * self.standard_error
        return Interval(self.estimate, self.estimate - half, self.estimate + half)

    def p_of_none(self) -> float:
        """Two-sided p of a true difference of 0."""
        return 2 * self._tail(abs(self.estimate))

    def p_of_margin(self, margin: float) -> float:
        """p of a true difference of `margin` or more, either way; small says equivalent."""
        return self._tail(margin - abs(self.estimate))

    def with_error(self, standard_error: float, degrees: float) -> Difference:
        """With a further independent source of error."""
        parts = [(self.standard_error**2, self.degrees), (standard_error**2, degrees)]
        return Difference(self.estimate, *_satterthwaite(parts))

    def _tail(self, distance: float) -> float:
        if self.standard_error == 0:
            return 0.0 if distance > 0 else 0.5 if distance == 0 else 1.0
        return float(stdtr(self.degrees, -distance / self.standard_error))


def welch(observations: Sequence[float], reference: Sequence[float]) -> Difference:
    """Mean of `observations` minus mean of `reference`.

    >>> [round(one, 3) for one in welch([3.0, 5.0], [1.0, 2.0, 3.0])]
    [2.0, 1.155, 1.684]

    Raises:
        ValueError: fewer than two observations on a side.
    """
    sides = [np.asarray(side, dtype=float) for side in (observations, reference)]
    if min(map(len, sides)) < 2:
        raise ValueError("give two or more observations on each side to see their spread")
    parts = [(float(side.var(ddof=1)) / len(side), len(side) - 1) for side in sides]
    return Difference(float(sides[0].mean() - sides[1].mean()), *_satterthwaite(parts))


def _satterthwaite(parts: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """(standard error, degrees) of a sum of independent errors, given as (variance, degrees)."""
    total = sum(variance for variance, _ in parts)
    if total == 0:
        return 0.0, sum(degrees for _, degrees in parts)
    weights = sum((variance / total) ** 2 / degrees for variance, degrees in parts)
    return math.sqrt(total), 1 / weights
