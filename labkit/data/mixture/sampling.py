"""Documents drawn with replacement so that sources have their shares and good ones come oftener.

    p_d = a_j s_d,   a_j so that the expected tokens of source j are its share of all tokens drawn

A score below the floor counts as the floor: no document has probability 0. Training itself reads
windows without replacement by `DataOrder`; this makes samples to look at, or text for a tokenizer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from labkit.core.config import Config, field
from labkit.core.errors import LabError


class SamplingConfig(Config):
    num_documents: int = field(
        1000, "to draw, with replacement", unit="documents", ge=1, le=10**8, scale="log"
    )
    min_score: float = field(
        0.01,
        "what a lower score counts as, so that every document can be drawn; ours, not published",
        gt=0,
        le=1,
        scale="log",
    )
    seed: int = field(0, "of the draws", ge=0, le=2**31 - 1)


def document_probabilities(
    sources: Sequence[str],
    num_tokens: Sequence[int],
    scores: Sequence[float],
    shares: Mapping[str, float],
    min_score: float = 0.01,
) -> np.ndarray:
    """Probability of each document in one draw, float64, sum 1.

    Two sources of one document each, 10 and 30 tokens, equal shares: the shorter one has to be
    drawn three times as often.

    >>> document_probabilities(["a", "b"], [10, 30], [1, 1], {"a": 0.5, "b": 0.5}).tolist()
    [0.75, 0.25]

    Raises:
        LabError: a source without share or the other way round; a score that is no number >= 0.
    """
    names = np.asarray(sources)
    lengths = np.asarray(num_tokens, dtype=np.float64)
    values = np.asarray(scores, dtype=np.float64)
    _check(names, lengths, values, shares)
    values = np.maximum(values, min_score)
    probabilities = np.empty(len(names))
    for source, share in shares.items():
        own = names == source
        probabilities[own] = share * values[own] / (values[own] @ lengths[own])
    return probabilities / probabilities.sum()


def draw_documents(probabilities: np.ndarray, config: SamplingConfig) -> np.ndarray:
    """Rows of the documents drawn, int64; the same seed draws the same."""
    rng = np.random.default_rng(config.seed)
    return rng.choice(len(probabilities), size=config.num_documents, p=probabilities)


def _check(
    names: np.ndarray, lengths: np.ndarray, values: np.ndarray, shares: Mapping[str, float]
) -> None:
    if not len(names) == len(lengths) == len(values):
        raise LabError(f"{len(names)} sources, {len(lengths)} lengths and {len(values)} scores")
    if odd := sorted(set(names.tolist()) ^ set(shares)):
        raise LabError(f"{odd[0]!r} has documents and no share, or a share and no documents")
    wrong = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
    if len(wrong):
        raise LabError(
            f"score {values[wrong[0]]} of document {wrong[0]} should be a number from 0 up"
        )
    empty = np.flatnonzero(lengths < 1)
    if len(empty):
        raise LabError(f"document {empty[0]} has {lengths[empty[0]]:g} tokens; leave it out")
