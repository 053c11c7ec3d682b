from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import nn

from labkit.model.config import ModelConfig
from labkit.model.initialization import initialize
from labkit.model.transformer import Transformer
from labkit.plan.optimizer import OptimizerPlan
from labkit.training.optimizers.groups import make_optimizer, parameter_groups
from labkit.training.optimizers.muon import COEFFICIENTS, MuonAdamW, orthogonalize

MUON = OptimizerPlan.from_preset("muon")


def tiny_model(**changes) -> Transformer:
    shape = {"vocab_size": 40, "context_length": 8, "d_model": 16, "num_layers": 2}
    heads = {"num_heads": 2, "num_kv_heads": 1, "head_dim": 8, "d_ff": 24}
    config = ModelConfig.model_validate(
        ModelConfig.from_preset("gpt2").model_dump() | shape | heads | changes
    )
    return initialize(Transformer(config), 0)


@pytest.mark.parametrize("plan", [OptimizerPlan(), MUON])
@pytest.mark.parametrize("tied", [True, False])
def test_decay_reaches_matrices_only_and_every_parameter_has_one_group(plan, tied):
    model = tiny_model(tie_embeddings=tied, qk_norm=True, token_shift=True)
    groups = {group.name: group for group in parameter_groups(model, plan)}
    listed = [name for group in groups.values() for name in group.parameters]
    assert sorted(listed) == sorted(name for name, _ in model.named_parameters())
    assert ("head" in groups) == (not tied)
    for name, group in groups.items():
        if name in ("embeddings", "vectors"):
            assert group.weight_decay == 0
        for parameter_name, parameter in group.parameters.items():
            is_plain = (
                parameter.ndim < 2 or "embedding" in parameter_name or "positions" in parameter_name
            )
            assert (name in ("embeddings", "vectors")) == is_plain
    assert {g.name for g in groups.values() if g.rule == "muon"} <= {"matrices"}


def set_gradients(weights, seed):
    generator = torch.Generator().manual_seed(seed)
    for weight in weights:
        weight.grad = torch.randn(weight.shape, generator=generator)


