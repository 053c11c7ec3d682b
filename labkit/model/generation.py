"""Text from a model, a token of each row at a time, drawn from the logits after all before it.

The order is temperature, then top-k, then top-p, as in `transformers`: logits / temperature, the
k largest (Fan et al. 2018), the smallest set of most likely tokens whose mass reaches p (nucleus
sampling, Holtzman et al. 2020).
"""

# B batch, T time, V vocab, N kept

from __future__ import annotations

import contextlib
import math
import operator
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

import torch

from labkit.core.errors import LabError
from labkit.model.cache import Cache
from labkit.model.transformer import Transformer


class NotFinite(LabError):
    """The logits are NaN or infinite: there is nothing to draw from."""


@dataclass
class _Row:
    """One text on its way: `window` is what the model has read of it and is about to read."""

    window: list[int]
    num_tokens: int
    stop_ids: Collection[int]
    generator: torch.Generator
    new: list[int] = field(default_factory=list)

    @property
    def is_done(self) -> bool:
        has_stopped = bool(self.new) and self.new[-1] in self.stop_ids
        return has_stopped or len(self.new) >= self.num_tokens


def generate(
    model: Transformer,
    prompt_ids: Sequence[int],
    num_tokens: int,
    *,
    seed: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    end_of_text: int | None = None,
    use_cache: bool = True,
) -> list[int]:
    """The new ids, without the prompt; fewer than num_tokens if the last is end_of_text.

    Raises:
        LabError: as `generate_batch`.
    """
    rows = generate_batch(
        model,
        [prompt_ids],
        [num_tokens],
        seeds=[seed],
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        stop_ids=None if end_of_text is None else [(end_of_text,)],
        use_cache=use_cache,
    )
    return rows[0]


