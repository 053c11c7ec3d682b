"""Every parameter of a model, listed from its config alone: name, shape, and what it is for.

This is the one description of the matrices of a model. Counts, FLOPs, memory, the shares of a
sharded run, the plan of tensor parallelism, starting weights and the optimizer's groups are sums
and filters of it. A new part of a model adds its rows here and its class in a file of its own;
`tests/model/test_weights.py` holds that both list the same parameters.

A linear map from D to F features has a weight of shape (F, D), as in torch. Tensor parallelism
(Megatron, Shoeybi et al. 2019) divides a parameter between t processes by its `cut`:

vocabulary  dimension 0: each process has some of the tokens
columns     dimension 0: each process computes some of the output features
rows        dimension 1: each process reads some of the input features, and results are summed
repeated    whole on every process, its gradient summed: the key and value of a single head
heads       whole on every process, which applies it to its own heads
whole       not divided
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple, cast

from labkit.model.config import ModelConfig

Role = Literal["embedding", "head", "matrix", "residual_writer", "experts", "vector", "adapter"]
"""What the optimizer and the starting weights ask about. `residual_writer`: a matrix whose result
is added to the residual stream; `experts`: a stack of matrices, (experts, rows, columns);
`adapter`: one of the two narrow matrices of a low-rank update."""

Component = Literal["embedding", "positions", "attention", "feed-forward", "norms", "head"]
Cut = Literal["vocabulary", "columns", "rows", "repeated", "heads", "whole"]
FINAL_NORM = ("pre", "sandwich", "after")
"""Placements of norms whose last block gives an unnormed stream."""
T5_BUCKETS = 32
_AFTER_BLOCKS: tuple[Component, ...] = ("norms", "head")
_DIVIDED: tuple[Cut, ...] = ("vocabulary", "columns", "rows")


def _cached(
    function: Callable[[ModelConfig], tuple[Weight, ...]],
) -> Callable[[ModelConfig], tuple[Weight, ...]]:
    """Panels ask for the same few configs again and again; configs are frozen, so hashable."""
    return cast(Any, functools.lru_cache(maxsize=32)(function))


class Weight(NamedTuple):
    """One parameter; `layer` counts the blocks from 0 and is None outside of them."""

    name: str
    shape: tuple[int, ...]
    role: Role
    component: Component
    cut: Cut = "whole"
    layer: int | None = None

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def module(self) -> str:
        """The name of the layer that owns it: `attention.query` for `attention.query.weight`."""
        return self.name.rpartition(".")[0]

    @property
    def multiplies(self) -> bool:
        """Whether it multiplies activations; an embedding is looked up, a vector scales or adds."""
        return self.role not in ("embedding", "vector")

    def active_size(self, config: ModelConfig) -> int:
        """Elements that a token is multiplied by: of a stack of experts, those it goes to."""
        if self.role != "experts":
            return self.size
        assert config.num_experts is not None
        return self.size // config.num_experts * config.experts_per_token

    def share(self, tensor_parallel: int) -> float:
        """Elements that one of the processes of tensor parallelism holds."""
        return self.size / (tensor_parallel if self.cut in _DIVIDED else 1)


@_cached
def all_weights(config: ModelConfig) -> tuple[Weight, ...]:
    """All parameters in the network's order; a tied head is the embedding and is listed once.

    >>> sum(weight.size for weight in all_weights(ModelConfig.from_preset("gpt2")))
    124439808
    """
    blocks = (
        weight._replace(name=f"blocks.{layer}.{weight.name}", layer=layer)
        for layer in range(config.num_layers)
        for weight in block_weights(config)
    )
    first = [weight for weight in root_weights(config) if weight.component not in _AFTER_BLOCKS]
    last = [weight for weight in root_weights(config) if weight.component in _AFTER_BLOCKS]
    return (*first, *blocks, *last)


@_cached
def root_weights(config: ModelConfig) -> tuple[Weight, ...]:
    """Parameters outside of the blocks."""
    return tuple(_root(config))


@_cached
def block_weights(config: ModelConfig) -> tuple[Weight, ...]:
    """Parameters of one block, named from the block; all blocks of a config have the same."""
    return (*_attention(config), *_feed_forward(config), *_block_norms(config))


def head_weight(config: ModelConfig) -> Weight:
    """The matrix that gives the logits, also where it is the embedding's."""
    shape = (config.vocab_size, config.token_width)
    return Weight("head.weight", shape, "head", "head", "vocabulary")


def matmul_weights(config: ModelConfig) -> Iterator[Weight]:
    """Matrices that multiply activations: those of the blocks, and the head even when tied."""
    yield from (weight for weight in all_weights(config) if weight.multiplies)
    if config.tie_embeddings:
        yield head_weight(config)


