from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs labkit[train]")

from labkit.cost.parameters import count_parameters  # noqa: E402
from labkit.model.attention import KERNELS  # noqa: E402
from labkit.model.config import ModelConfig  # noqa: E402
from labkit.model.rope import rope_tables, rotate  # noqa: E402
from labkit.model.transformer import TokenShift, Transformer  # noqa: E402
from tests.model.models import (  # noqa: E402
    every_choice,
    name_of,
    random_ids,
    random_model,
    tiny,
)
from tests.random_configs import random_configs  # noqa: E402

EVERY_CHOICE = pytest.mark.parametrize("config", every_choice(), ids=name_of)


@EVERY_CHOICE
@pytest.mark.parametrize("kernel", KERNELS)
def test_logits_depend_on_no_later_token_and_on_earlier_ones(config, kernel):
    model = random_model(config, kernel=kernel)
    embedded = []
    model.embedding.register_forward_hook(lambda module, args, output: embedded.append(output))
    logits_BTV = model(random_ids(config, batch=2, length=9))
    for t in (0, 4, 8):
        weights_V = torch.linspace(-1, 1, config.vocab_size)
        (gradient_BTD,) = torch.autograd.grad(
            logits_BTV[0, t] @ weights_V, embedded, retain_graph=True
        )
        assert gradient_BTD[0, t + 1 :].abs().sum() == 0
        assert gradient_BTD[1].abs().sum() == 0
        assert (gradient_BTD[0, : t + 1].abs().sum(dim=-1) > 0).all()


@EVERY_CHOICE
def test_kernels_agree(config):
    ids_BT = random_ids(config, batch=2, length=16)
    fused, written_out = (random_model(config, kernel=kernel)(ids_BT) for kernel in KERNELS)
    torch.testing.assert_close(fused, written_out, atol=1e-5, rtol=0)


def num_parameters(config: ModelConfig) -> int:
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in Transformer(config).parameters())


@EVERY_CHOICE
def test_number_of_parameters_is_the_counted_one(config):
    assert num_parameters(config) == count_parameters(config)


def test_number_of_parameters_is_the_counted_one_for_random_shapes():
    for config in random_configs(ModelConfig, 40):
        assert num_parameters(config) == count_parameters(config), config


def test_rope_by_hand():
    """K = 4 and theta = 100: at position 2 the pairs turn by 2 and by 2 * 100^(-2/4) = 0.2."""
    cos_TK, sin_TK = rope_tables(tiny(positions="rope", head_dim=4), num_positions=3, theta=100.0)
    x_BHTK = torch.tensor([1.0, 1.0, 0.0, 0.0]).view(1, 1, 1, 4)
    turned = rotate(x_BHTK, cos_TK[2:], sin_TK[2:]).flatten()
    angles = torch.tensor([2.0, 0.2])
    torch.testing.assert_close(turned, torch.cat((angles.cos(), angles.sin())))


def test_rope_tables_are_those_of_transformers_bit_for_bit():
    transformers = pytest.importorskip("transformers", reason="needs labkit[dev]")
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

    rope = {"rope_theta": 500_000.0, "rope_type": "default"}
    theirs = LlamaRotaryEmbedding(transformers.LlamaConfig(head_dim=64, rope_parameters=rope))
    cos_BTK, sin_BTK = theirs(torch.zeros(1), torch.arange(8192)[None])
    cos_TK, sin_TK = rope_tables(
        tiny(positions="rope", head_dim=64), num_positions=8192, theta=500_000.0
    )
    assert torch.equal(cos_BTK[0, :, :32], cos_TK)
    assert torch.equal(sin_BTK[0, :, :32], sin_TK)


def test_token_shift_by_hand():
    shift = TokenShift(2)
    shift.share.data = torch.tensor([0.25, 1.0])
    x_BTD = torch.tensor([[[4.0, 4.0], [8.0, 8.0]]])
    expected = torch.tensor([[[3.0, 0.0], [7.0, 4.0]]])
    assert torch.equal(shift(x_BTD, None), expected)


def test_a_model_can_learn_after_inference_mode():
    model = random_model(tiny(positions="rope"))
    ids_BT = random_ids(model.config, batch=1, length=8)
    with torch.inference_mode():
        model(ids_BT)
    model(ids_BT).sum().backward()
    assert all(weight.grad is not None for weight in model.parameters())


def test_too_many_positions_are_refused():
    with pytest.raises(ValueError, match="17 positions.*context_length is 16"):
        random_model(tiny())(torch.zeros(1, 17, dtype=torch.long))
