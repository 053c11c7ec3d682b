from __future__ import annotations

import pytest

from labkit.cost.memory import MemoryConfig, block_activation_bytes, training_memory
from labkit.model.config import ModelConfig

GPT2 = ModelConfig.from_preset("gpt2")


def memory(**changes) -> MemoryConfig:
    return MemoryConfig.model_validate({"sharding": "none"} | changes)


@pytest.mark.parametrize("name", ["gpt2", "gpt2-xl"])
def test_gpt2_block_equals_korthikanti(name):
    model = ModelConfig.from_preset(name)
    s, b, h, a = 1024, 4, model.d_model, model.num_heads
    config = memory(use_dropout=True, attention_kernel="materialized")
    assert block_activation_bytes(model, config, s * b, s) == s * b * h * 34 + 5 * a * s**2 * b


def test_the_attention_kernel_changes_activations_by_exactly_the_score_matrix():
    s, b = 1024, 4
    parts = [
        training_memory(
            GPT2, memory(use_dropout=True, micro_batch=b, attention_kernel=kernel), s, 1
        )
        for kernel in ("materialized", "flash")
    ]
    difference = parts[0]["activations"] - parts[1]["activations"]
    assert difference == 5 * GPT2.num_heads * s**2 * b * GPT2.num_layers


def test_states_take_16_bytes_per_parameter_and_are_shared_when_sharded():
    for num_gpus in (1, 8):
        parts = training_memory(GPT2, memory(sharding="full"), 1024, num_gpus)
        states = parts["weights"] + parts["gradients"] + parts["optimizer"]
        assert states == pytest.approx(16 * 124_439_808 / num_gpus, rel=1e-6)


def test_recomputation_keeps_one_input_per_block_and_one_block():
    kept = training_memory(GPT2, memory(recompute="full"), 1024, 1)["activations"]
    block = block_activation_bytes(GPT2, memory(), 1024, 1024)
    assert kept == block + 12 * 1024 * 768 * 2


@pytest.mark.parametrize("kernel", ["flash", "materialized"])
def test_activations_equal_what_autograd_saves(kernel):
    """Bytes of distinct tensors that autograd keeps for GPT-2's blocks in fp32 without dropout."""
    torch = pytest.importorskip("torch", reason="needs labkit[train]")
    transformers = pytest.importorskip("transformers", reason="needs labkit[dev]")
    shape = {"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 128, "vocab_size": 50}
    theirs = transformers.GPT2LMHeadModel(
        transformers.GPT2Config(
            **shape,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            activation_function="gelu",
            attn_implementation={"flash": "sdpa", "materialized": "eager"}[kernel],
        )
    )
    parameters = {p.untyped_storage().data_ptr() for p in theirs.parameters()}
    saved: dict[int, int] = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    hidden = torch.randn(3, 128, 64, requires_grad=True)
    mask = torch.full((128, 128), -1e9).triu(1)[None, None]
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        for block in theirs.transformer.h:
            hidden = block(hidden, attention_mask=mask)
            hidden = hidden[0] if isinstance(hidden, tuple) else hidden
    model = ModelConfig.model_validate(
        {"d_model": 64, "num_layers": 2, "num_heads": 4, "num_kv_heads": 4, "head_dim": 16}
        | {"d_ff": 256, "context_length": 128, "vocab_size": 50}
    )
    config = memory(precision="fp32", attention_kernel=kernel)
    ours = model.num_layers * block_activation_bytes(model, config, 3 * 128, 128)
    assert ours == pytest.approx(sum(saved.values()), rel=0.05)
