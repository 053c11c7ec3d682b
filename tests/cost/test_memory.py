from __future__ import annotations

import pytest

from labkit.core.config import ConfigError, validate
from labkit.cost.activations import block_tensors, kept_tensors
from labkit.cost.config import CostConfig
from labkit.cost.memory import PARTS, training_memory
from labkit.cost.memory_config import MemoryConfig
from labkit.cost.parameters import count_parameters
from labkit.cost.plan_cost import memory_config
from labkit.cost.shares import block_parameters, root_parameters
from labkit.model.config import ModelConfig
from labkit.model.presets.published import PRESETS
from labkit.plan.plan import TrainingPlan

GPT2 = ModelConfig.from_preset("gpt2")
LLAMA = ModelConfig.from_preset("llama-3-8b")


def memory(**changes) -> MemoryConfig:
    return MemoryConfig.model_validate(changes)


def block_activation_bytes(
    model: ModelConfig, config: MemoryConfig, num_tokens: int, sequence_length: int
) -> int:
    """What one block keeps without recomputation."""
    return round(num_tokens * sum(block_tensors(model, config, sequence_length).values()))


def parts_of(model: ModelConfig, num_gpus: int, length: int = 4096, **changes) -> dict[str, int]:
    return training_memory(model, memory(**changes), length, num_gpus)


@pytest.mark.parametrize("name", ["gpt2", "gpt2-xl"])
def test_gpt2_block_equals_korthikanti(name):
    model = ModelConfig.from_preset(name)
    s, b, h, a = 1024, 4, model.d_model, model.num_heads
    config = memory(use_dropout=True, attention_kernel="materialized")
    assert block_activation_bytes(model, config, s * b, s) == s * b * h * 34 + 5 * a * s**2 * b


def test_the_attention_kernel_changes_a_block_by_the_scores_and_one_number_per_head():
    s, a = 1024, GPT2.num_heads
    kernels = [
        block_activation_bytes(GPT2, memory(use_dropout=True, attention_kernel=kernel), s, s)
        for kernel in ("materialized", "flash")
    ]
    assert kernels[0] - kernels[1] == 5 * a * s**2 - 4 * a * s


def test_under_autocast_the_stream_is_fp32_and_each_product_casts_its_input():
    """GPT-2 per token and feature: 2 more bytes at two norms, and 2 more casts of q, k, v."""
    plain, cast = (block_tensors(GPT2, memory(sharding=one), 1024) for one in ("full", "none"))
    assert sum(cast.values()) - sum(plain.values()) == 768 * (2 * 2 + 2 * 2)


@pytest.mark.parametrize("num_gpus", [1, 8])
def test_states_take_16_bytes_per_parameter_and_are_shared_when_sharded(num_gpus):
    parts = parts_of(GPT2, num_gpus, 1024, num_micro_batches=2)
    states = parts["weights"] + parts["gradients"] + parts["optimizer"]
    assert states == pytest.approx(16 * 124_439_808 / num_gpus, rel=1e-6)


def test_ddps_gradients_stay_where_it_sends_them_from():
    alone, copies = (parts_of(GPT2, n, 1024, sharding="none") for n in (1, 8))
    assert (alone["gradients"], copies["gradients"]) == (0, 4 * 124_439_808)
    assert {part for part in PARTS if alone[part] != copies[part]} == {"gradients"}


def test_llama_3_8b_on_8_gpus_by_hand():
    """One sequence of 4,096 tokens, the loss at its backward pass, no gradients yet.

    Root: 2 x 128,256 x 4,096 + 4,096 parameters. Per token and block in bytes: stream 16,384,
    norms' results 16,384, q and attention and its copy 24,576, k and v 4,096, log-sum-exp 128,
    feed-forward 4 x 2 x 14,336.
    """
    parts = parts_of(LLAMA, 8)
    assert parts == {
        "weights": 8_030_261_248 // 2,
        "gradients": 0,
        "optimizer": 8_030_261_248,
        "gathered weights": 2 * (2 * 128_256 * 4096 + 4096),
        "whole gradients": 0,
        "activations": 4096 * (32 * (16_384 + 16_384 + 24_576 + 4096 + 128 + 114_688) + 4 * 4096),
        "workspace": 0,
        "logits": 4096 * 128_256 * 12,
    }


def test_selective_keeps_the_input_attention_and_every_second_product():
    kept = kept_tensors(LLAMA, memory(recompute="selective"), 4096)
    features = {"stream": 4096, "attention": 4096, "attention.query": 4096, "attention.value": 1024}
    features |= {"feed_forward.gate": 14_336, "feed_forward.down": 4096}
    assert {name: size for name, size in kept.items() if name != "log-sum-exp"} == {
        name: 2 * size for name, size in features.items()
    }


@pytest.mark.parametrize("recompute", ["none", "selective", "full"])
def test_recomputation_trades_what_is_kept_for_a_block_at_work(recompute):
    whole, less = (parts_of(LLAMA, 8, 1024, recompute=one) for one in ("none", recompute))
    assert less["activations"] <= whole["activations"]
    kept = sum(kept_tensors(LLAMA, memory(recompute=recompute), 1024).values())
    assert kept >= 2 * 4096


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_blocks_and_root_are_the_model(name):
    model = ModelConfig.from_preset(name)
    assert model.num_layers * block_parameters(model) + root_parameters(model) == count_parameters(
        model
    )


