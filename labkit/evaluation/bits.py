"""Bits per byte of whole documents, and the perplexities that go by other units.

A document longer than the context is read in windows that go on by `stride` tokens; each token is
predicted once, after at least context - stride tokens before it where there are as many. A smaller
stride gives more context, costs more, and comes out lower: a figure belongs to its stride. Every
document begins after the end of text, whose own prediction at the end of it counts.
"""

# T time, V vocab

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from labkit.core.errors import LabError
from labkit.exchange.trained_model import TrainedModel
from labkit.statistics.bootstrap import Interval
from labkit.statistics.ratio import is_too_narrow, ratio_interval

MAX_TOKENS_AT_ONCE = 4096


class DocumentNats(NamedTuple):
    nats: float
    num_tokens: int
    num_bytes: int
    num_characters: int


class TextScore(NamedTuple):
    """Perplexities are exp(nats / units), of the text as the tokenizer cuts it."""

    bits_per_byte: Interval
    perplexity_per_token: float
    perplexity_per_character: float
    perplexity_per_byte: float
    num_documents: int
    num_bytes: int
    is_too_narrow: bool
    """Whether the documents are too few or too unequal for the interval."""


def document_nats(
    model: TrainedModel, texts: Sequence[str], stride: int | None = None
) -> list[DocumentNats]:
    """-log p of each document and of its end.

    Args:
        stride: tokens that a window goes on by; by default half of the context.

    Raises:
        LabError: the tokenizer has no end of text, or a stride that is not within the context.
    """
    if model.end_of_text is None:
        raise LabError(f"{model.name}: its tokenizer has no end of text, so a text has no begin")
    context = model.config.context_length
    stride = stride or max(context // 2, 1)
    if not 1 <= stride <= context:
        raise LabError(f"stride={stride}; give 1 to the context, {context}")
    found = []
    for text, ids in zip(texts, model.tokenizer.encode_batch(list(texts)), strict=True):
        whole = [model.end_of_text, *ids.tolist(), model.end_of_text]
        nats = _nats(model, whole, context, stride)
        found.append(DocumentNats(nats, len(whole) - 1, len(text.encode()), len(text)))
    return found


def text_score(documents: Sequence[DocumentNats], seed: int = 0) -> TextScore:
    """The documents together, with an interval over documents.

    Raises:
        LabError: no text.
    """
    num_bytes = sum(one.num_bytes for one in documents)
    if not num_bytes:
        raise LabError("there is no text to score; give documents with at least one byte")
    nats = sum(one.nats for one in documents)
    bits_D = np.array([one.nats for one in documents]) / math.log(2)
    bytes_D = np.array([one.num_bytes for one in documents])
    return TextScore(
        bits_per_byte=ratio_interval(bits_D, bytes_D, seed),
        perplexity_per_token=math.exp(nats / sum(one.num_tokens for one in documents)),
        perplexity_per_character=math.exp(nats / sum(one.num_characters for one in documents)),
        perplexity_per_byte=math.exp(nats / num_bytes),
        num_documents=len(documents),
        num_bytes=num_bytes,
        is_too_narrow=is_too_narrow(bytes_D),
    )


@torch.no_grad()
def _nats(model: TrainedModel, ids: list[int], context: int, stride: int) -> float:
    """Of all tokens but the first; windows of equal length are read together."""
    device = model.model.embedding.weight.device
    total, windows = 0.0, _windows(len(ids), context, stride)
    at_once = max(MAX_TOKENS_AT_ONCE // context, 1)
    for first in range(0, len(windows), at_once):
        chunk = windows[first : first + at_once]
        longest = max(stop - start for start, stop, _ in chunk)
        rows = [ids[start:stop] + [0] * (longest - stop + start) for start, stop, _ in chunk]
        rows_BT = torch.tensor(rows, device=device)
        logs_BTV = model.model(rows_BT[:, :-1]).float().log_softmax(-1)
        each_BT = logs_BTV.gather(-1, rows_BT[:, 1:, None])[..., 0].double()
        for row_T, (start, stop, counted) in zip(each_BT, chunk, strict=True):
            size = stop - start - 1
            total -= float(row_T[size - counted : size].sum())
    return total


def _windows(size: int, context: int, stride: int) -> list[tuple[int, int, int]]:
    """(start, stop, how many of its last tokens count): each token but the first counts once.

    >>> _windows(8, context=4, stride=2)
    [(0, 5, 4), (2, 7, 2), (4, 8, 1)]
    """
    found, counted_to = [], 1
    start = 0
    while counted_to < size:
        stop = min(start + context + 1, size)
        found.append((start, stop, stop - counted_to))
        counted_to = stop
        start += stride
    return found
