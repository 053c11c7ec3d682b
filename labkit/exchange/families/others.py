"""OPT, BLOOM, Falcon and MPT: LayerNorm with other positions and arrangements."""

from __future__ import annotations

from typing import Any

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
    write_rope,
)
from labkit.exchange.families.llama import NORMS
from labkit.model.config import ModelConfig

_NO_BIASES = {"qkv_bias": False, "attention_output_bias": False, "feed_forward_bias": False}
_QKV = ("attention.query", "attention.key", "attention.value")
_DROPOUTS = ("hidden_dropout", "attention_dropout")


def _read_opt(theirs: Json) -> dict[str, Any]:
    """Positions from row 2 on; the 350M model has norms after sums and a narrow embedding."""
    is_pre = theirs.get("do_layer_norm_before", True)
    found = sizes(theirs, d_ff="ffn_dim")
    allow(
        theirs,
        {
            "layer_norm_elementwise_affine": (True,),
            "_remove_final_layer_norm": (False,),
            "layerdrop": (0.0,),
        },
    )
    width = theirs.get("word_embed_proj_dim") or found["d_model"]
    has_bias = theirs.get("enable_bias", True)
    return found | {
        "preset": "opt-125m",
        "feed_forward": activation(theirs, "activation_function", "relu"),
        "norm_placement": "pre" if is_pre else "post",
        "position_offset": 2,
        "embedding_width": None if width == found["d_model"] else width,
        "qkv_bias": has_bias,
        "attention_output_bias": has_bias,
        "feed_forward_bias": has_bias,
        "tie_embeddings": theirs.get("tie_word_embeddings", True),
        "dropout": theirs.get("dropout", 0.1),
    }


def _write_opt(config: ModelConfig) -> dict[str, Any]:
    return {
        "hidden_size": config.d_model,
        "ffn_dim": config.d_ff,
        "num_hidden_layers": config.num_layers,
        "num_attention_heads": config.num_heads,
        "max_position_embeddings": config.context_length,
        "do_layer_norm_before": config.norm_placement == "pre",
        "word_embed_proj_dim": config.token_width,
        "activation_function": THEIR_ACTIVATIONS.get(config.feed_forward),
        "enable_bias": config.qkv_bias or config.attention_output_bias or config.feed_forward_bias,
        "dropout": config.dropout,
        "attention_dropout": config.dropout,
        "pad_token_id": None,
    }


def _read_bloom(theirs: Json) -> dict[str, Any]:
    """A norm of the embeddings, and ALiBi; config.json knows no longest context."""
    keys = {"num_layers": "n_layer", "num_heads": "n_head", "context": "seq_length"}
    if "num_attention_heads" in theirs:
        keys["num_heads"] = "num_attention_heads"
    if "num_hidden_layers" in theirs:
        keys["num_layers"] = "num_hidden_layers"
    allow(theirs, {"apply_residual_connection_post_layernorm": (False,)})
    width = {"d_model": "n_embed"} if "n_embed" in theirs and "hidden_size" not in theirs else {}
    return sizes({"seq_length": 2048, **theirs}, **keys, **width, d_ff="") | {
        "preset": "bloom-560m",
        "positions": "alibi",
        "embedding_norm": True,
        "norm_epsilon": theirs.get("layer_norm_epsilon", 1e-5),
        "tie_embeddings": theirs.get("tie_word_embeddings", True),
        "dropout": dropout(theirs, 0.0, *_DROPOUTS),
    }


def _write_bloom(config: ModelConfig) -> dict[str, Any]:
    return {
        "hidden_size": config.d_model,
        "n_layer": config.num_layers,
        "n_head": config.num_heads,
        "seq_length": config.context_length,
        "layer_norm_epsilon": config.norm_epsilon,
        **dict.fromkeys(_DROPOUTS, config.dropout),
    }


def _read_falcon(theirs: Json) -> dict[str, Any]:
    """7B: one key and value head, one norm. 40B, 180B: groups of heads, and two norms."""
    is_new = theirs.get("new_decoder_architecture", False)
    allow(
        theirs,
        {
            "alibi": (False,),
            "parallel_attn": (True,),
            "multi_query": (True, False) if is_new else (True,),
        },
    )
    found = sizes(theirs, d_ff="ffn_hidden_size")
    num_norms = theirs.get("num_ln_in_parallel_attn") or (2 if is_new else 1)
    has_bias = theirs.get("bias", False)
    return found | {
        "preset": "falcon-7b",
        "num_kv_heads": theirs.get("num_kv_heads") or found["num_heads"] if is_new else 1,
        "feed_forward": activation(theirs, "activation", "gelu"),
        "block": "parallel_two_norms" if num_norms == 2 else "parallel",
        **read_rope(theirs),
        "qkv_bias": has_bias,
        "attention_output_bias": has_bias,
        "feed_forward_bias": has_bias,
        "norm_epsilon": theirs.get("layer_norm_epsilon", 1e-5),
        "tie_embeddings": theirs.get("tie_word_embeddings", True),
        "dropout": dropout(theirs, 0.0, *_DROPOUTS),
    }


def _write_falcon(config: ModelConfig) -> dict[str, Any]:
    is_new = config.block == "parallel_two_norms" or config.num_kv_heads > 1
    return write_rope(config) | {
        "hidden_size": config.d_model,
        "ffn_hidden_size": config.d_ff,
        "num_hidden_layers": config.num_layers,
        "num_attention_heads": config.num_heads,
        "num_kv_heads": config.num_kv_heads,
        "max_position_embeddings": config.context_length,
        "new_decoder_architecture": is_new,
        "num_ln_in_parallel_attn": 2 if config.block == "parallel_two_norms" else 1,
        "multi_query": True,
        "parallel_attn": True,
        "alibi": False,
        "activation": THEIR_ACTIVATIONS.get(config.feed_forward),
        "bias": config.qkv_bias or config.attention_output_bias or config.feed_forward_bias,
        "layer_norm_epsilon": config.norm_epsilon,
        **dict.fromkeys(_DROPOUTS, config.dropout),
    }


