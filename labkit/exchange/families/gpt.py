"""OpenAI's GPT and GPT-2, and EleutherAI's GPT-Neo, GPT-J and GPT-NeoX (Pythia)."""

from __future__ import annotations

from typing import Any

from labkit.core.errors import LabError
from labkit.exchange.families.family import (
    THEIR_ACTIVATIONS,
    Family,
    Json,
    Names,
    activation,
    allow,
    always,
    dropout,
    read_rope,
    sizes,
    whole,
    write_rope,
)
from labkit.model.config import ModelConfig

_NO_BIASES = {"qkv_bias": False, "attention_output_bias": False}
_N_KEYS = {"d_model": "n_embd", "num_layers": "n_layer", "num_heads": "n_head"}
_PDROPS = ("resid_pdrop", "embd_pdrop", "attn_pdrop")


def _read_gpt2(theirs: Json) -> dict[str, Any]:
    allow(
        theirs,
        {
            "activation_function": ("gelu_new", "gelu_pytorch_tanh"),
            "scale_attn_weights": (True,),
            "scale_attn_by_inverse_layer_idx": (False,),
            "add_cross_attention": (False,),
            "quantization_config": (None,),
        },
    )
    return sizes(theirs, **_N_KEYS, context="n_positions", d_ff="n_inner") | {
        "norm_epsilon": theirs.get("layer_norm_epsilon", 1e-5),
        "tie_embeddings": theirs.get("tie_word_embeddings", True),
        "dropout": dropout(theirs, 0.1, *_PDROPS),
    }


def _write_gpt2(config: ModelConfig) -> dict[str, Any]:
    return _write_n(config) | {"n_inner": config.d_ff, "activation_function": "gelu_new"}


def _write_n(config: ModelConfig) -> dict[str, Any]:
    return {
        "n_positions": config.context_length,
        "n_embd": config.d_model,
        "n_layer": config.num_layers,
        "n_head": config.num_heads,
        "layer_norm_epsilon": config.norm_epsilon,
        **dict.fromkeys(_PDROPS, config.dropout),
    }


def _read_gpt1(theirs: Json) -> dict[str, Any]:
    """Norms after each sum, and none at the end."""
    allow(theirs, {"afn": ("gelu", "gelu_new")})
    return sizes(theirs, **_N_KEYS, context="n_positions", d_ff="") | {
        "preset": "gpt1",
        "norm_placement": "post",
        "norm_epsilon": theirs.get("layer_norm_epsilon", 1e-5),
        "tie_embeddings": theirs.get("tie_word_embeddings", True),
        "dropout": dropout(theirs, 0.1, *_PDROPS),
    }


def _write_gpt1(config: ModelConfig) -> dict[str, Any]:
    return _write_n(config) | {"afn": "gelu"}


def _read_neo(theirs: Json) -> dict[str, Any]:
    """Unscaled scores; a window in some blocks, by `attention_types`."""
    keys = {"num_layers": "num_layers", "num_heads": "num_heads"}
    found = sizes(theirs, **keys)
    drops = ("resid_dropout", "embed_dropout", "attention_dropout")
    return found | {
        "preset": "gpt-neo-2.7b",
        "feed_forward": activation(theirs, "activation_function", "gelu_new"),
        **_read_neo_windows(theirs),
        "attention_scale": 1.0,
        "qkv_bias": False,
        "norm_epsilon": theirs.get("layer_norm_epsilon", 1e-5),
        "tie_embeddings": theirs.get("tie_word_embeddings", True),
        "dropout": dropout(theirs, 0.0, *drops),
    }


def _read_neo_windows(theirs: Json) -> dict[str, Any]:
    types = theirs.get("attention_types") or [[["global", "local"], 12]]
    kinds = [kind for pattern, times in types for kind in list(pattern) * times]
    if len(kinds) != whole(theirs, "num_layers"):
        raise LabError(f"config.json has {len(kinds)} attention_types for num_layers layers")
    window = {"window": theirs.get("window_size", 256)}
    alternating = [["global", "local"][n % 2] for n in range(len(kinds))]
    if set(kinds) == {"global"}:
        return {}
    if set(kinds) == {"local"}:
        return window
    if kinds != alternating:
        raise LabError(f"config.json has attention_types={types}; allowed: global, local in turn")
    return window | {"whole_context_every": 2, "whole_context_first": True}