def test_tensor_parallel_halves_matrices_and_what_they_give():
    """Whole stay norms, the stream, what products read, and logits."""
    norms = 2 * LLAMA.d_model
    assert block_parameters(LLAMA, 2) - norms == (block_parameters(LLAMA) - norms) / 2
    one, two = (block_tensors(LLAMA, memory(tensor_parallel=t), 4096) for t in (1, 2))
    halved = {name for name in one if two[name] == one[name] / 2}
    assert set(one) - halved == {"stream", "inputs of products"}
    alone, cut = (parts_of(LLAMA, 8, tensor_parallel=t) for t in (1, 2))
    assert alone["logits"] == cut["logits"]
    assert cut["weights"] == pytest.approx(alone["weights"], rel=1e-4)


def test_states_shrink_as_one_by_the_number_of_gpus():
    few, many = (parts_of(LLAMA, n, num_micro_batches=2) for n in (8, 128))
    for part in ("weights", "gradients", "optimizer"):
        assert few[part] == 16 * many[part]
    for part in ("activations", "logits", "gathered weights"):
        assert few[part] == many[part]


def test_weights_that_stay_gathered_are_those_of_all_blocks():
    resharded, stay = (parts_of(LLAMA, 8, reshard_after_forward=one) for one in (True, False))
    difference = stay["gathered weights"] - resharded["gathered weights"]
    assert difference == pytest.approx(2 * 32 * block_parameters(LLAMA), rel=1e-9)


def test_gradients_that_wait_for_the_last_micro_batch_are_whole_and_fp32():
    question = {"num_micro_batches": 2, "reduce_every_micro_batch": False}
    parts = parts_of(LLAMA, 8, **question)
    assert parts["whole gradients"] == 4 * count_parameters(LLAMA)
    assert parts["gradients"] == 0
    assert parts_of(LLAMA, 8, **question | {"num_micro_batches": 1}) == parts_of(LLAMA, 8)


def test_a_plan_is_asked_with_its_layout():
    layout = {"data_parallel": 4, "tensor_parallel": 2, "recompute": "selective"}
    layout |= {"reshard_after_forward": False, "reduce_every_micro_batch": False}
    plan = validate(
        TrainingPlan,
        {"model": "llama-3-8b", "data": {"batch_size": 24, "micro_batch": 2}, "layout": layout},
    )
    found = memory_config(plan)
    assert found.model_dump().items() >= {k: v for k, v in layout.items() if k[0] != "d"}.items()
    assert (found.micro_batch, found.num_micro_batches) == (2, 3)
    alone = validate(TrainingPlan, plan.model_dump() | {"layout": {}})
    assert memory_config(alone).sharding == "none"


def test_what_does_not_divide_is_refused():
    with pytest.raises(ConfigError, match="tensor_parallel=3 must divide num_gpus=8"):
        validate(CostConfig, {"num_gpus": 8, "memory": {"tensor_parallel": 3}})
    with pytest.raises(ConfigError, match="must divide model.num_kv_heads=8"):
        CostConfig.from_parameters(
            {"model": "llama-3-8b", "overrides": {"memory.tensor_parallel": 16}}
        )
    with pytest.raises(ConfigError, match="use sharding=full"):
        validate(MemoryConfig, {"sharding": "none", "tensor_parallel": 2})
    with pytest.raises(ValueError, match="must divide num_gpus=8"):
        parts_of(LLAMA, 8, tensor_parallel=3)


EXPERTS = {"num_experts": 4, "feed_forward": "swiglu", "feed_forward_bias": False}
OTHER_CHOICES = {
    "sandwich": {"norm_placement": "sandwich"},
    "after": {"norm_placement": "after"},
    "one norm": {"block": "parallel"},
    "two norms": {"block": "parallel_two_norms"},
    "rope": {"positions": "rope"},
    "alibi": {"positions": "alibi"},
    "t5": {"positions": "t5"},
    "shaw": {"positions": "shaw"},
    "transformer_xl": {"positions": "transformer_xl"},
    "window": {"window": 5},
    "soft cap": {"attention_soft_cap": 50.0},
    "experts": EXPERTS,
    "shared expert": EXPERTS | {"shared_d_ff": 64},
}


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


@pytest.mark.parametrize("name", ["gelu_quick", "glu", "relu", "swiglu", *OTHER_CHOICES])
def test_each_choice_keeps_what_is_counted(name):
    """RMSNorm is left out: on a CPU torch keeps two more tensors for it than its GPU kernel."""
    torch = pytest.importorskip("torch", reason="needs labkit[train]")
    from labkit.model.reading import reading_of
    from labkit.model.transformer import Transformer

    shape = {"d_model": 256, "num_heads": 8, "num_kv_heads": 4, "head_dim": 32, "d_ff": 1024}
    shape |= {"num_layers": 1, "context_length": 64, "vocab_size": 61}
    choice = OTHER_CHOICES.get(name, {"feed_forward": name})
    model = ModelConfig.model_validate(shape | choice)
    network = Transformer(model).train()
    parameters = {p.untyped_storage().data_ptr() for p in network.parameters()}
    saved: dict[int, int] = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    reading = reading_of(torch.zeros(2, 64, dtype=torch.long), None, None, None)
    view = network._views(reading)[network.kinds[0]]
    stream_BTD = torch.randn(2, 64, 256, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        network.blocks[0](stream_BTD, view)
    config = memory(precision="fp32", attention_kernel="flash", micro_batch=2)
    ours = block_activation_bytes(model, config, 2 * 64, 64)
    assert ours == pytest.approx(sum(saved.values()), rel=0.05)
