"""The blocks of a model in order: a repeating pattern of kinds, each with what it sees. No torch.

A decoder is one stack. Models that alternate give a longer pattern: every second block of Gemma 2
(arXiv:2408.00118) sees the whole context and the others a window, every third of ModernBERT
(arXiv:2412.13663), where the two kinds also have different bases of RoPE.
"""

from __future__ import annotations

from typing import NamedTuple

from labkit.model.config import ModelConfig


class BlockKind(NamedTuple):
    """What a block sees (`window` in tokens, None for the whole context) and its base of RoPE."""

    mask: str
    window: int | None
    rope_theta: float


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
    near = BlockKind(config.mask, config.window, config.window_rope_theta or config.rope_theta)
    if config.whole_context_every is None:
        return Stack((near,), config.num_layers)
    return Stack((*(near,) * (config.whole_context_every - 1), whole), config.num_layers)


def visible_tokens(config: ModelConfig, sequence_length: int) -> int:
    """Keys that a query may see, summed over the blocks; causal masks are not halved."""
    windows = (kind.window or sequence_length for kind in decoder_stack(config).kinds)
    return sum(min(window, sequence_length) for window in windows)
