"""What a quality filter removes: by source and language, and how much at which threshold.

A filter that takes most of one source or language out has learned that source. Intervals are
percentile bootstraps over documents; they don't cover the choice of the good texts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from labkit.data.quality.acceptance import AcceptanceConfig, keep_probability
from labkit.statistics.bootstrap import bootstrap_interval

SHARES = [(name, pa.float64()) for name in ("removed share", "low", "high", "mean score")]
REMOVAL = pa.schema(
    [("source", pa.string()), ("language", pa.string()), ("documents", pa.int64()), *SHARES]
)


def removal_table(
    documents: pa.RecordBatch, scores: np.ndarray, is_kept: np.ndarray, *, seed: int
) -> pa.Table:
    """Per source and language: documents, share removed with its 95% interval, mean score.

    `documents` has the columns `source` and `language`, in the order of scores and verdicts.
    """
    sources, languages = (documents.column(c).to_pylist() for c in ("source", "language"))
    groups = list(zip(sources, languages, strict=True))
    rows = []
    for group in [*sorted(set(groups)), ("all", "all")]:
        chosen = np.array([group in (one, ("all", "all")) for one in groups], dtype=bool)
        removed = (~is_kept[chosen]).astype(float)
        share = bootstrap_interval(removed, lambda sample: float(sample.mean()), seed=seed)
        mean_score = float(scores[chosen].mean())
        rows.append((*group, int(chosen.sum()), *share, mean_score))
    columns = [
        pa.array(column, kind.type)
        for column, kind in zip(zip(*rows, strict=True), REMOVAL, strict=True)
    ]
    return pa.Table.from_arrays(columns, schema=REMOVAL)


def keep_rate_curve(
    scores: np.ndarray, min_scores: Sequence[float] = tuple(np.linspace(0, 1, 21))
) -> pa.Table:
    """Share of documents kept at each threshold, never rising."""
    ordered = np.sort(scores)
    rates = 1 - np.searchsorted(ordered, min_scores, side="left") / max(len(scores), 1)
    return pa.table({"min score": np.asarray(min_scores, dtype=float), "keep rate": rates})


def expected_keep_rate(scores: np.ndarray, config: AcceptanceConfig) -> float:
    """Share of documents kept on average over seeds."""
    return float(keep_probability(scores, config).mean())
