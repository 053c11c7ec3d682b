"""Union-find: which numbers hang together, given joined pairs (Tarjan 1975).

The smallest number of a component is its root, so that the order of joins doesn't matter.
"""

from __future__ import annotations

from collections.abc import MutableSequence

import numpy as np

Forest = MutableSequence[int] | np.ndarray


def find(parent: Forest, number: int) -> int:
    """The root of a number."""
    while parent[number] != number:
        parent[number] = parent[parent[number]]
        number = parent[number]
    return number


def join(parent: Forest, one: int, other: int) -> None:
    """Join two trees."""
    low, high = sorted((find(parent, one), find(parent, other)))
    parent[high] = low


def roots(parent: np.ndarray) -> np.ndarray:
    """The root of every number."""
    found = parent
    while not np.array_equal(found, found[found]):
        found = found[found]
    return found
