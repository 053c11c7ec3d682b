"""Llama 1 to 3.2, and models of its architecture: Mistral, TinyLlama, SmolLM2.

Sources: Llama 1, arXiv:2302.13971 table 2; Llama 2, arXiv:2307.09288 table 1 and the released
`params.json`; Llama 3 and 3.1, arXiv:2407.21783 table 3; 3.2, the released `params.json`.
Mistral-7B v0.1, arXiv:2310.06825 table 1. Mixtral, arXiv:2401.04088 table 1 and the released
config.json. TinyLlama, arXiv:2401.02385 table 1. SmolLM2,
arXiv:2502.02737 and the released config.json.

`llama-3.2-1b` is older here than scaled wavelengths: its shape is its own, its angles are those of
Llama 3. 3.1 and `llama-3.2-3b` have the scaling.
"""

from __future__ import annotations

from typing import Any

from labkit.model.presets.gpt import NO_BIAS

Preset = dict[str, Any]


def llama(
    num_layers: int,
    d_model: int,
    d_ff: int,
    *,
    num_kv_heads: int = 0,
    head_dim: int = 128,
    num_heads: int = 0,
    vocab_size: int = 32000,
    context_length: int = 4096,
    tie_embeddings: bool = False,
    rope_theta: float = 10_000.0,
    norm_epsilon: float = 1e-5,
) -> Preset:
    num_heads = num_heads or d_model // head_dim
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
        **NO_BIAS,
        "tie_embeddings": tie_embeddings,
    }


_LLAMA_3: Preset = {"vocab_size": 128256, "context_length": 8192, "rope_theta": 500_000.0}
_LONG: Preset = _LLAMA_3 | {"context_length": 131072}


def _scaled(factor: float) -> Preset:
    return {"rope_scaling": "llama3", "rope_factor": factor, "rope_original_context": 8192}


def _smollm2(num_layers: int, d_model: int, d_ff: int, kv: int, theta: float) -> Preset:
    size = {"num_kv_heads": kv, "head_dim": 64, "vocab_size": 49152, "context_length": 8192}
    return llama(num_layers, d_model, d_ff, **size, rope_theta=theta, tie_embeddings=True)


def _mixtral(num_layers: int, d_model: int, d_ff: int, context_length: int) -> Preset:
    rest = {"num_kv_heads": 8, "context_length": context_length, "rope_theta": 1e6}
    experts = {"num_experts": 8, "experts_per_token": 2, "balance_loss": 0.02}
    return llama(num_layers, d_model, d_ff, **rest) | experts


LLAMA: dict[str, Preset] = {
    "llama-7b": llama(32, 4096, 11008, context_length=2048, norm_epsilon=1e-6),
    "llama-13b": llama(40, 5120, 13824, context_length=2048, norm_epsilon=1e-6),
    "llama-33b": llama(60, 6656, 17920, context_length=2048, norm_epsilon=1e-6),
    "llama-65b": llama(80, 8192, 22016, context_length=2048, norm_epsilon=1e-6),
    "llama-2-7b": llama(32, 4096, 11008),
    "llama-2-13b": llama(40, 5120, 13824),
    "llama-2-70b": llama(80, 8192, 28672, num_kv_heads=8),
    "llama-3-8b": llama(32, 4096, 14336, num_kv_heads=8, **_LLAMA_3),
    "llama-3-70b": llama(80, 8192, 28672, num_kv_heads=8, **_LLAMA_3),
    "llama-3.1-8b": llama(32, 4096, 14336, num_kv_heads=8, **_LONG) | _scaled(8.0),
    "llama-3.1-70b": llama(80, 8192, 28672, num_kv_heads=8, **_LONG) | _scaled(8.0),
    "llama-3.1-405b": llama(126, 16384, 53248, num_kv_heads=8, **_LONG) | _scaled(8.0),
    "llama-3.2-1b": llama(16, 2048, 8192, num_kv_heads=8, head_dim=64, **_LONG)
    | {"tie_embeddings": True},
    "llama-3.2-3b": llama(28, 3072, 8192, num_kv_heads=8, **_LONG)
    | {"tie_embeddings": True}
    | _scaled(32.0),
    "mistral-7b": llama(32, 4096, 14336, num_kv_heads=8, context_length=32768) | {"window": 4096},
    "mixtral-8x7b": _mixtral(32, 4096, 14336, 32768),
    "mixtral-8x22b": _mixtral(56, 6144, 16384, 65536),
    "tinyllama-1.1b": llama(22, 2048, 5632, num_kv_heads=4, head_dim=64, context_length=2048),
    "smollm2-135m": _smollm2(30, 576, 1536, 3, 100_000.0),
    "smollm2-360m": _smollm2(32, 960, 2560, 5, 100_000.0),
    "smollm2-1.7b": _smollm2(24, 2048, 8192, 32, 130_000.0),
}
