"""Mixtures of experts: by hand, against transformers, and conservation of loads."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="needs labkit[train]")

from torch.nn import functional  # noqa: E402

from labkit.core.config import ConfigError  # noqa: E402
from labkit.cost.flops import forward_flops_by_component, training_flops_per_token  # noqa: E402
from labkit.cost.parameters import count_active_parameters, count_parameters  # noqa: E402
from labkit.model.config import ModelConfig  # noqa: E402
from labkit.model.experts import (  # noqa: E402
    Experts,
    balance_loss,
    expert_loads,
    take_router_losses,
    z_loss,
)
from labkit.model.objective import next_token_nats  # noqa: E402
from tests.model.models import random_ids, random_model, randomize, tiny  # noqa: E402

EXPERTS = {"num_experts": 5, "feed_forward": "swiglu", "feed_forward_bias": False}


def mixture(**changes) -> Experts:
    return randomize(Experts(tiny(**(EXPERTS | changes))))


def stream(num_tokens: int) -> torch.Tensor:
    return torch.randn(1, num_tokens, 24, generator=torch.Generator().manual_seed(0))


def test_two_of_five_experts_token_by_token():
    part, x_BTD = mixture(), stream(7)
    for t in range(7):
        x_D = x_BTD[0, t]
        probabilities_E = functional.softmax(part.router.weight @ x_D, dim=0)
        chosen = probabilities_E.argsort(descending=True)[:2]
        expected_D = torch.zeros(24)
        for e in chosen:
            hidden = functional.silu(part.gate.weight[e] @ x_D) * (part.up.weight[e] @ x_D)
            share = probabilities_E[e] / probabilities_E[chosen].sum()
            expected_D += share * (part.down.weight[e] @ hidden)
        torch.testing.assert_close(part(x_BTD)[0, t], expected_D, atol=1e-5, rtol=0)


def test_all_experts_alike_are_one_feed_forward_and_a_shared_one_is_added():
    part, x_BTD = mixture(shared_d_ff=12), stream(7)
    with torch.no_grad():
        for stack in (part.gate, part.up, part.down):
            stack.weight[:] = stack.weight[:1].clone()
    hidden = functional.silu(x_BTD @ part.gate.weight[0].T) * (x_BTD @ part.up.weight[0].T)
    expected = hidden @ part.down.weight[0].T + part.shared(x_BTD)
    torch.testing.assert_close(part(x_BTD), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("num_chosen", [1, 2, 5])
def test_loads_are_conserved_and_the_balance_is_that_of_transformers(num_chosen):
    mixtral = pytest.importorskip(
        "transformers.models.mixtral.modeling_mixtral", reason="needs labkit[dev]"
    )
    logits_NE = torch.randn(64, 5, generator=torch.Generator().manual_seed(0))
    chosen_NJ = logits_NE.topk(num_chosen).indices
    assert expert_loads(chosen_NJ, 5).sum() == 64 * num_chosen
    theirs = mixtral.load_balancing_loss_func((logits_NE,), 5, num_chosen)
    torch.testing.assert_close(balance_loss(logits_NE, chosen_NJ), theirs)


def test_losses_of_even_and_collapsed_routers_by_hand():
    """Even: 1, and (ln 2)^2. All four tokens to one of two, surely: 2, and 100^2."""
    even = torch.zeros(4, 2), torch.tensor([[0], [1], [0], [1]])
    collapsed = torch.tensor([[100.0, 0.0]] * 4), torch.zeros(4, 1, dtype=torch.long)
    assert float(balance_loss(*even)) == pytest.approx(1.0)
    assert float(z_loss(even[0])) == pytest.approx(math.log(2) ** 2)
    assert float(balance_loss(*collapsed)) == pytest.approx(2.0)
    assert float(z_loss(collapsed[0])) == pytest.approx(10_000.0)


def test_training_pulls_at_the_router_and_evaluation_has_no_losses():
    model = random_model(tiny(**EXPERTS, balance_loss=0.5, router_z_loss=0.1))
    ids_BT = random_ids(model.config, 2, 9)
    model(ids_BT)
    assert take_router_losses(model) is None
    model.train()
    nats_BT = next_token_nats(model(ids_BT), ids_BT)
    losses = take_router_losses(model)
    torch.testing.assert_close(losses.penalty, 0.5 * losses.balance + 0.1 * losses.z)
    assert take_router_losses(model) is None
    routers = [block.feed_forward.router.weight for block in model.blocks]
    alone = torch.autograd.grad(nats_BT.mean(), routers, retain_graph=True)
    both = torch.autograd.grad((nats_BT + losses.penalty).mean(), routers)
    assert all(not torch.allclose(*pair) for pair in zip(alone, both, strict=True))


def test_one_expert_that_all_tokens_go_to_costs_as_its_dense_model():
    dense = tiny(feed_forward="swiglu", feed_forward_bias=False)
    config = tiny(**EXPERTS, experts_per_token=1)
    router = 24 * 5 * 2
    assert count_active_parameters(config) == count_parameters(dense) + router
    assert training_flops_per_token(config, 16, "6N") == 6 * count_active_parameters(config)
    flops = [forward_flops_by_component(each, 16)["feed-forward"] for each in (config, dense)]
    assert flops[0] - flops[1] == 2 * router


def test_mixtral_has_12_9_billion_active_parameters_as_published():
    config = ModelConfig.from_preset("mixtral-8x7b")
    assert count_active_parameters(config) == pytest.approx(12.9e9, rel=2e-3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_experts": 4, "experts_per_token": 5}, "try experts_per_token=4"),
        ({"num_experts": 4}, "give feed_forward_bias=false"),
        ({"balance_loss": 0.1}, "balance_loss is of a mixture.*give num_experts"),
    ],
)
def test_experts_that_cannot_be_are_refused(changes, message):
    with pytest.raises((ConfigError, ValueError), match=message):
        tiny(**changes)
