"""Training FLOPs per token, under the two conventions in use, and by component.

`6N`: six times all parameters N (Kaplan et al. 2020): 2 for the forward pass, 4 for the backward;
of experts, those that a token goes to.
`6N+12LHQT`: plus attention scores over a sequence of T tokens with L layers of H heads of
dimension Q, no causal halving (PaLM, Chowdhery et al. 2022, appendix B). This is the convention
in which published MFU is stated. Both count the input embedding, which does no multiplications:
`forward_flops_by_component` leaves it out and is what a profiler would count.
"""

from __future__ import annotations

from typing import Literal

from labkit.cost.parameters import (
    count_active_parameters,
    count_by_component,
    count_parameters,
)
from labkit.model.config import ModelConfig
from labkit.model.stack import visible_tokens
from labkit.model.weights import matmul_weights

FlopsConvention = Literal["6N", "6N+12LHQT"]


def training_flops_per_token(
    model: ModelConfig, sequence_length: int, convention: FlopsConvention
) -> int:
    """FLOPs of forward and backward for one token in a sequence of `sequence_length`."""
    flops = 6 * count_active_parameters(model)
    if convention == "6N+12LHQT":
        flops += 12 * model.num_layers * model.attention_width * sequence_length
    return flops


def forward_flops_by_component(model: ModelConfig, sequence_length: int) -> dict[str, int]:
    """Multiply-adds x 2 of one token's forward pass; scores and mixing over what a block may see:
    the whole sequence, or its window.

    Training does three times as much.
    """
    products: dict[str, int] = {}
    for weight in matmul_weights(model):
        products[weight.component] = products.get(weight.component, 0) + 2 * weight.active_size(
            model
        )
    scores = 2 * 2 * model.attention_width * visible_tokens(model, sequence_length)
    projection = {"embedding projection": products["embedding"]} if model.embedding_width else {}
    return projection | {
        "attention projections": products["attention"],
        "attention scores": scores,
        "feed-forward": products["feed-forward"],
        "head": products["head"],
    }


def model_flops_utilization(
    tokens_per_s: float, flops_per_token: float, peak_flops_per_s: float
) -> float:
    """MFU, 0..1: model FLOPs per second over the dense peak (per GPU, or over all of them)."""
    return tokens_per_s * flops_per_token / peak_flops_per_s


def embedding_share(model: ModelConfig) -> float:
    """Share of 6N that the untied input embedding adds without doing any work, 0..1."""
    lookup = 0 if model.tie_embeddings else count_by_component(model)["embedding"]
    return lookup / count_parameters(model)
