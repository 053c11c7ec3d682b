"""Shares of the sources, and how often each is read for a budget of tokens.

    epochs of a source = share x budget / its tokens

Shares are the given weights over their sum, as `DataOrder` takes them, or follow the sizes by a
temperature T, p_j proportional to n_j^(1/T): 1 is the sources' own mix, infinity an equal one;
Conneau et al. 2020 (XLM-R) and Xue et al. 2021 (mT5) use 1/T = 0.3.

Up to about 4 epochs repeated text is nearly as good as new (Muennighoff et al. 2023). Their fit
for what E epochs are worth in epochs of new text, 1 + R(1 - exp(-(E - 1) / R)) with R = 15.39, is
of whole corpora of web text read again, not of one source among others, and not of your text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from pydantic import model_validator

from labkit.core.config import Config, field
from labkit.core.errors import LabError

REPETITION_DECAY = 15.387756
"""Muennighoff et al. 2023, appendix A: epochs after which a repetition is worth 1/e of new text."""
MIN_PLAN_WEIGHT = 1e-6


class MixtureConfig(Config):
    """How many tokens each source has, and in which shares they are read."""

    num_tokens: dict[str, int] = field({}, "source -> tokens it has")
    weights: dict[str, float] = field(
        {}, "source -> weight, of any scale; empty: from the sizes by the temperature"
    )
    temperature: float = field(
        1.0,
        "without weights: p proportional to tokens^(1/T); XLM-R and mT5: 3.33",
        ge=1,
        le=1000,
        scale="log",
    )
    budget: int = field(
        300_000_000_000, "tokens to train on", unit="tokens", ge=1, le=10**15, scale="log"
    )
    max_epochs: float = field(
        4.0,
        "of a source before its repetition counts as too much; Muennighoff et al. 2023: 4",
        unit="epochs",
        gt=0,
        le=1000,
        scale="log",
    )

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        for name, size in self.num_tokens.items():
            if size < 1:
                raise ValueError(f"source {name!r} has {size} tokens; leave it out")
        for name, weight in self.weights.items():
            if name not in self.num_tokens:
                raise ValueError(
                    f"weight of {name!r}, which num_tokens doesn't have; "
                    f"sources: {', '.join(self.num_tokens)}"
                )
            if not weight > 0:
                raise ValueError(f"weight {weight} of {name!r} should be above 0; leave it out")
        if self.weights and (missing := set(self.num_tokens) - set(self.weights)):
            raise ValueError(f"no weight of {min(missing)!r}; give one to each source or to none")
        return self


class Limit(NamedTuple):
    budget: int
    """Tokens at which the first source reaches the allowed epochs."""
    source: str


def num_epochs(share: float, budget: float, num_tokens: float) -> float:
    """Passes over a source, 0 and up.

    >>> round(num_epochs(0.60, 300e9, 410e9), 2)  # Common Crawl in GPT-3, table 2.2
    0.44
    """
    return share * budget / num_tokens


def worth_in_new_text(epochs: float) -> float:
    """Epochs of new text that so many epochs of the same text are worth, by the fit above.

    >>> round(worth_in_new_text(4), 2)
    3.73
    """
    if epochs <= 1:
        return epochs
    return 1 + REPETITION_DECAY * -math.expm1(-(epochs - 1) / REPETITION_DECAY)


def shares(mixture: MixtureConfig) -> dict[str, float]:
    """Source -> share of the tokens read, summing to 1."""
    if not mixture.num_tokens:
        raise LabError("a mixture without sources; give num_tokens={'name': tokens}")
    if mixture.weights:
        weights = {name: mixture.weights[name] for name in mixture.num_tokens}
    else:
        largest = max(mixture.num_tokens.values())
        weights = {
            name: (size / largest) ** (1 / mixture.temperature)
            for name, size in mixture.num_tokens.items()
        }
    total = math.fsum(weights.values())
    return {name: weight / total for name, weight in weights.items()}


def epochs(mixture: MixtureConfig) -> dict[str, float]:
    """Source -> passes over it within the budget."""
    return {
        name: num_epochs(share, mixture.budget, mixture.num_tokens[name])
        for name, share in shares(mixture).items()
    }


def largest_budget(mixture: MixtureConfig) -> Limit:
    """The most tokens for which no source is read more than `max_epochs` times."""
    limits = {
        name: mixture.max_epochs * mixture.num_tokens[name] / share
        for name, share in shares(mixture).items()
    }
    first = min(limits, key=lambda name: (limits[name], name))
    return Limit(math.floor(limits[first]), first)


def plan_weights(mixture: MixtureConfig, folders: Mapping[str, str]) -> dict[str, float]:
    """Folder of shards -> weight, as a plan's `data.train` takes it.

    Raises:
        LabError: a source without a folder, or a share too small for a plan.
    """
    found = shares(mixture)
    if missing := [name for name in found if name not in folders]:
        raise LabError(f"no folder of shards for {', '.join(missing)}; encode it, or leave it out")
    for name, share in found.items():
        if share < MIN_PLAN_WEIGHT:
            raise LabError(
                f"share {share:.1e} of {name!r} is under {MIN_PLAN_WEIGHT:.0e}, the least a plan "
                f"takes; raise its weight or the temperature, or leave it out"
            )
    if len({folders[name] for name in found}) < len(found):
        raise LabError("two sources share a folder of shards; a plan has one weight for each")
    return {folders[name]: share for name, share in found.items()}


def mixture_rows(mixture: MixtureConfig) -> list[dict[str, Any]]:
    """One row a source: tokens, share, tokens read, epochs, their worth, and whether too many."""
    return [
        {
            "source": name,
            "tokens": mixture.num_tokens[name],
            "share": share,
            "tokens read": round(share * mixture.budget),
            "epochs": passes,
            "worth in new text": worth_in_new_text(passes),
            f"over {mixture.max_epochs:g} epochs": passes > mixture.max_epochs,
        }
        for (name, share), passes in zip(
            shares(mixture).items(), epochs(mixture).values(), strict=True
        )
    ]
