"""Published shapes by name. Each row is data; `ModelConfig.from_preset` gives it a type.

Sources: GPT-2, the `n_layer/n_head/n_embd` of its four released sizes (Radford et al. 2019);
Llama 1, arXiv:2302.13971 table 2; Llama 2, arXiv:2307.09288 table 1 and the released
`params.json`; Llama 3, arXiv:2407.21783 table 3 and the released `params.json` of 3.2.
`nanogpt-cpu`, the settings that nanoGPT's README gives for a laptop (no biases, no dropout); its
vocabulary follows the corpus. Llama 3.2 stretches RoPE's wavelengths for its long context, which
is left out here: the shape is its own, the angles beyond 8,192 tokens are not.
Parameter totals that these shapes give are held by tests against the published ones.
"""

from __future__ import annotations

from typing import Any


def _gpt2(num_layers: int, d_model: int) -> dict[str, Any]:
    num_heads = d_model // 64
    return {
        "vocab_size": 50257,
        "context_length": 1024,
        "d_model": d_model,
        "num_layers": num_layers,
        "num_heads": num_heads,
        "num_kv_heads": num_heads,
        "head_dim": 64,
        "d_ff": 4 * d_model,
        "feed_forward": "gelu",
        "norm": "layernorm",
        "positions": "learned",
        "tie_embeddings": True,
    }


def _llama(
    num_layers: int,
    d_model: int,
    d_ff: int,
    *,
    num_kv_heads: int = 0,
    head_dim: int = 128,
    vocab_size: int = 32000,
    context_length: int = 4096,
    tie_embeddings: bool = False,
    rope_theta: float = 10_000.0,
    norm_epsilon: float = 1e-5,
) -> dict[str, Any]:
    num_heads = d_model // head_dim
    return {
        "vocab_size": vocab_size,
        "context_length": context_length,
        "d_model": d_model,
        "num_layers": num_layers,
        "num_heads": num_heads,
        "num_kv_heads": num_kv_heads or num_heads,
        "head_dim": head_dim,
        "d_ff": d_ff,
        "feed_forward": "swiglu",
        "norm": "rmsnorm",
        "positions": "rope",
        "rope_theta": rope_theta,
        "norm_epsilon": norm_epsilon,
        "qkv_bias": False,
        "attention_output_bias": False,
        "feed_forward_bias": False,
        "tie_embeddings": tie_embeddings,
    }


_LLAMA_3: dict[str, Any] = {
    "vocab_size": 128256,
    "context_length": 8192,
    "rope_theta": 500_000.0,
}

PRESETS: dict[str, dict[str, Any]] = {
    "gpt2": _gpt2(12, 768),
    "gpt2-medium": _gpt2(24, 1024),
    "gpt2-large": _gpt2(36, 1280),
    "gpt2-xl": _gpt2(48, 1600),
    "nanogpt-cpu": _gpt2(4, 128)
    | {"context_length": 64, "num_heads": 4, "num_kv_heads": 4, "head_dim": 32}
    | {"qkv_bias": False, "attention_output_bias": False, "feed_forward_bias": False}
    | {"norm_bias": False},
    "llama-7b": _llama(32, 4096, 11008, context_length=2048, norm_epsilon=1e-6),
    "llama-13b": _llama(40, 5120, 13824, context_length=2048, norm_epsilon=1e-6),
    "llama-33b": _llama(60, 6656, 17920, context_length=2048, norm_epsilon=1e-6),
    "llama-65b": _llama(80, 8192, 22016, context_length=2048, norm_epsilon=1e-6),
    "llama-2-7b": _llama(32, 4096, 11008),
    "llama-2-13b": _llama(40, 5120, 13824),
    "llama-2-70b": _llama(80, 8192, 28672, num_kv_heads=8),
    "llama-3-8b": _llama(32, 4096, 14336, num_kv_heads=8, **_LLAMA_3),
    "llama-3-70b": _llama(80, 8192, 28672, num_kv_heads=8, **_LLAMA_3),
    "llama-3.2-1b": _llama(
        16,
        2048,
        8192,
        num_kv_heads=8,
        head_dim=64,
        vocab_size=128256,
        context_length=131072,
        rope_theta=500_000.0,
        tie_embeddings=True,
    ),
}
