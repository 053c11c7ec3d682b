"""Which documents a score lets in: all above a threshold, or by chance, the better the likelier.

GPT-3's rule (Brown et al. 2020, appendix A) keeps a document when a draw from numpy's `pareto(9)`,
whose density is 9 (1 + x)^-10, exceeds 1 - score: with probability (2 - score)^-9, that is 0.002 at
score 0 and 1 at score 1, so that some of what the classifier doesn't know stays in. The draw is
made from the seed and the text, and so doesn't depend on the order or the batch; copies of a text
share it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import pyarrow as pa

from labkit.core.config import Config, field
from labkit.data.pipeline.step import Outcome, Verdicts, split_by
from labkit.data.quality.classifier import QualityClassifier
from labkit.data.utf8 import utf8_bytes

RULES = {"pareto": "quality_pareto", "threshold": "quality_threshold"}


class AcceptanceConfig(Config):
    """Which scores are let in."""

    rule: Literal["pareto", "threshold"] = field("pareto", "by chance, or all above a score")
    pareto_shape: float = field(
        9.0, "shape of the Pareto draw; Brown et al. 2020, appendix A", gt=0, le=100
    )
    min_score: float = field(0.5, "lowest score kept by the rule `threshold`", ge=0, le=1)
    seed: int = field(0, "seed of the draws", ge=0, le=2**31 - 1)


@dataclass(frozen=True, eq=False)
class QualityFilter:
    """A step. The value is the score; the threshold is `min_score`, or the one that was drawn."""

    classifier: QualityClassifier
    config: AcceptanceConfig
    name: str = "quality"

    def apply(self, batch: pa.RecordBatch) -> Outcome:
        texts = batch.column("text")
        scores = self.classifier.score(texts)
        limits = thresholds(texts, self.config)
        rules = [None if kept else RULES[self.config.rule] for kept in scores >= limits]
        verdicts = Verdicts(pa.array(rules, pa.string()), pa.array(scores), pa.array(limits))
        return split_by(batch, verdicts)


def thresholds(texts: pa.Array, config: AcceptanceConfig) -> np.ndarray:
    """Per text, the score from which it is kept; below 0 for one that is kept in any case."""
    if config.rule == "threshold":
        return np.full(len(texts), config.min_score)
    return 1 - ((1 - _uniform_draws(texts, config.seed)) ** (-1 / config.pareto_shape) - 1)


def keep_probability(scores: np.ndarray, config: AcceptanceConfig) -> np.ndarray:
    """Chance that a text of that score is kept.

    >>> keep_probability(np.array([0.0, 0.5, 1.0]), AcceptanceConfig()).round(4).tolist()
    [0.002, 0.026, 1.0]
    """
    if config.rule == "threshold":
        return (scores >= config.min_score).astype(float)
    return (2 - scores) ** -config.pareto_shape


def _uniform_draws(texts: pa.Array, seed: int) -> np.ndarray:
    """53 bits of BLAKE2b of each text, keyed by the seed, in [0, 1)."""
    data, bounds = utf8_bytes(texts)
    key = seed.to_bytes(8, "little")
    view = memoryview(data.data)
    digests = [
        hashlib.blake2b(view[start:end], digest_size=8, key=key).digest()
        for start, end in pairwise(bounds.tolist())
    ]
    return np.array([int.from_bytes(one, "little") >> 11 for one in digests]) * 2.0**-53
