"""Two systems on the same items: only what they differ in counts.

Items of one group (a document, a subject) are alike, so groups are what is drawn. With the sum s_g
and the number m_g of the values in group g of G:

    R = sum s / sum m,   se^2 = G/(G-1) sum (s_g - R m_g)^2 / (sum m)^2   (Cochran 1977, 6.4)

against a t with G - 1 degrees of freedom. With one item in each group this is the paired t test.
Right or wrong answers of independent items are compared by the exact form of McNemar's test
(1947): of the items that one side alone has right, each side should have half.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import binomtest

from labkit.statistics.bootstrap import Interval
from labkit.statistics.difference import Difference
from labkit.statistics.power import smallest_detectable
from labkit.statistics.ratio import ratio_interval

Values = Sequence[float] | np.ndarray
Groups = Sequence[str] | None


class Paired(NamedTuple):
    """How far the first system lies above the second, in the unit of the values."""

    effect: Interval
    p_value: float
    num_items: int
    num_groups: int
    width_to_unpaired: float
    """Width of the interval over that of two separate samples; 1 where pairing gains nothing."""
    smallest_detectable: float
    """Difference that these items would have found with chance 80%."""

    @property
    def items_needed(self) -> int | None:
        """Items of this kind that would find the estimate with chance 80%; None where it is 0."""
        if not self.effect.estimate:
            return None
        ratio = self.smallest_detectable / abs(self.effect.estimate)
        return max(math.ceil(self.num_items * ratio**2), 2)


def compare_paired(
    first: Values, second: Values, groups: Groups = None, *, seed: int = 0, alpha: float = 0.05
) -> Paired:
    """Mean of `first` minus mean of `second`, item by item.

    With groups of several items the interval is a bootstrap of groups, and p is that of the t
    above; else the interval is Student's, and p is McNemar's where all values are 0 or 1.

    Raises:
        ValueError: sides of unequal length, or fewer than two groups.
    """
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if len(a) != len(b):
        raise ValueError(f"{len(a)} values beside {len(b)}: paired values are of the same items")
    difference = group_mean(a - b, groups)
    is_grouped = groups is not None and len(set(groups)) < len(a)
    is_binary = not is_grouped and bool(np.isin(np.concatenate([a, b]), (0, 1)).all())
    p_value = mcnemar(a, b) if is_binary else difference.p_of_none()
    errors = [group_mean(side, groups).standard_error for side in (a, b)]
    unpaired = math.hypot(*errors)
    return Paired(
        effect=paired_bootstrap(a, b, groups, seed) if is_grouped else difference.interval(),
        p_value=p_value,
        num_items=len(a),
        num_groups=len(set(groups)) if groups is not None else len(a),
        width_to_unpaired=difference.standard_error / unpaired if unpaired else 1.0,
        smallest_detectable=smallest_detectable(
            difference.standard_error, difference.degrees, alpha
        ),
    )


def group_mean(values: Values, groups: Groups = None) -> Difference:
    """The mean of all values as a difference from 0, with the error that groups give it.

    >>> [round(one, 3) for one in group_mean([1.0, 1.0, 0.0, 0.0], ["a", "a", "b", "b"])]
    [0.5, 0.5, 1]

    Raises:
        ValueError: fewer than two groups.
    """
    sums, sizes = _by_group(np.asarray(values, dtype=float), groups)
    if len(sums) < 2:
        raise ValueError(f"{len(sums)} group: give two or more to see their spread")
    mean = float(sums.sum() / sizes.sum())
    squares = float(np.sum((sums - mean * sizes) ** 2)) * len(sums) / (len(sums) - 1)
    return Difference(mean, math.sqrt(squares) / float(sizes.sum()), len(sums) - 1)


def paired_bootstrap(
    first: Values, second: Values, groups: Groups = None, seed: int = 0
) -> Interval:
    """95% interval of the mean difference from resampled groups."""
    differences = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    return ratio_interval(*_by_group(differences, groups), seed=seed)


def mcnemar(first: Values, second: Values) -> float:
    """Two-sided p that both are right equally often, exact.

    >>> round(mcnemar([1, 1, 1, 1, 1, 1, 0], [0, 0, 0, 0, 0, 0, 0]), 5)  # 6 of 6: 2 / 2^6
    0.03125
    """
    a, b = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    only_first, only_second = int(np.sum(a & ~b)), int(np.sum(b & ~a))
    if not only_first + only_second:
        return 1.0
    return float(binomtest(only_first, only_first + only_second).pvalue)


def _by_group(values: np.ndarray, groups: Groups) -> tuple[np.ndarray, np.ndarray]:
    """Sum and number of the values of each group."""
    if groups is None:
        return values, np.ones(len(values))
    _, numbers = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    return np.bincount(numbers, weights=values), np.bincount(numbers).astype(float)
