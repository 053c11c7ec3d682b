"""The score interval of a proportion (Wilson 1927): k of n, as a share of what they are drawn from.

    (p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n),   p = k/n, z = 1.96 for 95%

It stays within 0..1 and has a width where none or all of n were counted. It takes the n to be
independent: of documents that are much alike it is too narrow.
"""

from __future__ import annotations

import math

from labkit.statistics.bootstrap import Interval

Z_95 = 1.959963984540054


def wilson_interval(count: int, whole: int) -> Interval:
    """95%.

    >>> [round(share, 3) for share in wilson_interval(5, 10)]
    [0.5, 0.237, 0.763]

    Raises:
        ValueError: of nothing there is no share.
    """
    if not 0 <= count <= whole or not whole:
        raise ValueError(f"{count} of {whole} is no proportion")
    share, square = count / whole, Z_95**2 / whole
    middle = share + square / 2
    half = math.sqrt(square * (share * (1 - share) + square / 4))
    low, high = (middle - half) / (1 + square), (middle + half) / (1 + square)
    return Interval(share, max(low, 0.0), min(high, 1.0))
