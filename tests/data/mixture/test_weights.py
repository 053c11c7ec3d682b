from __future__ import annotations

import math

import numpy as np
import pytest

from labkit.core.config import ConfigError
from labkit.core.errors import LabError
from labkit.data.mixture.published import sources_of
from labkit.data.mixture.weights import (
    MixtureConfig,
    epochs,
    largest_budget,
    mixture_rows,
    num_epochs,
    plan_weights,
    shares,
    worth_in_new_text,
)
from labkit.plan.parts import DataPlan
from labkit.training.data_order import DataOrder

TWO = MixtureConfig(num_tokens={"web": 900, "books": 100}, weights={"web": 3, "books": 1})


def test_gpt_3_by_hand():
    """Table 2.2: within the rounding of weight, tokens and epochs, but for WebText2."""
    naive = {}
    for source in sources_of("GPT-3 175B"):
        assert source.weight
        assert source.num_tokens
        assert source.epochs
        naive[source.source] = num_epochs(source.weight, 300e9, source.num_tokens)
        low = num_epochs(source.weight - 0.005, 299.5e9, source.num_tokens + 0.5e9)
        high = num_epochs(source.weight + 0.005, 300.5e9, source.num_tokens - 0.5e9)
        is_explained = low - 0.05 <= source.epochs <= high + 0.05
        assert is_explained == (source.source != "WebText2")
    assert round(naive["Common Crawl (filtered)"], 2) == 0.44
    assert round(naive["Wikipedia"], 1) == 3.0  # the paper prints 3.4


def test_shares_are_weights_over_their_sum_and_epochs_follow():
    assert shares(TWO) == {"web": 0.75, "books": 0.25}
    thousand = TWO.model_copy(update={"budget": 1200})
    assert epochs(thousand) == {"web": 1.0, "books": 3.0}
    limit = largest_budget(TWO)
    assert limit == (1600, "books")  # 4 x 100 / 0.25
    at_limit = TWO.model_copy(update={"budget": limit.budget})
    assert max(epochs(at_limit).values()) == 4.0
    assert mixture_rows(thousand)[1]["over 4 epochs"] is False
    assert mixture_rows(TWO.model_copy(update={"budget": 1604}))[1]["over 4 epochs"] is True


def test_temperature_goes_from_the_sizes_to_equal_shares():
    sizes = {"en": 10**6, "zh": 10**4, "eu": 10**2}
    plain = shares(MixtureConfig(num_tokens=sizes))
    assert plain["en"] == pytest.approx(10**6 / 1_010_100)
    halved = shares(MixtureConfig(num_tokens=sizes, temperature=2))
    assert halved["en"] / halved["zh"] == pytest.approx(10)
    flat = shares(MixtureConfig(num_tokens=sizes, temperature=1000))
    assert max(flat.values()) - min(flat.values()) < 0.01
    for found in (plain, halved, flat):
        assert math.fsum(found.values()) == pytest.approx(1)


def test_repeated_text_is_worth_less_and_less():
    assert worth_in_new_text(0.4) == 0.4
    assert worth_in_new_text(4) == pytest.approx(3.73, abs=0.01)  # "up to 4 epochs: negligible"
    values = [worth_in_new_text(e) for e in (1, 2, 4, 16, 64, 1000)]
    assert values == sorted(values)
    assert values[-1] == pytest.approx(1 + 15.387756)


def test_the_training_reads_as_many_epochs_as_the_mixture_says():
    """Oracle: the order of samples that a plan with these weights trains in."""
    windows = {"web": 300, "books": 40}
    mixture = MixtureConfig(
        num_tokens={name: 128 * n for name, n in windows.items()},
        weights={"web": 3, "books": 1},
        budget=128 * 64 * 10,
    )
    plan = DataPlan(train=plan_weights(mixture, {"web": "shards/web", "books": "shards/books"}))
    order = DataOrder(list(windows.values()), list(plan.train.values()), seed=0)
    read = np.bincount(order.samples(0, 64 * 10)[:, 0], minlength=2)
    expected = epochs(mixture)
    for count, (name, n) in zip(read, windows.items(), strict=True):
        assert count / n == pytest.approx(expected[name], abs=1 / n)


def test_refusals_say_what_to_do():
    with pytest.raises(ConfigError, match="source 'web' has 0 tokens; leave it out"):
        MixtureConfig.from_parameters({"num_tokens": {"web": 0}})
    with pytest.raises(ConfigError, match="weight of 'wiki', which num_tokens doesn't have"):
        MixtureConfig.from_parameters({"num_tokens": {"web": 1}, "weights": {"wiki": 1.0}})
    with pytest.raises(ConfigError, match="no weight of 'books'; give one to each source"):
        MixtureConfig.from_parameters({"num_tokens": {"web": 1, "books": 1}, "weights": {"web": 1}})
    with pytest.raises(LabError, match="no folder of shards for books; encode it"):
        plan_weights(TWO, {"web": "w"})
    with pytest.raises(LabError, match="two sources share a folder"):
        plan_weights(TWO, {"web": "w", "books": "w"})
    tiny = MixtureConfig(num_tokens={"a": 1, "b": 1}, weights={"a": 1e-7, "b": 1})
    with pytest.raises(LabError, match="under 1e-06, the least a plan takes"):
        plan_weights(tiny, {"a": "a", "b": "b"})
    with pytest.raises(LabError, match="a mixture without sources"):
        shares(MixtureConfig())
