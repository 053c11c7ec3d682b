"""Llama and what follows it: Mistral, Qwen2, Qwen3, Gemma 1 and 2, OLMo 2.

RMSNorm, RoPE in halves, a gated feed-forward, separate projections.
"""

from __future__ import annotations

from typing import Any

from labkit.exchange.families.family import (
    Family,
    Json,
    Names,
    allow,
    always,
    layer_types,
    read_rope,
    read_windows,
    sizes,
    write_rope,
)
from labkit.model.config import ModelConfig

OUTSIDE: Names = {"model.embed_tokens": ("embedding",), "model.norm": ("final_norm",)}
ATTENTION: Names = {
    "self_attn.q_proj": ("attention.query",),
    "self_attn.k_proj": ("attention.key",),
    "self_attn.v_proj": ("attention.value",),
    "self_attn.o_proj": ("attention.output",),
    "self_attn.q_norm": ("attention.query_norm",),
    "self_attn.k_norm": ("attention.key_norm",),
}
NORMS: Names = {
    "input_layernorm": ("attention_norm",),
    "post_attention_layernorm": ("feed_forward_norm",),
}
_GATED: Names = {
    "mlp.gate_proj": ("feed_forward.gate",),
    "mlp.up_proj": ("feed_forward.up",),
    "mlp.down_proj": ("feed_forward.down",),
}


def read_llama(theirs: Json) -> dict[str, Any]:
    allow(
        theirs,
        {
            "hidden_act": ("silu", "swish"),
            "attention_dropout": (0.0, None),
            "quantization_config": (None,),
        },
    )
    has_bias = theirs.get("attention_bias", False)
    return sizes(theirs) | {
        "preset": "llama-2-7b",
        "feed_forward": "swiglu",
        "norm": "rmsnorm",
        "norm_epsilon": theirs.get("rms_norm_eps", 1e-6),
        **read_rope(theirs),
        **read_windows({"layer_types": theirs.get("layer_types")} | _num_layers(theirs)),
        "qkv_bias": has_bias,
        "attention_output_bias": has_bias,
        "feed_forward_bias": theirs.get("mlp_bias", False),
        "tie_embeddings": theirs.get("tie_word_embeddings", False),
    }


def write_llama(config: ModelConfig) -> dict[str, Any]:
    """Their class asks for heads that divide the width, although it has a head_dim."""
    divides = config.d_model % config.num_heads == 0
    return write_common(config) | {
        "num_attention_heads": config.num_heads if divides else None,
        "attention_bias": config.qkv_bias or config.attention_output_bias,
        "mlp_bias": config.feed_forward_bias,
    }


def write_common(config: ModelConfig) -> dict[str, Any]:
    return {
        "hidden_size": config.d_model,
        "intermediate_size": config.d_ff,
        "num_hidden_layers": config.num_layers,
        "num_attention_heads": config.num_heads,
        "num_key_value_heads": config.num_kv_heads,
        "head_dim": config.head_dim,
        "hidden_act": "silu",
        "max_position_embeddings": config.context_length,
        "rms_norm_eps": config.norm_epsilon,
        **write_rope(config),
        "attention_dropout": 0.0,
    }


def read_mistral(theirs: Json) -> dict[str, Any]:
    """A sliding window in every block."""
    windows = {"sliding_window": theirs.get("sliding_window", 4096)} | _num_layers(theirs)
    return read_llama(theirs) | read_windows(windows) | {"preset": "mistral-7b"}


def write_mistral(config: ModelConfig) -> dict[str, Any]:
    return write_common(config) | {"sliding_window": config.window}


def read_qwen2(theirs: Json) -> dict[str, Any]:
    """Biases of queries, keys and values alone; windows where they say to use them."""
    plain = {key: value for key, value in theirs.items() if key != "layer_types"}
    biases = {"qkv_bias": True, "attention_output_bias": False}
    return read_llama(plain) | _read_qwen_windows(theirs) | biases | {"preset": "qwen2.5-7b"}


def write_qwen2(config: ModelConfig) -> dict[str, Any]:
    divides = config.d_model == config.attention_width
    return (
        write_common(config)
        | _write_qwen_windows(config)
        | {
            "num_attention_heads": config.num_heads if divides else None,
        }
    )


def read_qwen3(theirs: Json) -> dict[str, Any]:
    """RMSNorm on each head's queries and keys."""
    plain = {key: value for key, value in theirs.items() if key != "layer_types"}
    return read_llama(plain) | _read_qwen_windows(theirs) | {"qk_norm": True}


def write_qwen3(config: ModelConfig) -> dict[str, Any]:
    return (
        write_common(config)
        | _write_qwen_windows(config)
        | {
            "attention_bias": config.qkv_bias or config.attention_output_bias,
        }
    )


def _read_qwen_windows(theirs: Json) -> dict[str, Any]:
    if not theirs.get("use_sliding_window"):
        kinds = theirs.get("layer_types")
        return read_windows({"layer_types": kinds} | _num_layers(theirs))
    first = theirs.get("max_window_layers", 28)
    kinds = theirs.get("layer_types") or [
        "sliding_attention" if layer >= first else "full_attention"
        for layer in range(theirs["num_hidden_layers"])
    ]
    return read_windows({**theirs, "layer_types": kinds})


