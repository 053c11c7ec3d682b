"""LayerNorm with RoPE in halves and two matrices in the feed-forward: StarCoder2, Phi."""

from __future__ import annotations

from typing import Any

from labkit.exchange.families.family import (
    THEIR_ACTIVATIONS,
    Family,
    Json,
    activation,
    allow,
    always,
    dropout,
    read_rope,
    read_windows,
    sizes,
    write_rope,
)
from labkit.exchange.families.llama import ATTENTION, NORMS, OUTSIDE
from labkit.model.config import ModelConfig


def _read_starcoder2(theirs: Json) -> dict[str, Any]:
    """Llama's sizes with LayerNorm, two matrices, biases and a window."""
    has_bias = theirs.get("use_bias", True)
    drops = ("residual_dropout", "embedding_dropout", "attention_dropout")
    return sizes(theirs) | {
        "preset": "starcoder2-3b",
        "feed_forward": activation(theirs, "hidden_act", "gelu_pytorch_tanh"),
        **read_rope(theirs),
        **read_windows(theirs),
        "norm_epsilon": theirs.get("norm_epsilon", 1e-5),
        "qkv_bias": has_bias,
        "attention_output_bias": has_bias,
        "feed_forward_bias": has_bias,
        "tie_embeddings": theirs.get("tie_word_embeddings", True),
        "dropout": dropout(theirs, 0.0, *drops),
    }


def _write_starcoder2(config: ModelConfig) -> dict[str, Any]:
    drops = ("residual_dropout", "embedding_dropout", "attention_dropout")
    return write_rope(config) | {
        "hidden_size": config.d_model,
        "intermediate_size": config.d_ff,
        "num_hidden_layers": config.num_layers,
        "num_attention_heads": config.num_heads,
        "num_key_value_heads": config.num_kv_heads,
        "hidden_act": THEIR_ACTIVATIONS.get(config.feed_forward),
        "max_position_embeddings": config.context_length,
        "norm_epsilon": config.norm_epsilon,
        "sliding_window": config.window,
        "use_bias": config.qkv_bias or config.attention_output_bias or config.feed_forward_bias,
        **dict.fromkeys(drops, config.dropout),
    }


def _read_phi(theirs: Json) -> dict[str, Any]:
    """Parallel parts of one norm, part of each head turned, a bias everywhere."""
    allow(theirs, {"qk_layernorm": (False,)})
    ratio = {"partial_rotary_factor": theirs.get("partial_rotary_factor", 0.5)}
    return sizes(theirs) | {
        "preset": "phi-2",
        "feed_forward": activation(theirs, "hidden_act", "gelu_new"),
        "block": "parallel",
        **read_rope({**ratio, **theirs}),
        "norm_epsilon": theirs.get("layer_norm_eps", 1e-5),
        "head_bias": True,
        "tie_embeddings": theirs.get("tie_word_embeddings", False),
        "dropout": dropout(theirs, 0.0, "resid_pdrop", "embd_pdrop"),
    }


def _write_phi(config: ModelConfig) -> dict[str, Any]:
    rope = write_rope(config)
    rope["rope_parameters"]["partial_rotary_factor"] = config.rope_ratio
    return rope | {
        "hidden_size": config.d_model,
        "intermediate_size": config.d_ff,
        "num_hidden_layers": config.num_layers,
        "num_attention_heads": config.num_heads,
        "num_key_value_heads": config.num_kv_heads,
        "hidden_act": THEIR_ACTIVATIONS.get(config.feed_forward),
        "max_position_embeddings": config.context_length,
        "layer_norm_eps": config.norm_epsilon,
        **dict.fromkeys(("resid_pdrop", "embd_pdrop"), config.dropout),
    }


ROTARY: dict[str, Family] = {
    "starcoder2": Family(
        architecture="Starcoder2ForCausalLM",
        read=_read_starcoder2,
        write=_write_starcoder2,
        outside=OUTSIDE,
        layer_prefix="model.layers.{}.",
        layer=always(
            {
                **NORMS,
                **ATTENTION,
                "mlp.c_fc": ("feed_forward.up",),
                "mlp.c_proj": ("feed_forward.down",),
            }
        ),
        bare_prefix="model.",
        masks=(".rotary_emb.inv_freq",),
    ),
    "phi": Family(
        architecture="PhiForCausalLM",
        read=_read_phi,
        write=_write_phi,
        outside={"model.embed_tokens": ("embedding",), "model.final_layernorm": ("final_norm",)},
        layer_prefix="model.layers.{}.",
        layer=always(
            {
                "input_layernorm": ("attention_norm",),
                "self_attn.q_proj": ("attention.query",),
                "self_attn.k_proj": ("attention.key",),
                "self_attn.v_proj": ("attention.value",),
                "self_attn.dense": ("attention.output",),
                "mlp.fc1": ("feed_forward.up",),
                "mlp.fc2": ("feed_forward.down",),
            }
        ),
    ),
}
