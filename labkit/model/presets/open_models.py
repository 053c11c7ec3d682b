"""Gopher, Chinchilla, OPT, BLOOM, PaLM, Falcon, MPT, GLM-130B's decoder block.

Sources: Gopher, arXiv:2112.11446 table 1, and Chinchilla, arXiv:2203.15556 table 4: RMSNorm and
Transformer-XL's relative positions, whose projection is a thirteenth of each block; the activation
and whether there are biases is not published, GELU without is taken.
OPT, arXiv:2205.01068 table 1 and the released config.json (350M alone has its norms after sums, and
an embedding of 512). BLOOM, arXiv:2211.05100 table 3. PaLM, arXiv:2204.02311 table 1; which layout
of RoPE it has is not published. Falcon, arXiv:2311.16867 and the released config.json. MPT, the
released config.json. GLM-130B, arXiv:2210.02414 table 11: its decoder block, read causally; its
two-dimensional positions and blank filling are no part of it.
"""

from __future__ import annotations

from labkit.model.presets.gpt import NO_BIAS, Preset, multi_head


def _opt(num_layers: int, d_model: int, num_heads: int) -> Preset:
    shape = multi_head(num_layers, d_model, num_heads, 50272, 2048)
    return shape | {"feed_forward": "relu", "position_offset": 2}


def _bloom(num_layers: int, d_model: int, num_heads: int) -> Preset:
    shape = multi_head(num_layers, d_model, num_heads, 250880, 2048)
    return shape | {"positions": "alibi", "embedding_norm": True}


def _palm(num_layers: int, d_model: int, num_heads: int) -> Preset:
    own = {"num_kv_heads": 1, "head_dim": 256, "feed_forward": "swiglu", "norm_bias": False}
    shape = multi_head(num_layers, d_model, num_heads, 256000, 2048) | own | NO_BIAS
    return shape | {"block": "parallel", "positions": "rope"}


def _falcon(num_layers: int, d_model: int, num_kv_heads: int, block: str) -> Preset:
    shape = multi_head(num_layers, d_model, d_model // 64, 65024, 2048) | NO_BIAS
    own = {"num_kv_heads": num_kv_heads, "feed_forward": "gelu_exact"}
    return shape | own | {"block": block, "positions": "rope"}


def _mpt(num_layers: int, d_model: int, num_heads: int, context_length: int) -> Preset:
    shape = multi_head(num_layers, d_model, num_heads, 50432, context_length) | NO_BIAS
    return shape | {"feed_forward": "gelu_exact", "norm_bias": False, "positions": "alibi"}


def _gopher(d_model: int, num_heads: int) -> Preset:
    shape = multi_head(80, d_model, num_heads, 32000, 2048) | NO_BIAS
    return shape | {"norm": "rmsnorm", "positions": "transformer_xl"}


OPEN_MODELS: dict[str, Preset] = {
    "gopher-280b": _gopher(16384, 128),
    "chinchilla-70b": _gopher(8192, 64),
    "opt-125m": _opt(12, 768, 12),
    "opt-350m": _opt(24, 1024, 16) | {"norm_placement": "post", "embedding_width": 512},
    "opt-1.3b": _opt(24, 2048, 32),
    "opt-2.7b": _opt(32, 2560, 32),
    "opt-6.7b": _opt(32, 4096, 32),
    "opt-13b": _opt(40, 5120, 40),
    "opt-30b": _opt(48, 7168, 56),
    "opt-66b": _opt(64, 9216, 72),
    "opt-175b": _opt(96, 12288, 96),
    "bloom-560m": _bloom(24, 1024, 16),
    "bloom-1b1": _bloom(24, 1536, 16),
    "bloom-1b7": _bloom(24, 2048, 16),
    "bloom-3b": _bloom(30, 2560, 32),
    "bloom-7b1": _bloom(30, 4096, 32),
    "bloom-176b": _bloom(70, 14336, 112),
    "palm-8b": _palm(32, 4096, 16),
    "palm-62b": _palm(64, 8192, 32),
    "palm-540b": _palm(118, 18432, 48),
    "falcon-7b": _falcon(32, 4544, 1, "parallel"),
    "falcon-40b": _falcon(60, 8192, 8, "parallel_two_norms"),
    "falcon-180b": _falcon(80, 14848, 8, "parallel_two_norms"),
    "mpt-7b": _mpt(32, 4096, 32, 2048),
    "mpt-30b": _mpt(48, 7168, 64, 8192),
    "glm-130b": multi_head(70, 12288, 96, 150528, 2048)
    | {"d_ff": 32768, "feed_forward": "geglu", "norm_placement": "deep_glm", "positions": "rope"},
}
