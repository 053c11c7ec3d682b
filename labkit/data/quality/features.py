"""Hashed 1- and 2-grams of words or single Han characters: what the classifier sees of a text.

A feature's number is the hash of a gram modulo the number of features (Weinberger et al. 2009,
without signs: what collides adds up), and its value the gram's frequency in per cent of the text's
grams, so that a text's length is no feature. Stateless: no vocabulary is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from labkit.data.ngrams import batch_units, roll

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

PER_CENT = 100.0


def mean_weights(texts: pa.Array, weights: np.ndarray) -> np.ndarray:
    """Per text, the product of its features with `weights` (float64); 0 for a text without any.

    >>> mean_weights(pa.array(["to be", ""]), np.ones(8)).tolist()
    [100.0, 0.0]
    """
    features, owners, counts = _features(texts, len(weights))
    sums = np.bincount(owners, weights[features], minlength=len(texts))
    return PER_CENT * sums / np.maximum(counts, 1)


def feature_matrix(texts: pa.Array, num_features: int) -> csr_matrix:
    """(texts, features): the frequencies, in per cent."""
    from scipy.sparse import csr_matrix

    features, owners, counts = _features(texts, num_features)
    values = (PER_CENT / np.maximum(counts, 1))[owners]
    return csr_matrix((values, (owners, features)), shape=(len(texts), num_features))


def _features(texts: pa.Array, num_features: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(feature and text of every gram, grams of every text); `num_features` is a power of two."""
    units, ends = batch_units(texts)
    pairs, pair_ends = roll(units, ends, 2)
    grams = np.concatenate([units, pairs])
    shift = np.uint64(64 - int(num_features).bit_length() + 1)
    mixed = (grams ^ (grams >> np.uint64(29))) * np.uint64(0x9E3779B97F4A7C15)
    counts = [np.diff(one, prepend=0) for one in (ends, pair_ends)]
    owners = np.concatenate([np.repeat(np.arange(len(texts)), one) for one in counts])
    return (mixed >> shift).astype(np.int64), owners, counts[0] + counts[1]
