"""Qwen2.5, Qwen3, Gemma 1 and 2, OLMo 2, StarCoder2, nanochat's shape.

Sources, beside the released config.json of each: Qwen2.5, arXiv:2412.15115 table 1; Qwen3,
arXiv:2505.09388 tables 1 and 2; Gemma, arXiv:2403.08295 table 1; Gemma 2, arXiv:2408.00118 table 1;
OLMo 2, arXiv:2501.00656 table 3; StarCoder2, arXiv:2402.19173 table 6; Phi-1.5,
arXiv:2309.05463. nanochat, the depth of 20 of
its README: its norms have no weights, so that this shape has 61,440 parameters more.
"""

from __future__ import annotations

from labkit.model.presets.gpt import Preset, multi_head
from labkit.model.presets.llama import llama


def _qwen(num_layers: int, d_model: int, d_ff: int, num_heads: int, kv: int) -> Preset:
    shape = {"head_dim": 128, "num_heads": num_heads, "num_kv_heads": kv, "vocab_size": 151936}
    rest = {"context_length": 32768, "rope_theta": 1e6, "norm_epsilon": 1e-6}
    return llama(num_layers, d_model, d_ff, **shape, **rest)


def _qwen25(num_layers: int, d_model: int, d_ff: int, num_heads: int, kv: int) -> Preset:
    own = {"head_dim": d_model // num_heads, "qkv_bias": True}
    return _qwen(num_layers, d_model, d_ff, num_heads, kv) | own


def _qwen3(num_layers: int, d_model: int, d_ff: int, num_heads: int, kv: int = 8) -> Preset:
    own = {"context_length": 40960, "qk_norm": True}
    return _qwen(num_layers, d_model, d_ff, num_heads, kv) | own


def _gemma(num_layers: int, d_model: int, d_ff: int, num_heads: int, kv: int) -> Preset:
    shape = {"head_dim": 256, "num_heads": num_heads, "num_kv_heads": kv, "vocab_size": 256000}
    rest = {"context_length": 8192, "norm_epsilon": 1e-6, "tie_embeddings": True}
    own = {"feed_forward": "geglu", "norm": "rmsnorm_plus_one", "scale_embedding": True}
    return llama(num_layers, d_model, d_ff, **shape, **rest) | own


def _gemma2(num_layers: int, d_model: int, d_ff: int, num_heads: int, kv: int) -> Preset:
    return _gemma(num_layers, d_model, d_ff, num_heads, kv) | {
        "norm_placement": "sandwich",
        "window": 4096,
        "whole_context_every": 2,
        "attention_soft_cap": 50.0,
        "logit_soft_cap": 30.0,
    }


def _olmo2(num_layers: int, d_model: int, d_ff: int, kv: int) -> Preset:
    rest = {"vocab_size": 100352, "rope_theta": 500_000.0, "norm_epsilon": 1e-6}
    own = {"norm_placement": "after", "qk_norm": True, "qk_norm_span": "width"}
    return llama(num_layers, d_model, d_ff, num_kv_heads=kv, **rest) | own


def _starcoder2(num_layers: int, d_model: int, num_heads: int, kv: int, theta: float) -> Preset:
    own = {"num_kv_heads": kv, "positions": "rope", "rope_theta": theta, "window": 4096}
    return multi_head(num_layers, d_model, num_heads, 49152, 16384) | own


_TIED: Preset = {"tie_embeddings": True}
_LARGE: Preset = {"vocab_size": 152064, "context_length": 131072}
_PHI: Preset = {
    "block": "parallel",
    "positions": "rope",
    "head_bias": True,
    "tie_embeddings": False,
}
_EXPERTS: Preset = {"num_experts": 128, "experts_per_token": 8, "balance_loss": 0.001}
MODERN: dict[str, Preset] = {
    "qwen2.5-0.5b": _qwen25(24, 896, 4864, 14, 2) | _TIED,
    "qwen2.5-1.5b": _qwen25(28, 1536, 8960, 12, 2) | _TIED,
    "qwen2.5-3b": _qwen25(36, 2048, 11008, 16, 2) | _TIED,
    "qwen2.5-7b": _qwen25(28, 3584, 18944, 28, 4) | _LARGE,
    "qwen2.5-14b": _qwen25(48, 5120, 13824, 40, 8) | _LARGE | {"norm_epsilon": 1e-5},
    "qwen2.5-32b": _qwen25(64, 5120, 27648, 40, 8) | _LARGE | {"norm_epsilon": 1e-5},
    "qwen2.5-72b": _qwen25(80, 8192, 29568, 64, 8) | _LARGE | {"norm_epsilon": 1e-5},
    "qwen3-0.6b": _qwen3(28, 1024, 3072, 16) | _TIED,
    "qwen3-1.7b": _qwen3(28, 2048, 6144, 16) | _TIED,
    "qwen3-4b": _qwen3(36, 2560, 9728, 32) | _TIED,
    "qwen3-8b": _qwen3(36, 4096, 12288, 32),
    "qwen3-14b": _qwen3(40, 5120, 17408, 40),
    "qwen3-32b": _qwen3(64, 5120, 25600, 64),
    "qwen3-30b-a3b": _qwen3(48, 2048, 768, 32, 4) | _EXPERTS,
    "qwen3-235b-a22b": _qwen3(94, 4096, 1536, 64, 4) | _EXPERTS,
    "gemma-2b": _gemma(18, 2048, 16384, 8, 1),
    "gemma-7b": _gemma(28, 3072, 24576, 16, 16),
    "gemma-2-2b": _gemma2(26, 2304, 9216, 8, 4),
    "gemma-2-9b": _gemma2(42, 3584, 14336, 16, 8),
    "gemma-2-27b": _gemma2(46, 4608, 36864, 32, 16)
    | {"head_dim": 128, "attention_scale": 144**-0.5},
    "olmo-2-1b": _olmo2(16, 2048, 8192, 16),
    "olmo-2-7b": _olmo2(32, 4096, 11008, 32),
    "olmo-2-13b": _olmo2(40, 5120, 13824, 40),
    "olmo-2-32b": _olmo2(64, 5120, 27648, 8),
    "starcoder2-3b": _starcoder2(30, 3072, 24, 2, 999_999.4420358813),
    "starcoder2-7b": _starcoder2(32, 4608, 36, 4, 1e6),
    "starcoder2-15b": _starcoder2(40, 6144, 48, 4, 1e5),
    "phi-1.5": multi_head(24, 2048, 32, 51200, 2048) | _PHI | {"rope_ratio": 0.5},
    "phi-2": multi_head(32, 2560, 32, 51200, 2048) | _PHI | {"rope_ratio": 0.4},
    "nanochat-d20": llama(20, 1280, 5120, vocab_size=65536, context_length=2048)
    | {"feed_forward": "relu_squared", "qk_norm": True, "embedding_norm": True}
    | {"logit_soft_cap": 15.0},
}
