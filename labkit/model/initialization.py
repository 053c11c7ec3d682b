"""Starting weights. Each parameter has a generator of its own, keyed by (seed, name), so that
models which share a parameter start it equal, and adding one moves no other.

gpt2          N(0, 0.02); what writes to the residual stream N(0, 0.02 / sqrt(2 layers)) (Radford
              et al. 2019), so that the stream's variance does not grow with depth
zero_output   matrices N(0, 1 / fan_in), embeddings N(0, 1), what writes to the residual stream and
              an untied head 0: each block starts as the identity, and the loss at exactly ln V
Norms start at 1, biases and token shares at 0. Under zero_output a tied head is the embedding, and
that keeps N(0, 0.02).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator

import torch
from torch import nn

from labkit.model.config import ModelConfig
from labkit.model.transformer import Transformer
from labkit.model.weights import Weight, all_weights

STANDARD = 0.02


@torch.no_grad()
def initialize(model: Transformer, seed: int) -> Transformer:
    """Set every parameter in place; the same seed gives the same weights on any device."""
    for parameter, start in starting_weights(model, seed):
        parameter.copy_(start)
    return model


def starting_weights(model: Transformer, seed: int) -> Iterator[tuple[nn.Parameter, torch.Tensor]]:
    """Each parameter and where it starts, one after the other: a caller may hold but a share."""
    start_of = INITIALIZATIONS[model.config.initialization]
    weights = {weight.name: weight for weight in all_weights(model.config)}
    for name, parameter in model.named_parameters():
        start = start_of(weights[name], model.config)
        if isinstance(start, float):
            generator = torch.Generator().manual_seed(_key(seed, name))
            yield parameter, torch.randn(parameter.shape, generator=generator) * start
        else:
            yield parameter, torch.full(parameter.shape, float(start))


def _gpt2(weight: Weight, config: ModelConfig) -> float | int:
    """A float is a standard deviation, an int a constant."""
    if weight.role == "vector":
        return _constant(weight, config)
    if _writes(weight):
        return STANDARD / math.sqrt(2 * config.num_layers)
    return STANDARD


def _zero_output(weight: Weight, config: ModelConfig) -> float | int:
    if weight.role == "vector":
        return _constant(weight, config)
    if weight.role == "head" or _writes(weight):
        return 0
    if weight.role == "embedding":
        return STANDARD if config.tie_embeddings else 1.0
    return 1 / math.sqrt(weight.shape[-1])


def _writes(weight: Weight) -> bool:
    """Whether its result is added to the residual stream, of a stack of experts too."""
    is_last_of_experts = weight.role == "experts" and weight.name.endswith("down.weight")
    return weight.role == "residual_writer" or is_last_of_experts


def _constant(weight: Weight, config: ModelConfig) -> int:
    """A norm that multiplies by 1 + weight starts at 0."""
    if config.norm == "rmsnorm_plus_one":
        return 0
    return int("norm" in weight.name and weight.name.endswith("weight"))


INITIALIZATIONS = {"gpt2": _gpt2, "zero_output": _zero_output}


def _key(seed: int, name: str) -> int:
    digest = hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1
