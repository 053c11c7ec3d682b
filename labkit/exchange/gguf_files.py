"""A model out of a GGUF file, llama.cpp's format: metadata, quantised tensors, and the tokenizer.

The tensors are brought back to fp32 by the package `gguf`, which is llama.cpp's own reader, and
named as `transformers` names them, so that what follows is the import of any model folder. In such
files the rows of queries and keys are permuted: pairs that RoPE rotates stand side by side there,
half a head apart here. Known are files of architecture `llama`; another is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
import torch
from tokenizers import Regex, decoders, models, pre_tokenizers

from labkit.core.errors import LabError
from labkit.exchange.huggingface import from_huggingface
from labkit.exchange.trained_model import TrainedModel
from labkit.tokens.tokenizer import Tokenizer

SUFFIX = ".gguf"
_OUTSIDE = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
_IN_BLOCK = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
"""Module of a block there -> in `transformers`' Llama."""
CONTROL_TOKEN = 3

_LLAMA_3_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
    r"\s*[\r\n]+|\s+(?!\S)|\s+"
)


def _byte_level(*before: pre_tokenizers.PreTokenizer, is_split: bool = False) -> Any:
    last = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not is_split)
    return pre_tokenizers.Sequence([*before, last])


_PRE_TOKENIZERS: dict[str, Callable[[], Any]] = {
    "gpt-2": _byte_level,
    "smollm": lambda: _byte_level(pre_tokenizers.Digits(individual_digits=True)),
    "llama-bpe": lambda: _byte_level(
        pre_tokenizers.Split(Regex(_LLAMA_3_WORDS), "isolated"), is_split=True
    ),
}
"""`tokenizer.ggml.pre` -> how text is cut before merges."""


def read_gguf(path: Path) -> TrainedModel:
    """The model of a GGUF file in fp32, with its tokenizer.

    Raises:
        LabError: no such file, damaged, of another architecture or kind of tokenizer, or the
            package `gguf` is not installed.
    """
    try:
        import gguf
    except ImportError as error:
        raise LabError("GGUF files need the package gguf: pip install 'labkit[gguf]'") from error
    if not path.is_file():
        raise LabError(f"{path}: no such file; give a .gguf file")
    try:
        reader = gguf.GGUFReader(path)
        facts = {name: field.contents() for name, field in reader.fields.items()}
    except Exception as error:  # the reader fails in many ways on what is no GGUF file
        raise LabError(f"{path}: cannot be read as GGUF ({str(error)[:150]})") from error
    kind = facts.get("general.architecture")
    if kind != "llama":
        raise LabError(f"{path}: architecture {kind!r} is not known here; known: llama")
    config_json = _config_json(facts, [tensor.name for tensor in reader.tensors], path)
    state = {
        name: value
        for tensor in reader.tensors
        for name, value in [_named(tensor.name, gguf.dequantize(tensor.data, tensor.tensor_type))]
    }
    for name, value in state.items():
        for module, heads in (("q_proj", "num_attention_heads"), ("k_proj", "num_key_value_heads")):
            if f"self_attn.{module}." in name:
                state[name] = unpermuted(value, config_json[heads])
    tensors = {
        key: torch.from_numpy(np.require(one, requirements="W")) for key, one in state.items()
    }
    model = from_huggingface(config_json, tensors)
    return TrainedModel(
        path.stem, model, _tokenizer(facts, path), facts.get("tokenizer.ggml.eos_token_id")
    )


def unpermuted(rows_FD: np.ndarray, num_heads: int) -> np.ndarray:
    """Rows of queries or keys as halves of each head, from pairs that stand side by side.

    >>> unpermuted(np.arange(8)[:, None], 2)[:, 0].tolist()
    [0, 2, 1, 3, 4, 6, 5, 7]
    """
    pairs = rows_FD.reshape(num_heads, -1, 2, *rows_FD.shape[1:])
    return np.ascontiguousarray(pairs.swapaxes(1, 2).reshape(rows_FD.shape))


def _named(name: str, value: np.ndarray) -> tuple[str, np.ndarray]:
    if name in _OUTSIDE:
        return _OUTSIDE[name], value
    _, layer, module, *rest = [*name.split("."), ""]
    if module not in _IN_BLOCK:
        raise LabError(f"tensor {name} has no place in a Llama")
    return f"model.layers.{layer}.{_IN_BLOCK[module]}.{rest[0]}", value


def _config_json(facts: dict[str, Any], names: list[str], path: Path) -> dict[str, Any]:
    """What `transformers` would have in config.json.

    Raises:
        LabError: a key is missing, or positions are stretched in a way that is not known.
    """
    scaling = facts.get("llama.rope.scaling.type", "none")
    if scaling != "none" or "rope_freqs.weight" in names:
        raise LabError(f"{path}: RoPE is stretched ({scaling}), which is not read here yet")
    try:
        heads, width = facts["llama.attention.head_count"], facts["llama.embedding_length"]
        return {
            "model_type": "llama",
            "vocab_size": len(facts["tokenizer.ggml.tokens"]),
            "max_position_embeddings": facts["llama.context_length"],
            "hidden_size": width,
            "num_hidden_layers": facts["llama.block_count"],
            "num_attention_heads": heads,
            "num_key_value_heads": facts.get("llama.attention.head_count_kv", heads),
            "head_dim": facts.get("llama.rope.dimension_count", width // heads),
            "intermediate_size": facts["llama.feed_forward_length"],
            "rms_norm_eps": facts["llama.attention.layer_norm_rms_epsilon"],
            "rope_theta": facts.get("llama.rope.freq_base", 10_000.0),
            "hidden_act": "silu",
            "tie_word_embeddings": "output.weight" not in names,
        }
    except KeyError as error:
        raise LabError(f"{path}: its metadata has no {error}") from error


def _tokenizer(facts: dict[str, Any], path: Path) -> Tokenizer:
    """Byte-level BPE with the file's tokens and merges."""
    kind, pre = facts.get("tokenizer.ggml.model"), facts.get("tokenizer.ggml.pre", "gpt-2")
    if kind != "gpt2" or pre not in _PRE_TOKENIZERS:
        raise LabError(
            f"{path}: a tokenizer of model {kind!r} and pre {pre!r} is not known here; known: gpt2 "
            f"with {', '.join(_PRE_TOKENIZERS)}"
        )
    tokens, merges = facts["tokenizer.ggml.tokens"], facts.get("tokenizer.ggml.merges", [])
    vocabulary = {token: number for number, token in enumerate(tokens)}
    backend = tokenizers.Tokenizer(
        models.BPE(vocabulary, [tuple(merge.split(" ")) for merge in merges])
    )
    backend.pre_tokenizer = _PRE_TOKENIZERS[pre]()
    backend.decoder = decoders.ByteLevel()
    types = facts.get("tokenizer.ggml.token_type", [])
    control = [one for one, kind in zip(tokens, types, strict=False) if kind == CONTROL_TOKEN]
    backend.add_special_tokens([tokenizers.AddedToken(one, special=True) for one in control])
    return Tokenizer(backend, path.stem)