@torch.no_grad()
def generate_batch(
    model: Transformer,
    prompts: Sequence[Sequence[int]],
    num_tokens: Sequence[int],
    *,
    seeds: Sequence[int],
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    stop_ids: Sequence[Collection[int]] | None = None,
    use_cache: bool = True,
) -> list[list[int]]:
    """The new ids of each prompt; a row ends at its length, or with the first of its stop ids.

    A row gets what it would get alone: it has a generator of its own, and shorter ones are padded
    on the left by segments that nothing sees. When the context of a row is full its window slides:
    the last context_length // 2 tokens stay, the rest is forgotten, and the cache is read anew.

    Raises:
        LabError: an empty prompt, ids outside the vocabulary, settings that mean nothing, lengths,
            seeds or stop ids that are not as many as the prompts.
        NotFinite: the model gives NaN or infinity.
    """
    stops = stop_ids if stop_ids is not None else [()] * len(prompts)
    _check_counts(prompts, num_tokens=num_tokens, seeds=seeds, stop_ids=stops)
    context_length = model.config.context_length
    rows = []
    for prompt, length, seed, stop in zip(prompts, num_tokens, seeds, stops, strict=True):
        window = _checked_ids(prompt, model.config.vocab_size)[-context_length:]
        _check_settings(length, seed, temperature, top_k, top_p)
        rows.append(_Row(window, length, stop, torch.Generator().manual_seed(seed)))
    with _evaluating(model):
        left, cache = [row for row in rows if not row.is_done], None
        while left:
            cache = cache or model.new_cache()
            for row, logits_V in zip(left, _last_logits(model, left, cache), strict=True):
                kept_V = filter_logits(logits_V, temperature, top_k, top_p)
                drawn = torch.multinomial(kept_V.softmax(-1), 1, generator=row.generator)
                row.new.append(int(drawn))
                row.window.append(row.new[-1])
            going_on = [number for number, row in enumerate(left) if not row.is_done]
            if len(going_on) < len(left):
                cache.keep_rows(going_on)
                left = [left[number] for number in going_on]
            full = [row for row in left if len(row.window) > context_length]
            for row in full:
                row.window = row.window[-(context_length // 2) :]
            if full or not use_cache:
                cache = None
    return [row.new for row in rows]


def filter_logits(
    logits_V: torch.Tensor, temperature: float, top_k: int | None, top_p: float | None
) -> torch.Tensor:
    """Logits whose softmax is what to draw from: -inf for what is left out.

    Temperature 0 leaves the largest alone. Of equals, the lower id comes first.
    """
    if temperature == 0:
        temperature, top_k, top_p = 1.0, 1, None
    scaled_V = logits_V / temperature
    sorted_V, order_V = scaled_V.sort(descending=True, stable=True)
    kept_N = order_V[:top_k]
    if top_p is not None and top_p < 1:
        mass_N = sorted_V[:top_k].double().softmax(-1)
        mass_before_N = mass_N.cumsum(-1) - mass_N
        kept_N = kept_N[mass_before_N < top_p]
    return torch.full_like(scaled_V, -math.inf).index_copy(-1, kept_N, scaled_V[kept_N])


def _last_logits(model: Transformer, rows: list[_Row], cache: Cache) -> torch.Tensor:
    """(rows, V) after what the cache has not read yet: the whole windows, or one token of each."""
    device = model.embedding.weight.device
    if cache.length:
        ids_BT, segments_BT = torch.tensor([row.window[-1:] for row in rows]), None
    else:
        ids_BT, segments_BT = _padded([row.window for row in rows])
        segments_BT = None if segments_BT is None else segments_BT.to(device)
    logits_B1V = model(ids_BT.to(device), cache, segments_BT=segments_BT, last_only=True)
    logits_BV = logits_B1V[:, -1].float().cpu()
    if not logits_BV.isfinite().all():
        raise NotFinite(
            "the model gives NaN: its weights have diverged; take an earlier checkpoint"
        )
    return logits_BV


def _padded(windows: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Ids that end together, and segments (0 for padding, 1 for text) where lengths differ."""
    longest = max(map(len, windows))
    ids_BT = torch.tensor([[0] * (longest - len(one)) + one for one in windows])
    if all(len(one) == longest for one in windows):
        return ids_BT, None
    return ids_BT, torch.tensor([[0] * (longest - len(one)) + [1] * len(one) for one in windows])


@contextlib.contextmanager
def _evaluating(model: torch.nn.Module) -> Iterator[None]:
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def _check_counts(prompts: Sequence[Sequence[int]], **given: Sequence[object]) -> None:
    for name, values in given.items():
        if len(values) != len(prompts):
            raise LabError(f"{len(prompts)} prompts but {len(values)} {name}; give one for each")


def _checked_ids(prompt_ids: Sequence[int], vocab_size: int) -> list[int]:
    ids = [operator.index(token) for token in prompt_ids]
    if not ids:
        raise LabError("the prompt is empty; give at least one id, such as end_of_text")
    for position, token in enumerate(ids):
        if not 0 <= token < vocab_size:
            raise LabError(
                f"prompt id {token} at position {position} is outside the vocabulary; "
                f"allowed: 0 to {vocab_size - 1}"
            )
    return ids


def _check_settings(
    num_tokens: int, seed: int, temperature: float, top_k: int | None, top_p: float | None
) -> None:
    if num_tokens < 0:
        raise LabError(f"num_tokens={num_tokens}; give 0 or more")
    if not 0 <= seed < 1 << 63:
        raise LabError(f"seed={seed}; give 0 to 2^63 - 1")
    if not 0 <= temperature < math.inf:
        raise LabError(f"temperature={temperature}; give 0 (greedy) or a positive number")
    if top_k is not None and top_k < 1:
        raise LabError(f"top_k={top_k}; give 1 or more, or None for all tokens")
    if top_p is not None and not 0 < top_p <= 1:
        raise LabError(f"top_p={top_p}; give more than 0 and at most 1, or None for all tokens")
