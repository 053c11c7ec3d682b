"""How GPT-2, Llama and Qwen3 of `transformers` name what our config and modules are.

A family reads their config.json as our parameters and writes ours as theirs, says what a config
must be to be expressed at all, and maps modules by name. What has no equal is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from labkit.core.errors import LabError
from labkit.model.config import ModelConfig

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Family:
    """How one class of `transformers` names what we have."""

    architecture: str
    read: Callable[[Json], dict[str, Any]]
    write: Callable[[ModelConfig], dict[str, Any]]
    needs: Callable[[ModelConfig], dict[str, Any]]
    has_bias: Callable[[ModelConfig, str], bool]
    outside: dict[str, str]
    layer_prefix: str
    layer: dict[str, tuple[str, ...]]
    is_transposed: bool = False
    bare_prefix: str = ""
    masks: tuple[str, ...] = ()


def _read_gpt2(theirs: Json) -> dict[str, Any]:
    dropout = theirs.get("resid_pdrop", 0.1)
    others = {theirs.get("embd_pdrop", 0.1), theirs.get("attn_pdrop", 0.1)}
    if others != {dropout}:
        raise LabError(f"config.json has resid_pdrop={dropout} but others {others}; make them one")
    _allow(
        theirs,
        {
            "activation_function": ("gelu_new", "gelu_pytorch_tanh"),
            "scale_attn_weights": (True,),
            "scale_attn_by_inverse_layer_idx": (False,),
            "add_cross_attention": (False,),
            "quantization_config": (None,),
        },
    )
    d_model, num_heads = _whole(theirs, "n_embd"), _whole(theirs, "n_head")
    if d_model % num_heads:
        raise LabError(f"config.json has n_embd={d_model}, not a multiple of n_head={num_heads}")
    return {
        "vocab_size": theirs.get("vocab_size"),
        "context_length": theirs.get("n_positions"),
        "d_model": d_model,
        "num_layers": theirs.get("n_layer"),
        "num_heads": num_heads,
        "num_kv_heads": num_heads,
        "head_dim": d_model // num_heads,
        "d_ff": theirs.get("n_inner") or 4 * d_model,
        "norm_epsilon": theirs.get("layer_norm_epsilon", 1e-5),
        "tie_embeddings": theirs.get("tie_word_embeddings", True),
        "dropout": dropout,
    }


def _write_gpt2(config: ModelConfig) -> dict[str, Any]:
    return {
        "n_positions": config.context_length,
        "n_embd": config.d_model,
        "n_layer": config.num_layers,
        "n_head": config.num_heads,
        "n_inner": config.d_ff,
        "activation_function": "gelu_new",
        "layer_norm_epsilon": config.norm_epsilon,
        "resid_pdrop": config.dropout,
        "embd_pdrop": config.dropout,
        "attn_pdrop": config.dropout,
    }


def _read_llama(theirs: Json) -> dict[str, Any]:
    _allow(
        theirs,
        {
            "hidden_act": ("silu", "swish"),
            "attention_dropout": (0.0, None),
            "use_sliding_window": (False, None),
            "partial_rotary_factor": (1.0, None),
            "quantization_config": (None,),
        },
    )
    if set(theirs.get("layer_types") or ()) - {"full_attention"}:
        raise LabError("config.json has layer_types with windows; allowed: full_attention")
    has_attention_bias = theirs.get("attention_bias", False)
    num_heads, d_model = _whole(theirs, "num_attention_heads"), _whole(theirs, "hidden_size")
    return {
        "preset": "llama-2-7b",
        "vocab_size": theirs.get("vocab_size"),
        "context_length": theirs.get("max_position_embeddings"),
        "d_model": d_model,
        "num_layers": theirs.get("num_hidden_layers"),
        "num_heads": num_heads,
        "num_kv_heads": theirs.get("num_key_value_heads") or num_heads,
        "head_dim": theirs.get("head_dim") or d_model // num_heads,
        "d_ff": theirs.get("intermediate_size"),
        "feed_forward": "swiglu",
        "norm": "rmsnorm",
        "norm_epsilon": theirs.get("rms_norm_eps", 1e-6),
        "positions": "rope",
        "rope_theta": _rope_theta(theirs),
        "qk_norm": theirs["model_type"] == "qwen3",
        "qkv_bias": has_attention_bias,
        "attention_output_bias": has_attention_bias,
        "feed_forward_bias": theirs["model_type"] == "llama" and theirs.get("mlp_bias", False),
        "tie_embeddings": theirs.get("tie_word_embeddings", False),
    }


def _rope_theta(theirs: Json) -> Any:
    """Of `rope_parameters` (transformers 5) or of `rope_theta` beside `rope_scaling` (before)."""
    rope = theirs.get("rope_parameters") or theirs.get("rope_scaling") or {}
    plain = {"rope_type": "default", "type": "default", "partial_rotary_factor": 1.0}
    changed = {k: v for k, v in rope.items() if k != "rope_theta" and plain.get(k) != v}
    if changed:
        raise LabError(f"config.json has rope scaling {changed!r}; allowed: rope_type='default'")
    return rope.get("rope_theta") or theirs.get("rope_theta") or 10_000.0


def _write_llama(config: ModelConfig) -> dict[str, Any]:
    written = {
        "hidden_size": config.d_model,
        "intermediate_size": config.d_ff,
        "num_hidden_layers": config.num_layers,
        "num_attention_heads": config.num_heads,
        "num_key_value_heads": config.num_kv_heads,
        "head_dim": config.head_dim,
        "hidden_act": "silu",
        "max_position_embeddings": config.context_length,
        "rms_norm_eps": config.norm_epsilon,
        "rope_theta": config.rope_theta,
        "rope_parameters": {"rope_theta": config.rope_theta, "rope_type": "default"},
        "attention_bias": config.qkv_bias or config.attention_output_bias,
        "attention_dropout": 0.0,
    }
    return written if config.qk_norm else written | {"mlp_bias": config.feed_forward_bias}


def _gpt2_needs(config: ModelConfig) -> dict[str, Any]:
    return {
        "feed_forward": "gelu",
        "norm": "layernorm",
        "num_kv_heads": config.num_heads,
        "attention_width": config.d_model,
    }


def _llama_needs(config: ModelConfig) -> dict[str, Any]:
    """Their class refuses heads that don't divide the width, although it has a head_dim."""
    divides = config.d_model % config.num_heads == 0
    return {
        "feed_forward": "swiglu",
        "norm": "rmsnorm",
        "num_heads": config.num_heads if divides else None,
    }


