"""config.json of a model folder: what `transformers` opens it with, and labkit's own config.

Where `transformers` has a class for the model, config.json names that class. Any other model is
opened by `modeling_labkit.py`, which the folder brings (`trust_remote_code=True`). The key `labkit`
holds our own config and its hash, so that what comes back is the same config, not one that
computes the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labkit.core.config import later_defaults, validate
from labkit.core.errors import LabError
from labkit.exchange.huggingface_families import family_of, written
from labkit.model.config import ModelConfig

MODELING = "modeling_labkit.py"
KEY = "labkit"


def write_config_json(config: ModelConfig, end_of_text: int | None) -> dict[str, Any]:
    """What stands in config.json; a tokenizer's end of text begins and ends a text.

    Raises:
        LabError: a model that is not causal.
    """
    if config.mask == "full":
        raise LabError(
            "mask=full sees the tokens that a causal model is to predict, so transformers' causal "
            "classes can't open it; give mask=causal"
        )
    kind = family_of(config)
    of_class = _own_class(config) if kind is None else written(kind, config)
    return of_class | {
        "vocab_size": config.vocab_size,
        "tie_word_embeddings": config.tie_embeddings,
        "dtype": "float32",
        "bos_token_id": end_of_text,
        "eos_token_id": end_of_text,
        KEY: {"config": config.model_dump(mode="json"), "config_hash": config.hash},
    }


def read_labkit_config(config_json: Mapping[str, Any]) -> ModelConfig | None:
    """Our own config where config.json carries it, else None.

    Raises:
        LabError: it is no config of this version, or differs from its hash.
    """
    found = config_json.get(KEY)
    if found is None:
        return None
    if not isinstance(found, Mapping) or not {"config", "config_hash"} <= found.keys():
        raise LabError(f"config.json has no config under its key {KEY!r}; remove the key")
    config = validate(ModelConfig, found["config"])
    if config.hash != found["config_hash"]:
        raise LabError(
            f"config.json has a config of hash {config.hash} under its key {KEY!r}, where it says "
            f"{found['config_hash']}; it was edited: export the model again"
        )
    return config


def generation_config(end_of_text: int | None) -> dict[str, Any]:
    """generation_config.json: rows that have ended are filled up with the end of text."""
    names = ("bos_token_id", "eos_token_id", "pad_token_id")
    return {} if end_of_text is None else dict.fromkeys(names, end_of_text)


def what_the_file_lacks(config: ModelConfig) -> str:
    """Choices that `modeling_labkit.py` does not have, such as "num_experts=8"; else empty."""
    lacking = ["num_experts"] if config.num_experts is not None else []
    lacking += ["positions"] if config.positions == "transformer_xl" else []
    return ", ".join(f"{name}={getattr(config, name)!r}" for name in lacking)


def _own_class(config: ModelConfig) -> dict[str, Any]:
    """Sizes by the names that tools look for, then the choices by ours."""
    file = MODELING.removesuffix(".py")
    of_file = {
        "auto_map": {
            "AutoConfig": f"{file}.LabkitConfig",
            "AutoModelForCausalLM": f"{file}.LabkitForCausalLM",
        }
    }
    return {
        "model_type": "labkit",
        "architectures": ["LabkitForCausalLM"],
        **({} if what_the_file_lacks(config) else of_file),
        "hidden_size": config.d_model,
        "intermediate_size": config.d_ff,
        "num_hidden_layers": config.num_layers,
        "num_attention_heads": config.num_heads,
        "num_key_value_heads": config.num_kv_heads,
        "head_dim": config.head_dim,
        "max_position_embeddings": config.context_length,
        **{name: getattr(config, name) for name in _CHOICES},
        **_later_choices(config),
    }


def _later_choices(config: ModelConfig) -> dict[str, Any]:
    """Those that differ from their default; `transformers` reads a rope_scaling of its own."""
    defaults = later_defaults(ModelConfig)
    changed = {name: getattr(config, name) for name in defaults}
    changed = {name: value for name, value in changed.items() if value != defaults[name]}
    return {"rope_stretch" if n == "rope_scaling" else n: value for n, value in changed.items()}


_CHOICES = (
    *("feed_forward", "norm", "norm_placement", "norm_epsilon", "block", "positions"),
    *("window", "whole_context_every", "window_rope_theta", "rope_theta", "qk_norm"),
    *("token_shift", "qkv_bias", "attention_output_bias", "feed_forward_bias", "norm_bias"),
    "dropout",
)
