"""GPT-1, 2 and 3, and EleutherAI's GPT-Neo, GPT-J, GPT-NeoX and Pythia.

Sources: GPT-1, Radford et al. 2018. GPT-2, the `n_layer/n_head/n_embd` of its four released sizes
(Radford et al. 2019). `nanogpt-cpu`, the settings that nanoGPT's README gives for a laptop (no
biases, no dropout); its vocabulary follows the corpus. DistilGPT-2, its released config.json.
GPT-3, arXiv:2005.14165 table 2.1, whose rows contradict themselves twice: 1.3B has 24 heads of 128
in a width of 2048 (16 fit, and are taken), 13B a width of 5140 with 40 heads of 128 (5120 fits).
How wide its bands are it does not say: 256 is GPT-Neo's. GPT-Neo, GPT-J, GPT-NeoX-20B
(arXiv:2204.06745) and Pythia (arXiv:2304.01373 table 1), the released config.json of each; Pythia's
vocabulary is padded differently at 6.9B and 12B.
"""

from __future__ import annotations

from typing import Any

Preset = dict[str, Any]
NO_ATTENTION_BIAS: Preset = {"qkv_bias": False, "attention_output_bias": False}
NO_BIAS: Preset = NO_ATTENTION_BIAS | {"feed_forward_bias": False}


def multi_head(
    num_layers: int, d_model: int, num_heads: int, vocab_size: int, context_length: int
) -> Preset:
    """Heads that divide the width, and four times the width in the feed-forward."""
    return {
        "vocab_size": vocab_size,
        "context_length": context_length,
        "d_model": d_model,
        "num_layers": num_layers,
        "num_heads": num_heads,
        "num_kv_heads": num_heads,
        "head_dim": d_model // num_heads,
        "d_ff": 4 * d_model,
    }


def _gpt2(num_layers: int, d_model: int) -> Preset:
    return multi_head(num_layers, d_model, d_model // 64, 50257, 1024) | {
        "feed_forward": "gelu",
        "norm": "layernorm",
        "positions": "learned",
        "tie_embeddings": True,
    }


def _alternating(window: int) -> Preset:
    return {"window": window, "whole_context_every": 2, "whole_context_first": True}


def _gpt3(num_layers: int, d_model: int, num_heads: int) -> Preset:
    banded = {"window_pattern": "banded"}
    return multi_head(num_layers, d_model, num_heads, 50257, 2048) | _alternating(256) | banded


def _neo(num_layers: int, d_model: int, num_heads: int) -> Preset:
    own = {"attention_scale": 1.0, "qkv_bias": False}
    return multi_head(num_layers, d_model, num_heads, 50257, 2048) | _alternating(256) | own


def _neox(num_layers: int, d_model: int, num_heads: int, vocab_size: int = 50304) -> Preset:
    return multi_head(num_layers, d_model, num_heads, vocab_size, 2048) | {
        "feed_forward": "gelu_exact",
        "block": "parallel_two_norms",
        "positions": "rope",
        "rope_ratio": 0.25,
        "tie_embeddings": False,
    }


GPT: dict[str, Preset] = {
    "gpt2": _gpt2(12, 768),
    "gpt2-medium": _gpt2(24, 1024),
    "gpt2-large": _gpt2(36, 1280),
    "gpt2-xl": _gpt2(48, 1600),
    "nanogpt-cpu": _gpt2(4, 128)
    | {"context_length": 64, "num_heads": 4, "num_kv_heads": 4, "head_dim": 32}
    | NO_BIAS
    | {"norm_bias": False},
    "gpt1": multi_head(12, 768, 12, 40478, 512) | {"norm_placement": "post"},
    "distilgpt2": _gpt2(6, 768),
    "gpt3-125m": _gpt3(12, 768, 12),
    "gpt3-350m": _gpt3(24, 1024, 16),
    "gpt3-760m": _gpt3(24, 1536, 16),
    "gpt3-1.3b": _gpt3(24, 2048, 16),
    "gpt3-2.7b": _gpt3(32, 2560, 32),
    "gpt3-6.7b": _gpt3(32, 4096, 32),
    "gpt3-13b": _gpt3(40, 5120, 40),
    "gpt3-175b": _gpt3(96, 12288, 96),
    "gpt-neo-125m": _neo(12, 768, 12),
    "gpt-neo-1.3b": _neo(24, 2048, 16),
    "gpt-neo-2.7b": _neo(32, 2560, 20),
    "gpt-j-6b": multi_head(28, 4096, 16, 50400, 2048)
    | NO_ATTENTION_BIAS
    | {"block": "parallel", "positions": "rope", "rope_ratio": 0.25}
    | {"rope_layout": "interleaved", "head_bias": True, "tie_embeddings": False},
    "gpt-neox-20b": _neox(44, 6144, 64, 50432),
    "pythia-70m": _neox(6, 512, 8),
    "pythia-160m": _neox(12, 768, 12),
    "pythia-410m": _neox(24, 1024, 16),
    "pythia-1b": _neox(16, 2048, 8),
    "pythia-1.4b": _neox(24, 2048, 16),
    "pythia-2.8b": _neox(32, 2560, 32),
    "pythia-6.9b": _neox(32, 4096, 32, 50432),
    "pythia-12b": _neox(36, 5120, 40, 50688),
}