def _qwen3_needs(config: ModelConfig) -> dict[str, Any]:
    return {
        "feed_forward": "swiglu",
        "norm": "rmsnorm",
        "feed_forward_bias": False,
    }


def _gpt2_has_bias(config: ModelConfig, module: str) -> bool:
    return module not in ("embedding", "positions")


def _llama_has_bias(config: ModelConfig, module: str) -> bool:
    if "norm" in module:
        return False
    if ".attention." in module:
        return config.qkv_bias or config.attention_output_bias
    return ".feed_forward." in module and config.feed_forward_bias


def _allow(theirs: Json, allowed: Mapping[str, tuple[Any, ...]]) -> None:
    """Refuse by name; the first allowed value is what an absent key means."""
    for key, values in allowed.items():
        value = theirs.get(key, values[0])
        if value not in values:
            raise LabError(
                f"config.json has {key}={value!r}, which has no equal here; "
                f"allowed: {', '.join(map(repr, values))}"
            )


def _whole(theirs: Json, key: str) -> int:
    value = theirs.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise LabError(f"config.json has {key}={value!r}; give a whole number of at least 1")
    return value


_LLAMA_OUTSIDE = {"model.embed_tokens": "embedding", "model.norm": "final_norm"}
_LLAMA_LAYER = {
    "input_layernorm": ("attention_norm",),
    "self_attn.q_proj": ("attention.query",),
    "self_attn.k_proj": ("attention.key",),
    "self_attn.v_proj": ("attention.value",),
    "self_attn.o_proj": ("attention.output",),
    "post_attention_layernorm": ("feed_forward_norm",),
    "mlp.gate_proj": ("feed_forward.gate",),
    "mlp.up_proj": ("feed_forward.up",),
    "mlp.down_proj": ("feed_forward.down",),
}

FAMILIES: dict[str, Family] = {
    "gpt2": Family(
        architecture="GPT2LMHeadModel",
        read=_read_gpt2,
        write=_write_gpt2,
        needs=_gpt2_needs,
        has_bias=_gpt2_has_bias,
        outside={
            "transformer.wte": "embedding",
            "transformer.wpe": "positions",
            "transformer.ln_f": "final_norm",
        },
        layer_prefix="transformer.h.{}.",
        layer={
            "ln_1": ("attention_norm",),
            "attn.c_attn": ("attention.query", "attention.key", "attention.value"),
            "attn.c_proj": ("attention.output",),
            "ln_2": ("feed_forward_norm",),
            "mlp.c_fc": ("feed_forward.up",),
            "mlp.c_proj": ("feed_forward.down",),
        },
        is_transposed=True,
        bare_prefix="transformer.",
        masks=(".attn.bias", ".attn.masked_bias"),
    ),
    "llama": Family(
        architecture="LlamaForCausalLM",
        read=_read_llama,
        write=_write_llama,
        needs=_llama_needs,
        has_bias=_llama_has_bias,
        outside=_LLAMA_OUTSIDE,
        layer_prefix="model.layers.{}.",
        layer=_LLAMA_LAYER,
        masks=(".rotary_emb.inv_freq",),
    ),
    "qwen3": Family(
        architecture="Qwen3ForCausalLM",
        read=_read_llama,
        write=_write_llama,
        needs=_qwen3_needs,
        has_bias=_llama_has_bias,
        outside=_LLAMA_OUTSIDE,
        layer_prefix="model.layers.{}.",
        layer=_LLAMA_LAYER
        | {
            "self_attn.q_norm": ("attention.query_norm",),
            "self_attn.k_norm": ("attention.key_norm",),
        },
        masks=(".rotary_emb.inv_freq",),
    ),
}


_POSITIONS = {"gpt2": "learned", "llama": "rope", "qwen3": "rope"}


def family_of(config: ModelConfig) -> str | None:
    """The name of the family that can express the config, or None."""
    kind = _nearest(config)
    return None if _unmet(kind, config) else kind


def what_is_beyond(config: ModelConfig) -> str:
    """The choices that the nearest family can't express, such as 'token_shift=True'."""
    unmet = _unmet(_nearest(config), config)
    return ", ".join(f"{name}={getattr(config, name)!r}" for name in unmet)


def _nearest(config: ModelConfig) -> str:
    return "qwen3" if config.qk_norm else "gpt2" if config.positions == "learned" else "llama"


def _unmet(kind: str, config: ModelConfig) -> list[str]:
    needs = {"norm_placement": "pre", "block": "sequential", "token_shift": False}
    needs |= {"mask": "causal", "window": None, "positions": _POSITIONS[kind]}
    needs |= FAMILIES[kind].needs(config)
    return [name for name, need in needs.items() if getattr(config, name) != need]
