"""The blocks of a model in order: a repeating pattern of kinds, each with what it sees. No torch.

A decoder is one stack. Models that alternate give a longer pattern: every second block of Gemma 2
(arXiv:2408.00118) sees the whole context and the others a window, every third of ModernBERT
(arXiv:2412.13663), where the two kinds also have different bases of RoPE. GPT-Neo begins with a
block that sees the whole context.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from labkit.model.config import ModelConfig


class BlockKind(NamedTuple):
    """What a block sees (`window` in tokens, None for the whole context) and its base of RoPE."""

    mask: str
    window: int | None
    rope_theta: float
    pattern: str = "sliding"

    def num_visible(self, sequence_length: int) -> int:
        """Keys that a query may see at most; causal masks are not halved."""
        window = self.window or sequence_length
        if window >= sequence_length:
            return sequence_length
        strided = math.ceil(sequence_length / window) - 1 if self.pattern == "banded" else 0
        return window + strided


class Stack(NamedTuple):
    """`num_blocks` blocks; block i is of kind `pattern[i % len(pattern)]`."""

    pattern: tuple[BlockKind, ...]
    num_blocks: int

    @property
    def kinds(self) -> tuple[BlockKind, ...]:
        """The kind of each block, from the first to the last."""
        return tuple(self.pattern[n % len(self.pattern)] for n in range(self.num_blocks))


def decoder_stack(config: ModelConfig) -> Stack:
    """The one stack of a decoder.

    >>> gemma = ModelConfig(window=4096, whole_context_every=2, context_length=8192)
    >>> [kind.window for kind in decoder_stack(gemma).kinds[:4]]
    [4096, None, 4096, None]
    """
    whole = BlockKind(config.mask, None, config.rope_theta)
    if config.window is None:
        return Stack((whole,), config.num_layers)
    theta = config.window_rope_theta or config.rope_theta
    near = BlockKind(config.mask, config.window, theta, config.window_pattern)
    if config.whole_context_every is None:
        return Stack((near,), config.num_layers)
    others = (near,) * (config.whole_context_every - 1)
    pattern = (whole, *others) if config.whole_context_first else (*others, whole)
    return Stack(pattern, config.num_layers)


def visible_tokens(config: ModelConfig, sequence_length: int) -> int:
    """Keys that a query may see, summed over the blocks; causal masks are not halved."""
    return sum(kind.num_visible(sequence_length) for kind in decoder_stack(config).kinds)
