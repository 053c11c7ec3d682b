"""Text from a model, one token at a time: each is drawn from the logits after all before it.

The order is temperature, then top-k, then top-p, as in `transformers`: logits / temperature, the
k largest (Fan et al. 2018), the smallest set of most likely tokens whose mass reaches p (nucleus
sampling, Holtzman et al. 2020).
"""

# V vocab, N kept

from __future__ import annotations

import contextlib
import math
import operator
from collections.abc import Iterator, Sequence

import torch

from labkit.core.errors import LabError
from labkit.model.cache import Cache
from labkit.model.transformer import Transformer


@torch.no_grad()
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

    When the context is full the window slides: the last context_length // 2 tokens stay, the
    rest is forgotten, and the cache is read anew. With or without a cache the window is the same.

    Raises:
        LabError: an empty prompt, ids outside the vocabulary, settings that mean nothing, or a
            model that gives NaN.
    """
    window = _checked_ids(prompt_ids, model.config.vocab_size)[-model.config.context_length :]
    _check_settings(num_tokens, seed, temperature, top_k, top_p)
    generator = torch.Generator().manual_seed(seed)
    new: list[int] = []
    cache, unread = model.new_cache() if use_cache else None, window
    with _evaluating(model):
        while len(new) < num_tokens and (not new or new[-1] != end_of_text):
            logits_V = _last_logits(model, window if cache is None else unread, cache)
            kept_V = filter_logits(logits_V, temperature, top_k, top_p)
            new.append(int(torch.multinomial(kept_V.softmax(-1), 1, generator=generator)))
            window, unread = [*window, new[-1]], new[-1:]
            if len(window) > model.config.context_length:
                window = unread = window[-(model.config.context_length // 2) :]
                cache = model.new_cache() if use_cache else None
    return new


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


def _last_logits(model: Transformer, ids: list[int], cache: Cache | None) -> torch.Tensor:
    ids_BT = torch.tensor([ids], device=model.embedding.weight.device)
    logits_V = model(ids_BT, cache, last_only=True)[0, -1].float().cpu()
    if logits_V.isnan().any():
        raise LabError("the model gives NaN: its weights have diverged; take an earlier checkpoint")
    return logits_V


@contextlib.contextmanager
def _evaluating(model: torch.nn.Module) -> Iterator[None]:
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


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
