"""The list of weights against the network itself, by hand, and where a parameter has no role."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs labkit[train]")

from labkit.core.errors import LabError  # noqa: E402
from labkit.model.transformer import Transformer  # noqa: E402
from labkit.model.weights import (  # noqa: E402
    all_weights,
    block_weights,
    matmul_weights,
)
from labkit.plan.optimizer import OptimizerPlan  # noqa: E402
from labkit.training.optimizers.groups import parameter_groups  # noqa: E402
from tests.model.models import every_choice, name_of, tiny  # noqa: E402


@pytest.mark.parametrize("config", every_choice(), ids=name_of)
def test_every_choice_lists_the_parameters_that_its_network_has(config):
    with torch.device("meta"):
        model = Transformer(config)
    network = {name: tuple(weight.shape) for name, weight in model.named_parameters()}
    listed = {weight.name: weight.shape for weight in all_weights(config)}
    assert listed == network
    in_blocks = [name.startswith("blocks.") for name in listed]
    assert in_blocks == [name.startswith("blocks.") for name in network]


def test_a_block_by_hand():
    config = tiny(feed_forward="swiglu", norm="rmsnorm", qkv_bias=False, num_kv_heads=1)
    found = {w.name: (w.shape, w.role, w.cut) for w in block_weights(config)}
    assert found["attention.key.weight"] == ((10, 24), "matrix", "repeated")
    assert found["attention.output.weight"] == ((24, 40), "residual_writer", "rows")
    assert found["attention.output.bias"] == ((24,), "vector", "whole")
    assert found["feed_forward.gate.bias"] == ((40,), "vector", "columns")
    assert "attention.query.bias" not in found
    assert "attention_norm.bias" not in found


def test_two_processes_hold_half_of_what_is_cut_and_all_of_the_rest():
    config = tiny(num_kv_heads=2, tie_embeddings=False)
    whole = [w for w in all_weights(config) if w.share(2) == w.size]
    assert {w.name.removeprefix("blocks.0.").removeprefix("blocks.1.") for w in whole} == {
        *("positions.weight", "final_norm.weight", "final_norm.bias"),
        *("attention.output.bias", "feed_forward.down.bias"),
        *("attention_norm.weight", "attention_norm.bias"),
        *("feed_forward_norm.weight", "feed_forward_norm.bias"),
    }
    assert all(w.share(2) == w.size / 2 for w in all_weights(config) if w not in whole)


def test_a_tied_head_multiplies_but_is_listed_once():
    tied, untied = tiny(tie_embeddings=True), tiny(tie_embeddings=False)
    sizes = [sum(w.size for w in matmul_weights(config)) for config in (tied, untied)]
    assert sizes[0] == sizes[1]
    assert "head.weight" not in {w.name for w in all_weights(tied)}


def test_a_parameter_without_a_role_is_refused_and_a_frozen_one_left_out():
    model = Transformer(tiny())
    model.value_head = torch.nn.Linear(24, 1, bias=False)
    with pytest.raises(LabError, match=r"no role for the parameter value_head\.weight"):
        parameter_groups(model, OptimizerPlan.from_preset("muon"))
    model.embedding.weight.requires_grad_(False)
    groups = parameter_groups(
        model, OptimizerPlan.from_preset("muon"), {"value_head.weight": "head"}
    )
    moved = {group.name: group for group in groups}
    assert moved["head"].rule == "adamw"
    assert "value_head.weight" in moved["head"].parameters
    assert "embedding.weight" not in moved["embeddings"].parameters
