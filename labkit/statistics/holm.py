"""Holm's correction (1979): many comparisons, one chance of a false one.

The smallest of m p-values is multiplied by m, the next by m - 1, and so on, never decreasing.
Whatever the tests' dependence, the chance of any false rejection stays at most alpha.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np


class Adjusted(NamedTuple):
    p_value: float
    factor: float
    """What the p-value was multiplied by, before it was held below 1."""

    def confidence(self, alpha: float) -> float:
        """Of the interval that leaves 0 out just when the adjusted p-value is below `alpha`."""
        return 1 - alpha / self.factor


def holm(p_values: Sequence[float]) -> list[Adjusted]:
    """Adjusted p-values and their factors, in the order given.

    >>> [tuple(round(part, 2) for part in one) for one in holm([0.01, 0.04, 0.03])]
    [(0.03, 3.0), (0.06, 1.5), (0.06, 2.0)]
    """
    values = np.asarray(p_values, dtype=float)
    order = np.argsort(values, kind="stable")
    steps = np.arange(len(values), 0, -1.0)
    raised = np.maximum.accumulate(values[order] * steps)
    found: list[Any] = [None] * len(values)
    for place, (position, step) in enumerate(zip(order.tolist(), steps.tolist(), strict=True)):
        value, adjusted = float(values[position]), float(raised[place])
        found[position] = Adjusted(min(adjusted, 1.0), adjusted / value if value else step)
    return found
