"""A tiny config of each family of `transformers`, and more where a family has several forms."""

from __future__ import annotations

from typing import Any

_LLAMA = {
    "vocab_size": 61,
    "max_position_embeddings": 32,
    "hidden_size": 32,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
_WIDE = _LLAMA | {"head_dim": 10}
_MHA = {key: value for key, value in _LLAMA.items() if key != "num_key_value_heads"}
_N = {"vocab_size": 61, "n_positions": 32, "n_embd": 32, "n_layer": 2, "n_head": 4}
_NO_DROPOUT = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
_NEO = {
    "vocab_size": 61,
    "max_position_embeddings": 32,
    "hidden_size": 32,
    "num_layers": 2,
    "num_heads": 4,
    "window_size": 5,
    "attention_types": [[["global", "local"], 1]],
}
_OPT = {
    "vocab_size": 61,
    "max_position_embeddings": 32,
    "hidden_size": 32,
    "ffn_dim": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "dropout": 0.0,
}
_BLOOM = {"vocab_size": 61, "hidden_size": 32, "n_layer": 2, "n_head": 4}
_FALCON = {
    "vocab_size": 61,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 32,
}
_FALCON_40B = _FALCON | {"new_decoder_architecture": True, "num_kv_heads": 2}
_MPT = {"vocab_size": 61, "d_model": 32, "n_heads": 4, "n_layers": 2, "max_seq_len": 32}
_EXPERTS = _WIDE | {"moe_intermediate_size": 24, "num_experts": 5, "num_experts_per_tok": 3}


def _rope(**changes: Any) -> dict[str, Any]:
    return {"rope_parameters": {"rope_theta": 500.0, "rope_type": "default"} | changes}


THEIRS: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt1": ("openai-gpt", _N | _NO_DROPOUT),
    "gpt2": ("gpt2", _N | _NO_DROPOUT),
    "gpt-neo": ("gpt_neo", _NEO),
    "gpt-neo-local": ("gpt_neo", _NEO | {"attention_types": [[["local"], 2]]}),
    "gpt-j": ("gptj", _N | {"rotary_dim": 4}),
    "gpt-neox": ("gpt_neox", _MHA),
    "gpt-neox-sequential": (
        "gpt_neox",
        _MHA | {"use_parallel_residual": False} | _rope(partial_rotary_factor=1.0),
    ),
    "opt": ("opt", _OPT),
    "opt-350m": ("opt", _OPT | {"do_layer_norm_before": False, "word_embed_proj_dim": 16}),
    "bloom": ("bloom", _BLOOM),
    "bloom-112-heads": ("bloom", _BLOOM | {"hidden_size": 224, "n_head": 112, "n_layer": 1}),
    "falcon-7b": ("falcon", _FALCON),
    "falcon-40b": ("falcon", _FALCON_40B),
    "falcon-11b": ("falcon", _FALCON_40B | {"num_ln_in_parallel_attn": 1, "bias": True}),
    "mpt": ("mpt", _MPT),
    "llama": ("llama", _WIDE),
    "llama-linear": ("llama", _WIDE | _rope(rope_type="linear", factor=4.0)),
    "llama-3.1": (
        "llama",
        _WIDE
        | _rope(
            rope_type="llama3",
            factor=8.0,
            low_freq_factor=1.0,
            high_freq_factor=4.0,
            original_max_position_embeddings=16,
        ),
    ),
    "llama-yarn": (
        "llama",
        _WIDE | _rope(rope_type="yarn", factor=4.0, original_max_position_embeddings=16),
    ),
    "mistral": ("mistral", _WIDE | {"sliding_window": 5}),
    "qwen2": ("qwen2", _LLAMA),
    "qwen2-window": (
        "qwen2",
        _LLAMA | {"use_sliding_window": True, "sliding_window": 5, "max_window_layers": 0},
    ),
    "qwen3": ("qwen3", _WIDE | {"attention_bias": True}),
    "gemma": ("gemma", _WIDE),
    "gemma2": ("gemma2", _WIDE | {"sliding_window": 5, "query_pre_attn_scalar": 12}),
    "olmo2": ("olmo2", _LLAMA),
    "mixtral": ("mixtral", _LLAMA | {"num_local_experts": 4}),
    "qwen3-moe": ("qwen3_moe", _EXPERTS | {"norm_topk_prob": True}),
    "qwen3-moe-unnormalized": ("qwen3_moe", _EXPERTS | {"norm_topk_prob": False}),
    "phi": ("phi", _LLAMA | _rope(partial_rotary_factor=0.5)),
    "starcoder2": ("starcoder2", _LLAMA | {"sliding_window": 5}),
}