def _write_qwen_windows(config: ModelConfig) -> dict[str, Any]:
    if config.window is None:
        return {}
    return {
        "use_sliding_window": True,
        "sliding_window": config.window,
        "max_window_layers": 0,
        "layer_types": layer_types(config),
    }


def read_gemma(theirs: Json) -> dict[str, Any]:
    """RMSNorm by 1 + weight, embeddings times sqrt(d_model), GeGLU in its tanh form."""
    tanh = ("gelu_pytorch_tanh", "gelu", None)
    allow(theirs, {"hidden_act": tanh, "use_bidirectional_attention": (None, False)})
    allow(theirs, {"hidden_activation": tanh})
    return read_llama({**theirs, "hidden_act": "silu"}) | {
        "preset": "gemma-7b",
        "feed_forward": "geglu",
        "norm": "rmsnorm_plus_one",
        "scale_embedding": True,
        "tie_embeddings": theirs.get("tie_word_embeddings", True),
    }


def write_gemma(config: ModelConfig) -> dict[str, Any]:
    return write_common(config) | {
        "hidden_act": "gelu_pytorch_tanh",
        "attention_bias": config.qkv_bias or config.attention_output_bias,
    }


def read_gemma2(theirs: Json) -> dict[str, Any]:
    """And norms before and after each part, soft caps, a scale of its own, every other window."""
    scalar = theirs.get("query_pre_attn_scalar", 256)
    num_layers = _num_layers(theirs)["num_hidden_layers"]
    kinds = theirs.get("layer_types") or [
        "full_attention" if n % 2 else "sliding_attention" for n in range(num_layers)
    ]
    windows = {"sliding_window": theirs.get("sliding_window", 4096), "layer_types": kinds}
    plain = {key: value for key, value in theirs.items() if key != "layer_types"}
    found = read_gemma(plain) | read_windows(windows | _num_layers(theirs))
    return found | {
        "preset": "gemma-2-9b",
        "norm_placement": "sandwich",
        "attention_scale": None if scalar == found["head_dim"] else scalar**-0.5,
        "attention_soft_cap": theirs.get("attn_logit_softcapping", 50.0),
        "logit_soft_cap": theirs.get("final_logit_softcapping", 30.0),
    }


def write_gemma2(config: ModelConfig) -> dict[str, Any]:
    scalar: float = config.head_dim
    if config.attention_scale is not None:
        scalar = config.attention_scale**-2
        scalar = round(scalar) if abs(scalar - round(scalar)) < 1e-9 * scalar else scalar
    divides = config.d_model % config.num_heads == 0
    return write_gemma(config) | {
        "num_attention_heads": config.num_heads if divides else None,
        "hidden_activation": "gelu_pytorch_tanh",
        "query_pre_attn_scalar": scalar,
        "attn_logit_softcapping": config.attention_soft_cap,
        "final_logit_softcapping": config.logit_soft_cap,
        "sliding_window": config.window,
        "layer_types": layer_types(config),
    }


def read_olmo2(theirs: Json) -> dict[str, Any]:
    """Norms on what each part gives, and on queries and keys over all heads."""
    return read_llama(theirs) | {
        "preset": "olmo-2-7b",
        "norm_placement": "after",
        "norm_epsilon": theirs.get("rms_norm_eps", 1e-5),
        "qk_norm": True,
        "qk_norm_span": "width",
    }


def write_olmo2(config: ModelConfig) -> dict[str, Any]:
    divides = config.d_model == config.attention_width
    return write_common(config) | {
        "num_attention_heads": config.num_heads if divides else None,
        "attention_bias": config.qkv_bias or config.attention_output_bias,
    }


def _num_layers(theirs: Json) -> dict[str, Any]:
    return {"num_hidden_layers": theirs.get("num_hidden_layers")}


def family(architecture: str, read: Any, write: Any, norms: Names = NORMS) -> Family:
    """A family with Llama's names of tensors."""
    return Family(
        architecture=architecture,
        read=read,
        write=write,
        outside=OUTSIDE,
        layer_prefix="model.layers.{}.",
        layer=always({**norms, **ATTENTION, **_GATED}),
        bare_prefix="model.",
        masks=(".rotary_emb.inv_freq",),
    )


_AFTER: Names = {
    "post_attention_layernorm": ("attention_norm",),
    "post_feedforward_layernorm": ("feed_forward_norm",),
}
_SANDWICH: Names = {
    "input_layernorm": ("attention_norm",),
    "post_attention_layernorm": ("attention_output_norm",),
    "pre_feedforward_layernorm": ("feed_forward_norm",),
    "post_feedforward_layernorm": ("feed_forward_output_norm",),
}
LLAMAS: dict[str, Family] = {
    "llama": family("LlamaForCausalLM", read_llama, write_llama),
    "qwen3": family("Qwen3ForCausalLM", read_qwen3, write_qwen3),
    "mistral": family("MistralForCausalLM", read_mistral, write_mistral),
    "qwen2": family("Qwen2ForCausalLM", read_qwen2, write_qwen2),
    "gemma": family("GemmaForCausalLM", read_gemma, write_gemma),
    "gemma2": family("Gemma2ForCausalLM", read_gemma2, write_gemma2, _SANDWICH),
    "olmo2": family("Olmo2ForCausalLM", read_olmo2, write_olmo2, _AFTER),
}