def _falcon_layer(config: ModelConfig) -> Names:
    norms = {"ln_attn": ("attention_norm",), "ln_mlp": ("feed_forward_norm",)}
    if config.block == "parallel":
        norms = {"input_layernorm": ("attention_norm",)}
    return {**norms, **_MEGATRON}


def _read_mpt(theirs: Json) -> dict[str, Any]:
    """No biases at all, and ALiBi; slopes of other than 2^n heads differ from BLOOM's."""
    attention = theirs.get("attn_config") or {}
    allow(theirs, {"no_bias": (True,), "logit_scale": (None,), "learned_pos_emb": (True, False)})
    allow(
        attention,
        {
            "alibi": (True,),
            "alibi_bias_max": (8,),
            "clip_qkv": (None,),
            "qk_ln": (False,),
            "prefix_lm": (False,),
            "attn_type": ("multihead_attention",),
        },
    )
    keys = {"d_model": "d_model", "num_layers": "n_layers", "num_heads": "n_heads"}
    found = sizes(theirs, **keys, context="max_seq_len", d_ff="")
    if found["num_heads"] & (found["num_heads"] - 1):
        allow({"n_heads": found["num_heads"]}, {"n_heads": ("a power of two",)})
    return (
        found
        | _NO_BIASES
        | {
            "preset": "mpt-7b",
            "d_ff": theirs.get("expansion_ratio", 4) * found["d_model"],
            "feed_forward": "gelu_exact",
            "positions": "alibi",
            "attention_scale": attention.get("softmax_scale"),
            "norm_bias": False,
            "norm_epsilon": theirs.get("layer_norm_epsilon", 1e-5),
            "tie_embeddings": theirs.get("tie_word_embeddings", True),
            "dropout": dropout(theirs, 0.0, "resid_pdrop", "emb_pdrop"),
        }
    )


def _write_mpt(config: ModelConfig) -> dict[str, Any]:
    return {
        "d_model": config.d_model,
        "n_layers": config.num_layers,
        "n_heads": config.num_heads,
        "expansion_ratio": config.d_ff // config.d_model,
        "max_seq_len": config.context_length,
        "attn_config": {"alibi": True, "softmax_scale": config.attention_scale},
        "layer_norm_epsilon": config.norm_epsilon,
        "no_bias": True,
        **dict.fromkeys(("resid_pdrop", "emb_pdrop"), config.dropout),
    }


_MEGATRON: Names = {
    "self_attention.query_key_value": _QKV,
    "self_attention.dense": ("attention.output",),
    "mlp.dense_h_to_4h": ("feed_forward.up",),
    "mlp.dense_4h_to_h": ("feed_forward.down",),
}
OTHERS: dict[str, Family] = {
    "opt": Family(
        architecture="OPTForCausalLM",
        read=_read_opt,
        write=_write_opt,
        outside={
            "model.decoder.embed_tokens": ("embedding",),
            "model.decoder.embed_positions": ("positions",),
            "model.decoder.final_layer_norm": ("final_norm",),
            "model.decoder.project_in": ("embedding_projection",),
            "model.decoder.project_out": ("head_projection",),
        },
        layer_prefix="model.decoder.layers.{}.",
        layer=always(
            {
                "self_attn_layer_norm": ("attention_norm",),
                "self_attn.q_proj": ("attention.query",),
                "self_attn.k_proj": ("attention.key",),
                "self_attn.v_proj": ("attention.value",),
                "self_attn.out_proj": ("attention.output",),
                "final_layer_norm": ("feed_forward_norm",),
                "fc1": ("feed_forward.up",),
                "fc2": ("feed_forward.down",),
            }
        ),
        bare_prefix="model.",
    ),
    "bloom": Family(
        architecture="BloomForCausalLM",
        read=_read_bloom,
        write=_write_bloom,
        outside={
            "transformer.word_embeddings": ("embedding",),
            "transformer.word_embeddings_layernorm": ("embedding_norm",),
            "transformer.ln_f": ("final_norm",),
        },
        layer_prefix="transformer.h.{}.",
        layer=always({**NORMS, **_MEGATRON}),
        groups=lambda config: config.num_heads,
        bare_prefix="transformer.",
    ),
    "falcon": Family(
        architecture="FalconForCausalLM",
        read=_read_falcon,
        write=_write_falcon,
        outside={
            "transformer.word_embeddings": ("embedding",),
            "transformer.ln_f": ("final_norm",),
        },
        layer_prefix="transformer.h.{}.",
        layer=_falcon_layer,
        groups=lambda config: config.num_kv_heads,
        bare_prefix="transformer.",
        masks=(".rotary_emb.inv_freq",),
    ),
    "mpt": Family(
        architecture="MptForCausalLM",
        read=_read_mpt,
        write=_write_mpt,
        outside={"transformer.wte": ("embedding",), "transformer.norm_f": ("final_norm",)},
        layer_prefix="transformer.blocks.{}.",
        layer=always(
            {
                "norm_1": ("attention_norm",),
                "attn.Wqkv": _QKV,
                "attn.out_proj": ("attention.output",),
                "norm_2": ("feed_forward_norm",),
                "ffn.up_proj": ("feed_forward.up",),
                "ffn.down_proj": ("feed_forward.down",),
            }
        ),
        bare_prefix="transformer.",
    ),
}
