from __future__ import annotations

import itertools

import pytest

from labkit.cost.flops import forward_flops_by_component
from labkit.cost.parameters import (
    count_by_component,
    count_parameters,
)
from labkit.model.config import ModelConfig
from labkit.model.weights import matmul_weights

PUBLISHED = {
    "gpt2": 124_439_808,
    "gpt2-medium": 354_823_168,
    "gpt2-large": 774_030_080,
    "gpt2-xl": 1_557_611_200,
    "llama-2-7b": 6_738_415_616,
    "llama-2-13b": 13_015_864_320,
    "llama-2-70b": 68_976_648_192,
    "llama-3-8b": 8_030_261_248,
    "llama-3-70b": 70_553_706_496,
    "llama-3.2-1b": 1_235_814_400,
}


@pytest.mark.parametrize(("name", "total"), PUBLISHED.items())
def test_presets_have_the_published_number_of_parameters(name, total):
    assert count_parameters(ModelConfig.from_preset(name)) == total


def test_gpt2_by_hand():
    assert count_by_component(ModelConfig.from_preset("gpt2")) == {
        "embedding": 50257 * 768,
        "positions": 1024 * 768,
        "attention": 12 * (768 * 2304 + 2304 + 768 * 768 + 768),
        "feed-forward": 12 * (2 * 768 * 3072 + 3072 + 768),
        "norms": 25 * 2 * 768,
        "head": 0,
    }


def tiny(**changes) -> ModelConfig:
    shape = {
        "vocab_size": 101,
        "context_length": 16,
        "d_model": 24,
        "num_layers": 3,
        "num_heads": 4,
        "num_kv_heads": 2,
        "head_dim": 8,
        "d_ff": 40,
    }
    return ModelConfig.model_validate(shape | changes)


@pytest.mark.parametrize(
    ("tie", "num_kv_heads", "num_layers"), list(itertools.product([True, False], [1, 2, 4], [1, 3]))
)
def test_llama_counts_equal_transformers(tie, num_kv_heads, num_layers):
    transformers = pytest.importorskip("transformers", reason="needs labkit[dev]")
    torch = pytest.importorskip("torch", reason="needs labkit[train]")
    model = tiny(
        num_kv_heads=num_kv_heads,
        num_layers=num_layers,
        feed_forward="swiglu",
        norm="rmsnorm",
        positions="rope",
        qkv_bias=False,
        attention_output_bias=False,
        feed_forward_bias=False,
        tie_embeddings=tie,
    )
    with torch.device("meta"):
        theirs = transformers.LlamaForCausalLM(
            transformers.LlamaConfig(
                vocab_size=101,
                hidden_size=24,
                intermediate_size=40,
                num_hidden_layers=num_layers,
                num_attention_heads=4,
                num_key_value_heads=num_kv_heads,
                head_dim=8,
                max_position_embeddings=16,
                tie_word_embeddings=tie,
            )
        )
    theirs.tie_weights()
    assert count_parameters(model) == sum(p.numel() for p in theirs.parameters())


def test_forward_flops_equal_torchs_counter_on_transformers_gpt2():
    transformers = pytest.importorskip("transformers", reason="needs labkit[dev]")
    torch = pytest.importorskip("torch", reason="needs labkit[train]")
    from torch.utils.flop_counter import FlopCounterMode

    length = 16
    model = tiny(d_model=32, num_kv_heads=4, d_ff=128)
    with torch.device("meta"):
        theirs = transformers.GPT2LMHeadModel(
            transformers.GPT2Config(
                vocab_size=101,
                n_positions=length,
                n_embd=32,
                n_layer=3,
                n_head=4,
                attn_implementation="eager",
            )
        )
        ids = torch.zeros(2, length, dtype=torch.long)
        with FlopCounterMode(display=False) as counter:
            theirs(ids)
    assert sum(p.numel() for p in theirs.parameters()) == count_parameters(model)
    ours = 2 * length * sum(forward_flops_by_component(model, length).values())
    assert counter.get_total_flops() == ours


def test_flops_of_matmuls_are_twice_their_weights():
    model = tiny(feed_forward="swiglu")
    flops = forward_flops_by_component(model, sequence_length=16)
    assert sum(flops.values()) - flops["attention scores"] == 2 * sum(
        w.size for w in matmul_weights(model)
    )


def test_heads_that_do_not_divide_are_refused_with_one_that_does():
    with pytest.raises(ValueError, match="num_kv_heads=3 must divide num_heads=4; try.*=2"):
        tiny(num_kv_heads=3)