def _write_neo(config: ModelConfig) -> dict[str, Any]:
    n = config.num_layers
    if config.window is None:
        types: list[Any] = [[["global"], n]]
    elif config.whole_context_every is None:
        types = [[["local"], n]]
    else:
        types = [[["global", "local"], n // 2], *([[["global"], 1]] if n % 2 else [])]
    return {
        "max_position_embeddings": config.context_length,
        "hidden_size": config.d_model,
        "num_layers": n,
        "num_heads": config.num_heads,
        "intermediate_size": config.d_ff,
        "attention_types": types,
        "window_size": config.window or 256,
        "activation_function": THEIR_ACTIVATIONS.get(config.feed_forward),
        "layer_norm_epsilon": config.norm_epsilon,
        **dict.fromkeys(("resid_dropout", "embed_dropout", "attention_dropout"), config.dropout),
    }


def _read_gptj(theirs: Json) -> dict[str, Any]:
    """Parallel parts of one norm, neighbours turned in part of each head, a bias of the head."""
    found = sizes(theirs, **_N_KEYS, context="n_positions", d_ff="n_inner")
    return (
        found
        | _NO_BIASES
        | {
            "preset": "gpt-j-6b",
            "feed_forward": activation(theirs, "activation_function", "gelu_new"),
            "block": "parallel",
            "positions": "rope",
            "rope_layout": "interleaved",
            "rope_ratio": (theirs.get("rotary_dim") or found["head_dim"]) / found["head_dim"],
            "norm_epsilon": theirs.get("layer_norm_epsilon", 1e-5),
            "head_bias": True,
            "tie_embeddings": theirs.get("tie_word_embeddings", False),
            "dropout": dropout(theirs, 0.0, *_PDROPS),
        }
    )


def _write_gptj(config: ModelConfig) -> dict[str, Any]:
    return _write_n(config) | {
        "n_inner": config.d_ff,
        "rotary_dim": config.rope_dim,
        "activation_function": THEIR_ACTIVATIONS.get(config.feed_forward),
    }


def _read_neox(theirs: Json) -> dict[str, Any]:
    """Parallel parts with a norm each, or sequential ones; halves turned in part of each head."""
    rope = {"partial_rotary_factor": theirs.get("rotary_pct", 0.25)} | dict(theirs)
    rope |= {"rope_theta": theirs.get("rope_theta") or theirs.get("rotary_emb_base", 10_000)}
    is_parallel = theirs.get("use_parallel_residual", True)
    has_bias = theirs.get("attention_bias", True)
    return sizes(theirs) | {
        "preset": "gpt-neox-20b",
        "feed_forward": activation(theirs, "hidden_act", "gelu"),
        "block": "parallel_two_norms" if is_parallel else "sequential",
        **read_rope(rope),
        "norm_epsilon": theirs.get("layer_norm_eps", 1e-5),
        "qkv_bias": has_bias,
        "attention_output_bias": has_bias,
        "tie_embeddings": theirs.get("tie_word_embeddings", False),
        "dropout": dropout(theirs, 0.0, "hidden_dropout", "attention_dropout"),
    }


def _write_neox(config: ModelConfig) -> dict[str, Any]:
    rope = write_rope(config)
    rope["rope_parameters"]["partial_rotary_factor"] = config.rope_ratio
    return rope | {
        "hidden_size": config.d_model,
        "intermediate_size": config.d_ff,
        "num_hidden_layers": config.num_layers,
        "num_attention_heads": config.num_heads,
        "hidden_act": THEIR_ACTIVATIONS.get(config.feed_forward),
        "max_position_embeddings": config.context_length,
        "layer_norm_eps": config.norm_epsilon,
        "rotary_pct": config.rope_ratio,
        "use_parallel_residual": config.block == "parallel_two_norms",
        "attention_bias": config.qkv_bias or config.attention_output_bias,
        **dict.fromkeys(("hidden_dropout", "attention_dropout"), config.dropout),
    }


_QKV = ("attention.query", "attention.key", "attention.value")
_GPT_LAYER: Names = {
    "ln_1": ("attention_norm",),
    "attn.c_attn": _QKV,
    "attn.c_proj": ("attention.output",),
    "ln_2": ("feed_forward_norm",),
    "mlp.c_fc": ("feed_forward.up",),
    "mlp.c_proj": ("feed_forward.down",),
}
_GPT_OUTSIDE: Names = {
    "transformer.wte": ("embedding",),
    "transformer.wpe": ("positions",),
    "transformer.ln_f": ("final_norm",),
}
GPTS: dict[str, Family] = {
    "gpt2": Family(
        architecture="GPT2LMHeadModel",
        read=_read_gpt2,
        write=_write_gpt2,
        outside=_GPT_OUTSIDE,
        layer_prefix="transformer.h.{}.",
        layer=always(_GPT_LAYER),
        is_transposed=True,
        bare_prefix="transformer.",
        masks=(".attn.bias", ".attn.masked_bias"),
    ),
    "openai-gpt": Family(
        architecture="OpenAIGPTLMHeadModel",
        read=_read_gpt1,
        write=_write_gpt1,
        outside={
            "transformer.tokens_embed": ("embedding",),
            "transformer.positions_embed": ("positions",),
        },
        layer_prefix="transformer.h.{}.",
        layer=always(_GPT_LAYER),
        is_transposed=True,
        bare_prefix="transformer.",
        masks=(".attn.bias", "position_ids"),
    ),
    "gpt_neo": Family(
        architecture="GPTNeoForCausalLM",
        read=_read_neo,
        write=_write_neo,
        outside=_GPT_OUTSIDE,
        layer_prefix="transformer.h.{}.",
        layer=always(
            {
                "ln_1": ("attention_norm",),
                "attn.attention.q_proj": ("attention.query",),
                "attn.attention.k_proj": ("attention.key",),
                "attn.attention.v_proj": ("attention.value",),
                "attn.attention.out_proj": ("attention.output",),
                "ln_2": ("feed_forward_norm",),
                "mlp.c_fc": ("feed_forward.up",),
                "mlp.c_proj": ("feed_forward.down",),
            }
        ),
        bare_prefix="transformer.",
        masks=(".attention.bias", ".attention.masked_bias"),
    ),
    "gptj": Family(
        architecture="GPTJForCausalLM",
        read=_read_gptj,
        write=_write_gptj,
        outside=_GPT_OUTSIDE,
        layer_prefix="transformer.h.{}.",
        layer=always(
            {
                "ln_1": ("attention_norm",),
                "attn.q_proj": ("attention.query",),
                "attn.k_proj": ("attention.key",),
                "attn.v_proj": ("attention.value",),
                "attn.out_proj": ("attention.output",),
                "mlp.fc_in": ("feed_forward.up",),
                "mlp.fc_out": ("feed_forward.down",),
            }
        ),
        bare_prefix="transformer.",
        masks=(".attn.bias", ".attn.masked_bias"),
    ),
    "gpt_neox": Family(
        architecture="GPTNeoXForCausalLM",
        read=_read_neox,
        write=_write_neox,
        outside={
            "gpt_neox.embed_in": ("embedding",),
            "gpt_neox.final_layer_norm": ("final_norm",),
        },
        layer_prefix="gpt_neox.layers.{}.",
        layer=always(
            {
                "input_layernorm": ("attention_norm",),
                "attention.query_key_value": _QKV,
                "attention.dense": ("attention.output",),
                "post_attention_layernorm": ("feed_forward_norm",),
                "mlp.dense_h_to_4h": ("feed_forward.up",),
                "mlp.dense_4h_to_h": ("feed_forward.down",),
            }
        ),
        head="embed_out",
        groups=lambda config: config.num_heads,
        masks=(".attention.bias", ".attention.masked_bias", ".rotary_emb.inv_freq"),
    ),
}
