from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs labkit[train]")

from torch import nn  # noqa: E402

from labkit.model.block import Block  # noqa: E402
from labkit.model.feed_forward import ACTIVATIONS, FeedForward, GatedFeedForward  # noqa: E402
from labkit.model.reading import Sight  # noqa: E402
from tests.model.models import randomize, tiny  # noqa: E402

ALONE = (Sight(is_causal=True), None)
"""A causal pass without positions."""


@pytest.mark.parametrize(
    ("kind", "expected"), [("relu_squared", [0.0, 4.0]), ("gelu", [-0.158808, 1.954598])]
)
def test_activations_by_hand(kind, expected):
    """gelu, tanh form: x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))); at 2: 1 + tanh(1.8812)."""
    activated = ACTIVATIONS[kind](torch.tensor([-1.0, 2.0]))
    torch.testing.assert_close(activated, torch.tensor(expected), atol=1e-6, rtol=0)


@pytest.mark.parametrize(("kind", "theirs"), [("relu_squared", "relu2"), ("gelu", "gelu_new")])
def test_feed_forwards_equal_their_formula_with_transformers_activation(kind, theirs):
    activations = pytest.importorskip("transformers.activations", reason="needs labkit[dev]")
    part = randomize(FeedForward(tiny(feed_forward=kind)))
    x_TD = torch.randn(5, 24, generator=torch.Generator().manual_seed(0))
    hidden_TF = activations.ACT2FN[theirs](x_TD @ part.up.weight.T + part.up.bias)
    expected_TD = hidden_TF @ part.down.weight.T + part.down.bias
    torch.testing.assert_close(part(x_TD), expected_TD, atol=1e-5, rtol=0)


def test_swiglu_by_hand():
    """silu(2) * 3 = 2 / (1 + e^-2) * 3 = 5.284782, in the one feature that is not 0."""
    part = randomize(GatedFeedForward(tiny(feed_forward="swiglu", d_ff=1, feed_forward_bias=False)))
    part.gate.weight.data = torch.eye(1, 24) * 2
    part.up.weight.data = torch.eye(1, 24) * 3
    part.down.weight.data = torch.eye(24, 1)
    out_D = part(torch.eye(24)[0])
    torch.testing.assert_close(out_D, torch.eye(24)[0] * 5.284782)


@pytest.mark.parametrize("placement", ["pre", "post"])
def test_sequential_blocks_equal_torchs_encoder_layer(placement):
    config = tiny(num_kv_heads=4, head_dim=6, norm_placement=placement, positions="none")
    block = randomize(Block(config, "fused"))
    theirs = nn.TransformerEncoderLayer(
        24,
        4,
        40,
        dropout=0.0,
        activation=ACTIVATIONS["gelu"],
        norm_first=placement == "pre",
        batch_first=True,
    )
    names = {
        "self_attn.out_proj": "attention.output",
        "linear1": "feed_forward.up",
        "linear2": "feed_forward.down",
        "norm1": "attention_norm",
        "norm2": "feed_forward_norm",
    }
    ours = block.state_dict()
    state = {
        f"{their}.{kind}": ours[f"{our}.{kind}"]
        for their, our in names.items()
        for kind in ("weight", "bias")
    }
    for kind in ("weight", "bias"):
        stacked = [ours[f"attention.{part}.{kind}"] for part in ("query", "key", "value")]
        state[f"self_attn.in_proj_{kind}"] = torch.cat(stacked)
    theirs.load_state_dict(state)
    x_BTD = torch.randn(2, 7, 24, generator=torch.Generator().manual_seed(0))
    mask_TS = nn.Transformer.generate_square_subsequent_mask(7)
    torch.testing.assert_close(block(x_BTD, ALONE), theirs(x_BTD, mask_TS), atol=1e-5, rtol=0)


def test_a_parallel_block_adds_what_both_parts_make_of_one_norm():
    block = randomize(Block(tiny(block="parallel", positions="none"), "fused"))
    x_BTD = torch.randn(2, 7, 24, generator=torch.Generator().manual_seed(0))
    normed_BTD = nn.functional.layer_norm(
        x_BTD, (24,), block.attention_norm.weight, block.attention_norm.bias, eps=1e-5
    )
    attended_BTD = block.attention(normed_BTD, normed_BTD, *ALONE, None)
    expected_BTD = x_BTD + attended_BTD + block.feed_forward(normed_BTD)
    torch.testing.assert_close(block(x_BTD, ALONE), expected_BTD, atol=1e-5, rtol=0)
