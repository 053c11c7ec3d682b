"""Bands and rows of a MinHash signature, from the threshold and the recall wanted at it.

A signature of b bands of r rows makes a pair of Jaccard J a candidate with probability
1 - (1 - J^r)^b. More rows mean fewer false candidates, so the most rows that keep the recall wanted
at the threshold are taken; candidates are verified, so only recall is at stake. Leskovec, Rajaraman
and Ullman, Mining of Massive Datasets, 3.4. Left out: weighing false candidates by their cost.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from labkit.core.errors import LabError

MAX_BANDS = 64


class Bands(NamedTuple):
    num_bands: int
    num_rows: int

    def probability(self, jaccard: np.ndarray | float) -> np.ndarray:
        """That a pair of this Jaccard shares a band, 0..1.

        >>> float(Bands(32, 4).probability(0.5).round(3))
        0.873
        """
        return 1 - (1 - np.asarray(jaccard, dtype=float) ** self.num_rows) ** self.num_bands


def choose_bands(threshold: float, num_permutations: int, min_recall: float) -> Bands:
    """The most rows whose expected recall of pairs at the threshold is at least `min_recall`.

    >>> choose_bands(0.8, 128, 0.999)
    Bands(num_bands=25, num_rows=5)

    Raises:
        LabError: no cut of so few permutations reaches the recall.
    """
    for num_rows in range(num_permutations, 0, -1):
        bands = Bands(min(num_permutations // num_rows, MAX_BANDS), num_rows)
        if float(bands.probability(threshold)) >= min_recall:
            return bands
    raise LabError(
        f"{num_permutations} permutations can't find {min_recall:.2%} of the pairs at Jaccard "
        f"{threshold:g}; raise num_permutations or the threshold, or lower min_recall"
    )
