"""Log-likelihoods of the choices of an item, after a stem that is read once.

    log p(choice | stem) = sum over the choice's tokens of log p(token | all tokens before it)

Stem and choice are encoded together and cut where the stem alone ends, its trailing spaces going
to the choice, as in lm-evaluation-harness: a tokenizer may join the space with the word. Tokens
that all choices share are read once; their keys and values serve every choice (`Cache`).
"""

# B choices, T tokens, V vocab

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import torch

from labkit.evaluation.item import Item
from labkit.exchange.trained_model import TrainedModel
from labkit.model.transformer import Transformer

TOO_LONG = "longer than the model's context"
NOT_FINITE = "the model gives NaN"
ITEMS_AT_ONCE = 16
"""Whose choices are read alone together; stems are read one at a time."""
NOTHING_BEFORE = "nothing before the choice, and the tokenizer has no end of text"


class ChoiceScore(NamedTuple):
    """Natural logarithms; `alone` is the choice's own after nothing but a text's begin."""

    tokens: tuple[int, ...]
    token_log_likelihoods: tuple[float, ...]
    num_bytes: int
    num_characters: int
    alone: float
    is_greedy: bool
    """Whether each of its tokens is the likeliest one at its place."""

    @property
    def log_likelihood(self) -> float:
        return sum(self.token_log_likelihoods)


class ItemScore(NamedTuple):
    """`problem` says why there are no choices; empty where there are."""

    item: Item
    choices: tuple[ChoiceScore, ...] = ()
    problem: str = ""


@torch.no_grad()
def score_items(
    model: TrainedModel, items: Iterable[Item], *, begins_text: bool = True
) -> list[ItemScore]:
    """The scores of each item, in their order.

    Args:
        begins_text: put the end of text, after which documents begin in training, before a stem.
    """
    found = []
    for batch in _batches(items):
        pairs = [
            [encode_pair(model, item.stem, choice) for choice in item.choices] for item in batch
        ]
        alone = _alone(model, [[ids for _, ids in one] for one in pairs])
        for item, encoded, by_themselves in zip(batch, pairs, alone, strict=True):
            found.append(_score(model, item, encoded, by_themselves, begins_text))
    return found


def _score(
    model: TrainedModel,
    item: Item,
    pairs: Sequence[tuple[list[int], list[int]]],
    alone: Sequence[float],
    begins_text: bool,
) -> ItemScore:
    end = model.end_of_text
    begin = [end] if end is not None and (begins_text or not item.stem) else []
    rows = [[*begin, *stem, *choice] for stem, choice in pairs]
    starts = [len(begin) + len(stem) for stem, _ in pairs]
    if min(starts) == 0:
        return ItemScore(item, problem=NOTHING_BEFORE)
    if max(map(len, rows)) > model.config.context_length + 1:
        return ItemScore(item, problem=TOO_LONG)
    scores = []
    for choice, (_, ids), (each, is_greedy), by_itself in zip(
        item.choices, pairs, log_likelihoods(model.model, rows, starts), alone, strict=True
    ):
        if not all(map(math.isfinite, each)):
            return ItemScore(item, problem=NOT_FINITE)
        text = choice.strip()
        size = len(text.encode()), len(text)
        scores.append(ChoiceScore(tuple(ids), tuple(each), *size, by_itself, is_greedy))
    return ItemScore(item, tuple(scores))


def _alone(model: TrainedModel, choices: Sequence[Sequence[list[int]]]) -> list[list[float]]:
    """Log-likelihood of each choice at the begin of a text; NaN where that is not known."""
    end, context = model.end_of_text, model.config.context_length
    rows = [
        [end, *ids] for one in choices for ids in one if end is not None and len(ids) <= context
    ]
    scores = iter(log_likelihoods(model.model, rows, [1] * len(rows)) if rows else [])
    return [
        [
            sum(next(scores)[0]) if end is not None and len(ids) <= context else math.nan
            for ids in one
        ]
        for one in choices
    ]


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    iterator = iter(items)
    while batch := list(itertools.islice(iterator, ITEMS_AT_ONCE)):
        yield batch


def encode_pair(model: TrainedModel, stem: str, choice: str) -> tuple[list[int], list[int]]:
    """Ids of the stem and of the choice; spaces between them belong to the choice."""
    cut = len(stem.rstrip())
    stem, choice = stem[:cut], stem[cut:] + choice
    both, first = model.tokenizer.encode_batch([stem + choice, stem])
    return both[: len(first)].tolist(), both[len(first) :].tolist()


def log_likelihoods(
    model: Transformer, rows: Sequence[Sequence[int]], starts: Sequence[int]
) -> list[tuple[list[float], bool]]:
    """For each row the log-likelihood of its tokens from `start` on, and whether all are greedy.

    The tokens that all rows begin with are read once.
    """
    device = model.embedding.weight.device
    shared = min(_shared_length(rows), min(starts) - 1)
    cache, first_1V = None, None
    if shared:
        cache = model.new_cache(capacity=max(map(len, rows)))
        prefix = torch.tensor([rows[0][:shared]], device=device)
        first_1V = model(prefix, cache, last_only=True)[:, -1]
        cache.keep_rows([0] * len(rows))  # the one row, for each of the choices
    rest = [list(row[shared:]) for row in rows]
    longest = max(map(len, rest))
    ids_BT = torch.tensor([one + [0] * (longest - len(one)) for one in rest], device=device)
    logits_BTV = model(ids_BT[:, :-1], cache) if longest > 1 else None
    found = []
    for number, (ids, start) in enumerate(zip(rest, starts, strict=True)):
        parts = [] if first_1V is None else [first_1V]
        if logits_BTV is not None:
            parts.append(logits_BTV[number])
        logits_TV = torch.cat(parts).float()
        offset = 0 if first_1V is not None else 1  # the token that the first logits are of
        begin = start - shared - offset
        targets_T = torch.tensor(ids[start - shared :], device=device)
        picked_TV = logits_TV[begin : begin + len(targets_T)].log_softmax(-1)
        each = picked_TV.gather(-1, targets_T[:, None])[:, 0].double().cpu().tolist()
        found.append((each, bool((picked_TV.argmax(-1) == targets_T).all())))
    return found


def _shared_length(rows: Sequence[Sequence[int]]) -> int:
    length = min(map(len, rows))
    for place in range(length):
        if len({row[place] for row in rows}) > 1:
            return place
    return length
