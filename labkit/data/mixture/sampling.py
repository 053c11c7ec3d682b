"""Documents drawn with replacement so that sources have their shares and good ones come oftener.

    p_d = a_j s_d,   a_j so that the expected tokens of source j are its share of all tokens drawn

A score below the floor counts as the floor: no document has probability 0. Training itself reads
windows without replacement by `DataOrder`; this makes samples to look at, or text for a tokenizer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from labkit.core.config import Config, field, validate
from labkit.core.errors import LabError
from labkit.data.mixture.weights import MixtureConfig
from labkit.data.mixture.weights import shares as shares_of


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


def drawn_rows(
    documents: pa.Table,
    config: SamplingConfig,
    weights: Mapping[str, float] | None = None,
    scores: Sequence[float] | None = None,
) -> list[dict[str, Any]]:
    """One row a document that was drawn, oftenest first; its length is its bytes.

    Args:
        documents: columns id, source and num_bytes, as a built dataset has them.
        weights: source -> weight; its bytes where none are given.
        scores: one a document, 0 and up; equal where none are given.
    """
    sources, sizes = documents["source"].to_pylist(), documents["num_bytes"].to_pylist()
    held: dict[str, int] = {}
    for source, size in zip(sources, sizes, strict=True):
        held[source] = held.get(source, 0) + size
    mixture = validate(MixtureConfig, {"num_tokens": held, "weights": weights or {}})
    scores = [1.0] * len(sizes) if scores is None else scores
    probabilities = document_probabilities(
        sources, sizes, scores, shares_of(mixture), config.min_score
    )
    times = np.bincount(draw_documents(probabilities, config), minlength=len(sizes))
    order = np.argsort(-times, kind="stable")[: np.count_nonzero(times)].tolist()
    return [
        {
            "document": documents["id"][row].as_py(),
            "source": sources[row],
            "bytes": sizes[row],
            "probability": float(probabilities[row]),
            "times drawn": int(times[row]),
        }
        for row in order
    ]


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
    for source in shares:
        own = lengths[names == source]
        if (own < 0).any() or not own.any():
            raise LabError(f"source {source!r} has {own.sum():g} tokens; leave it out")