def _root(config: ModelConfig) -> Iterator[Weight]:
    d, width = config.d_model, config.token_width
    table = (config.vocab_size, width)
    yield Weight("embedding.weight", table, "embedding", "embedding", "vocabulary")
    if config.embedding_width:
        yield Weight("embedding_projection.weight", (d, width), "matrix", "embedding")
    yield from _positions(config)
    if config.embedding_norm:
        for weight in _norm(config, "embedding_norm"):
            yield weight._replace(component="embedding")
    if config.token_shift:
        yield Weight("shift.share", (d,), "vector", "embedding")
    if config.norm_placement in FINAL_NORM:
        yield from _norm(config, "final_norm")
    if config.embedding_width:
        yield Weight("head_projection.weight", (width, d), "matrix", "head")
    if not config.tie_embeddings:
        yield head_weight(config)
    if config.head_bias:
        yield Weight("head.bias", (config.vocab_size,), "vector", "head", "vocabulary")


def _positions(config: ModelConfig) -> Iterator[Weight]:
    tables = {
        "learned": (config.position_offset + config.context_length, config.d_model),
        "t5": (T5_BUCKETS, config.num_heads),
    }
    if config.positions in tables:
        yield Weight("positions.weight", tables[config.positions], "embedding", "positions")


def _attention(config: ModelConfig) -> Iterator[Weight]:
    d, width, kv_width = config.d_model, config.attention_width, config.kv_width
    kv_cut: Cut = "columns" if config.num_kv_heads > 1 else "repeated"
    yield from _linear("attention.query", (width, d), config.qkv_bias)
    yield from _linear("attention.key", (kv_width, d), config.qkv_bias, cut=kv_cut)
    yield from _linear("attention.value", (kv_width, d), config.qkv_bias, cut=kv_cut)
    yield from _linear(
        "attention.output",
        (d, width),
        config.attention_output_bias,
        role="residual_writer",
        cut="rows",
    )
    if config.qk_norm:
        spans = {"head": (config.head_dim,) * 2, "width": (width, kv_width)}
        for name, span in zip(("query", "key"), spans[config.qk_norm_span], strict=True):
            yield Weight(f"attention.{name}_norm.weight", (span,), "vector", "attention", "heads")
    if config.positions == "shaw":
        rows = (config.max_distance + 1, config.head_dim)
        yield Weight("attention.distances.weight", rows, "embedding", "positions")
    if config.positions == "transformer_xl":
        yield Weight("attention.distances.weight", (width, d), "matrix", "attention")
        for name in ("content_bias", "distance_bias"):
            yield Weight(f"attention.distances.{name}", (width,), "vector", "attention")


def _feed_forward(config: ModelConfig) -> Iterator[Weight]:
    if config.num_experts is None:
        yield from _dense(config, "feed_forward", config.d_ff)
        return
    d, num_experts = config.d_model, config.num_experts
    yield from _linear("feed_forward.router", (num_experts, d), has_bias=False, cut="whole")
    for name in ("gate", "up", "down") if config.is_gated else ("up", "down"):
        matrix = (d, config.d_ff) if name == "down" else (config.d_ff, d)
        shape = (num_experts, *matrix)
        yield Weight(f"feed_forward.{name}.weight", shape, "experts", "feed-forward")
    if config.shared_d_ff:
        yield from _dense(config, "feed_forward.shared", config.shared_d_ff)


def _dense(config: ModelConfig, module: str, hidden: int) -> Iterator[Weight]:
    d = config.d_model
    if config.is_gated:
        yield from _linear(f"{module}.gate", (hidden, d), config.feed_forward_bias)
    yield from _linear(f"{module}.up", (hidden, d), config.feed_forward_bias)
    yield from _linear(
        f"{module}.down",
        (d, hidden),
        config.feed_forward_bias,
        role="residual_writer",
        cut="rows",
    )


def _block_norms(config: ModelConfig) -> Iterator[Weight]:
    yield from _norm(config, "attention_norm")
    if config.block != "parallel":
        yield from _norm(config, "feed_forward_norm")
    if config.norm_placement == "sandwich":
        yield from _norm(config, "attention_output_norm")
        yield from _norm(config, "feed_forward_output_norm")


def _linear(
    module: str,
    shape: tuple[int, int],
    has_bias: bool,
    *,
    role: Role = "matrix",
    cut: Cut = "columns",
) -> Iterator[Weight]:
    """A bias is divided with the output features; where they are summed it is added once."""
    component: Component = "attention" if module.startswith("attention") else "feed-forward"
    yield Weight(f"{module}.weight", shape, role, component, cut)
    if has_bias:
        bias_cut: Cut = "whole" if cut == "rows" else cut
        yield Weight(f"{module}.bias", shape[:1], "vector", component, bias_cut)


def _norm(config: ModelConfig, module: str) -> Iterator[Weight]:
    yield Weight(f"{module}.weight", (config.d_model,), "vector", "norms")
    if config.norm == "layernorm" and config.norm_bias:
        yield Weight(f"{module}.bias", (config.d_model,), "vector", "norms")
