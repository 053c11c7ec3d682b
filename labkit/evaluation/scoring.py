"""Log-likelihoods of the choices of an item, after a stem that is read once.

    log p(choice | stem) = sum over the choice's tokens of log p(token | all tokens before it)

Stem and choice are encoded together and cut where the stem alone ends, its trailing spaces going
to the choice, as in lm-evaluation-harness: a tokenizer may join the space with the word. Tokens
that all choices share are read once; their keys and values serve every choice (`Cache`). Stems of
several items are read together, padded on the left by segments that nothing sees.
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


class _Asked(NamedTuple):
    """An item as ids: rows of begin, stem and choice, and where each choice starts."""

    item: Item
    rows: list[list[int]]
    starts: list[int]
    num_shared: int
    """Tokens that all rows begin with and that come before the last one to read of any stem."""
    problem: str = ""

    @property
    def longest(self) -> int:
        return max(map(len, self.rows))


@torch.no_grad()
def score_items(
    model: TrainedModel, items: Iterable[Item], *, begins_text: bool = True
) -> list[ItemScore]:
    """The scores of each item, in their order.

    Args:
        begins_text: put the end of text, after which documents begin in training, before a stem.
    """
    asked = [_ask(model, item, begins_text) for item in items]
    alone = _alone(model, asked)
    found: dict[int, list[tuple[list[float], bool]]] = {}
    for numbers in _batches(asked, model.config.context_length):
        batch = [asked[number] for number in numbers]
        found |= zip(numbers, log_likelihoods(model.model, batch), strict=True)
    return [
        ItemScore(one.item, problem=one.problem)
        if one.problem
        else _score(one, found[number], alone[number])
        for number, one in enumerate(asked)
    ]


def encode_pair(model: TrainedModel, stem: str, choice: str) -> tuple[list[int], list[int]]:
    """Ids of the stem and of the choice; spaces between them belong to the choice."""
    cut = len(stem.rstrip())
    stem, choice = stem[:cut], stem[cut:] + choice
    both, first = model.tokenizer.encode_batch([stem + choice, stem])
    return both[: len(first)].tolist(), both[len(first) :].tolist()


def log_likelihoods(
    model: Transformer, batch: Sequence[_Asked]
) -> list[list[tuple[list[float], bool]]]:
    """For each item and choice the log-likelihood of the choice's tokens, and whether each of them
    is the likeliest at its place.

    All items of a batch share some tokens between their rows, or none does.
    """
    device = model.embedding.weight.device
    cache, first_RV = None, None
    widths = [len(one.rows) for one in batch]
    shared = [one.num_shared for one in batch]
    longest = max(one.longest - one.num_shared for one in batch)
    if max(shared):
        size = max(shared)
        cache = model.new_cache(capacity=size + longest)
        ids = [[0] * (size - one.num_shared) + one.rows[0][: one.num_shared] for one in batch]
        segments = [[0] * (size - count) + [1] * count for count in shared]
        first_BV = model(
            torch.tensor(ids, device=device),
            cache,
            segments_BT=torch.tensor(segments, device=device) if min(shared) < size else None,
            last_only=True,
        )[:, -1]
        repeated = [number for number, width in enumerate(widths) for _ in range(width)]
        cache.keep_rows(repeated)
        first_RV = first_BV[repeated]
    rest = [row[one.num_shared :] for one in batch for row in one.rows]
    starts = [start - one.num_shared for one in batch for start in one.starts]
    ids_RT = torch.tensor([one + [0] * (longest - len(one)) for one in rest], device=device)
    parts = [] if first_RV is None else [first_RV[:, None]]
    if longest > 1:
        parts.append(model(ids_RT[:, :-1], cache))
    logits_RTV = torch.cat(parts, dim=1)
    offset = 0 if first_RV is not None else 1  # the token that the first logits are of
    found = []
    for logits_TV, ids, start in zip(logits_RTV, rest, starts, strict=True):
        picked_TV = logits_TV[start - offset : len(ids) - offset].float().log_softmax(-1)
        targets_T = torch.tensor(ids[start:], device=device)
        each = picked_TV.gather(-1, targets_T[:, None])[:, 0].double().cpu().tolist()
        found.append((each, bool((picked_TV.argmax(-1) == targets_T).all())))
    scores = iter(found)
    return [list(itertools.islice(scores, width)) for width in widths]


def _ask(model: TrainedModel, item: Item, begins_text: bool) -> _Asked:
    end = model.end_of_text
    begin = [end] if end is not None and (begins_text or not item.stem) else []
    pairs = [encode_pair(model, item.stem, choice) for choice in item.choices]
    rows = [[*begin, *stem, *choice] for stem, choice in pairs]
    starts = [len(begin) + len(stem) for stem, _ in pairs]
    problem = ""
    if min(starts) == 0:
        problem = NOTHING_BEFORE
    elif max(map(len, rows)) > model.config.context_length + 1:
        problem = TOO_LONG
    return _Asked(item, rows, starts, min(_num_shared(rows), min(starts)), problem)


def _alone(model: TrainedModel, asked: Sequence[_Asked]) -> dict[int, list[float]]:
    """Log-likelihood of each choice at the begin of a text; NaN where there is no such begin."""
    end, found = model.end_of_text, dict[int, list[float]]()
    for first in range(0, len(asked), ITEMS_AT_ONCE):
        batch = {
            number: one
            for number, one in enumerate(asked[first : first + ITEMS_AT_ONCE], start=first)
            if not one.problem
        }
        if end is None or not batch:
            found |= {number: [math.nan] * len(one.rows) for number, one in batch.items()}
            continue
        alone = [
            _Asked(
                one.item,
                [[end, *row[start:]] for row, start in zip(one.rows, one.starts, strict=True)],
                [1] * len(one.rows),
                1,
            )
            for one in batch.values()
        ]
        for number, scores in zip(batch, log_likelihoods(model.model, alone), strict=True):
            found[number] = [sum(each) for each, _ in scores]
    return found


def _score(
    asked: _Asked, scores: Sequence[tuple[list[float], bool]], alone: Sequence[float]
) -> ItemScore:
    found = []
    for choice, row, start, (each, is_greedy), by_itself in zip(
        asked.item.choices, asked.rows, asked.starts, scores, alone, strict=True
    ):
        if not all(map(math.isfinite, each)):
            return ItemScore(asked.item, problem=NOT_FINITE)
        text = choice.lstrip()
        size = len(text.encode()), len(text)
        found.append(ChoiceScore(tuple(row[start:]), tuple(each), *size, by_itself, is_greedy))
    return ItemScore(asked.item, tuple(found))


def _batches(asked: Sequence[_Asked], context: int) -> Iterator[list[int]]:
    """Numbers of items to read together: of like length, within the context when padded, and
    either all or none with tokens that their choices share.
    """
    known = [number for number, one in enumerate(asked) if not one.problem]
    batch: list[int] = []
    for number in sorted(known, key=lambda one: (asked[one].num_shared, asked[one].longest)):
        both = [asked[one] for one in (*batch, number)]
        size = max(one.num_shared for one in both)
        rest = max(one.longest - one.num_shared for one in both)
        is_alike = (size == 0) == (both[0].num_shared == 0)
        if batch and (len(batch) == ITEMS_AT_ONCE or size + rest > context + 1 or not is_alike):
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch


def _num_shared(rows: Sequence[Sequence[int]]) -> int:
    length = min(map(len, rows))
    for place in range(length):
        if len({row[place] for row in rows}) > 1:
            return place
    return length
