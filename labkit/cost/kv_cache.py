"""Memory of keys and values while text is generated, from the config alone.

Each block keeps 2 x key heads x head dimension elements of each token. Past its window a block
sees a token no more, so that a cache may forget it: `least_cache_bytes` counts what is seen,
banded windows as a whole. labkit's own cache keeps every token.
"""

from __future__ import annotations

from labkit.model.config import ModelConfig
from labkit.model.stack import decoder_stack


def cache_bytes_per_token(model: ModelConfig, element_bytes: int = 2) -> int:
    """Of all blocks; 2 bytes an element in bf16.

    >>> cache_bytes_per_token(ModelConfig.from_preset("llama-3-8b"))
    131072
    """
    return 2 * model.num_layers * model.kv_width * element_bytes


def least_cache_bytes(model: ModelConfig, num_tokens: int, element_bytes: int = 2) -> int:
    """Of so many tokens, without those that a block's sliding window has passed."""
    per_block = 2 * model.kv_width * element_bytes
    kept = 0
    for kind in decoder_stack(model).kinds:
        is_sliding = kind.window is not None and kind.pattern == "sliding"
        kept += min(num_tokens, kind.window) if is_sliding and kind.window else num_tokens
    return per_block * kept