def test_adamw_is_torchs_alone_and_inside_the_joint_optimizer():
    plan = OptimizerPlan(learning_rate=3e-3)
    models = [tiny_model() for _ in range(4)]
    groups = [parameter_groups(model, plan) for model in models]
    rules = [
        {"params": list(g.parameters.values()), "weight_decay": g.weight_decay, "lr": 3e-3}
        | {"betas": (0.9, 0.95), "eps": 1e-8, "uses_muon": False}
        for g in groups[1]
    ]
    theirs, fused = (
        [{"params": list(g.parameters.values()), "weight_decay": g.weight_decay} for g in one]
        for one in groups[2:]
    )
    optimizers = [
        make_optimizer(groups[0], plan, torch.float32),
        MuonAdamW(rules, torch.float32),
        torch.optim.AdamW(theirs, lr=3e-3, betas=(0.9, 0.95)),
        torch.optim.AdamW(fused, lr=3e-3, betas=(0.9, 0.95), fused=True),
    ]
    for step in range(3):
        for model, optimizer in zip(models, optimizers, strict=True):
            set_gradients(model.parameters(), step)
            optimizer.step()
        for alone, joint, plain, one_kernel in zip(
            *(model.parameters() for model in models), strict=True
        ):
            assert torch.equal(alone, joint)
            assert torch.equal(alone, one_kernel)
            torch.testing.assert_close(alone, plain, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("shape", [(16, 16), (32, 16), (16, 48)])
def test_muon_is_torchs_muon_up_to_bf16(shape):
    torch.manual_seed(0)
    ours = [nn.Parameter(torch.randn(shape)) for _ in range(3)]
    theirs = [nn.Parameter(weight.detach().clone()) for weight in ours]
    group = {"params": ours, "lr": 0.05, "weight_decay": 0.1, "momentum": 0.9, "uses_muon": True}
    mine = MuonAdamW([group], torch.bfloat16)
    peer = torch.optim.Muon(theirs, lr=0.05, weight_decay=0.1, momentum=0.9)
    for step in range(5):
        for weights in (ours, theirs):
            set_gradients(weights, step)
        before = [weight.detach().clone() for weight in theirs]
        mine.step()
        peer.step()
        for one, other, start in zip(ours, theirs, before, strict=True):
            moved = (other - start).norm()
            assert (one - other).norm() < 0.02 * moved * (step + 1)


@pytest.mark.parametrize("shape", [(16, 16), (32, 16), (16, 48)])
def test_muon_in_fp32_is_its_description_step_by_step(shape):
    """Jordan et al. 2024, one matrix at a time in float64."""
    torch.manual_seed(0)
    ours = [nn.Parameter(torch.randn(shape)) for _ in range(2)]
    expected = [weight.detach().double() for weight in ours]
    momenta = [torch.zeros(shape, dtype=torch.float64) for _ in ours]
    group = {"params": ours, "lr": 0.05, "weight_decay": 0.1, "momentum": 0.9, "uses_muon": True}
    optimizer = MuonAdamW([group], torch.float32)
    a, b, c = COEFFICIENTS
    for step in range(5):
        set_gradients(ours, step)
        for number, weight in enumerate(ours):
            assert weight.grad is not None
            gradient = weight.grad.double()
            momenta[number] = 0.9 * momenta[number] + 0.1 * gradient
            x = 0.1 * gradient + 0.9 * momenta[number]
            x = x / x.norm()
            for _ in range(5):
                gram = x @ x.T
                x = a * x + (b * gram + c * gram @ gram) @ x
            rate = 0.05 * max(1, shape[0] / shape[1]) ** 0.5
            expected[number] = expected[number] * (1 - 0.05 * 0.1) - rate * x
        optimizer.step()
        for weight, reference in zip(ours, expected, strict=True):
            torch.testing.assert_close(weight.detach().double(), reference, rtol=1e-5, atol=1e-5)


def test_newton_schulz_by_its_definition_and_by_singular_values():
    torch.manual_seed(1)
    matrices = torch.randn(2, 12, 20)
    a, b, c = COEFFICIENTS
    for matrix, found in zip(matrices, orthogonalize(matrices, torch.float32), strict=True):
        u, s, vt = torch.linalg.svd(matrix, full_matrices=False)
        s = s / s.square().sum().sqrt()
        for _ in range(5):
            s = a * s + b * s**3 + c * s**5
        torch.testing.assert_close(found, u @ torch.diag(s) @ vt, rtol=1e-3, atol=1e-4)
        assert 0.3 < s.min() < s.max() < 1.3


def test_a_parameter_without_a_gradient_is_left_alone_with_its_state():
    model = tiny_model()
    optimizer = make_optimizer(parameter_groups(model, MUON), MUON, torch.float32)
    before = [weight.detach().clone() for weight in model.parameters()]
    optimizer.step()
    for weight, old in zip(model.parameters(), before, strict=True):
        assert torch.equal(weight, old)
    assert not any(optimizer.state.values())


@pytest.mark.parametrize("plan", [OptimizerPlan(), MUON])
def test_a_gradient_that_stops_coming_leaves_weight_and_state_as_they_were(plan):
    model = tiny_model()
    optimizer = make_optimizer(parameter_groups(model, plan), plan, torch.float32)
    set_gradients(model.parameters(), 0)
    optimizer.step()
    state = copy.deepcopy(optimizer.state_dict()["state"])
    before = [weight.detach().clone() for weight in model.parameters()]
    listed = [weight for group in optimizer.param_groups for weight in group["params"]]
    for weight in listed[::2]:
        weight.grad = None
    optimizer.step()
    after = optimizer.state_dict()["state"]
    for number in range(len(listed)):
        same = all(torch.equal(state[number][key], after[number][key]) for key in state[number])
        assert same == (number % 2 == 0)
    kept = {id(weight) for weight in listed[::2]}
    for weight, old in zip(model.parameters(), before, strict=True):
        assert torch.equal(weight, old) == (id(weight) in kept)


@pytest.mark.parametrize("plan", [OptimizerPlan(), MUON])
def test_state_goes_on_bit_equal(plan):
    one, other = tiny_model(), tiny_model()
    first = make_optimizer(parameter_groups(one, plan), plan, torch.float32)
    second = make_optimizer(parameter_groups(other, plan), plan, torch.float32)
    for step in range(4):
        if step == 2:
            other.load_state_dict(one.state_dict())
            second.load_state_dict(copy.deepcopy(first.state_dict()))
        for model, optimizer in ((one, first), (other, second)):
            set_gradients(model.parameters(), step)
            if model is one or step >= 2:
                optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_a_tall_matrix_moves_by_the_root_of_its_shape():
    tall = nn.Parameter(torch.zeros(64, 16))
    group = {"params": [tall], "lr": 1.0, "weight_decay": 0.0, "momentum": 0.0, "uses_muon": True}
    tall.grad = torch.eye(64)[:, :16]
    MuonAdamW([group], torch.float32).step()
    s = 1 / math.sqrt(16)
    a, b, c = COEFFICIENTS
    for _ in range(5):
        s = a * s + b * s**3 + c * s**5
    torch.testing.assert_close(tall.detach(), -2 * s * torch.eye(64)[:, :16], rtol=1e-4, atol=1e-5)
