"""Which class of `transformers` can express a config, and what is beyond all of them.

A family can express a config if what it writes as config.json is read back as the same config:
fields that have no effect beside the others don't count, and a bias that their class always has
may be zero.
"""

from __future__ import annotations

from typing import Any

from labkit.core.config import validate
from labkit.core.errors import LabError
from labkit.exchange.families.experts import MIXTURES
from labkit.exchange.families.family import Family, Json
from labkit.exchange.families.gpt import GPTS
from labkit.exchange.families.llama import LLAMAS
from labkit.exchange.families.others import OTHERS
from labkit.exchange.families.rotary import ROTARY
from labkit.model.config import ModelConfig
from labkit.model.rope import ntk_theta

FAMILIES: dict[str, Family] = GPTS | LLAMAS | OTHERS | ROTARY | MIXTURES
"""By `model_type`; where several express a config equally well, the first is taken."""

_BIASES = frozenset(
    ("qkv_bias", "attention_output_bias", "feed_forward_bias", "norm_bias", "head_bias")
)
_NO_MATTER = frozenset(("preset", "initialization", "dropout", "balance_loss", "router_z_loss"))
"""Fields that config.json of `transformers` need not tell: none changes a logit."""


def family_of(config: ModelConfig) -> str | None:
    """The name of the family that expresses the config with the fewest zero biases, or None."""
    fits = {kind: added for kind in FAMILIES if (added := _added_biases(kind, config)) is not None}
    return min(fits, key=fits.__getitem__, default=None)


def what_is_beyond(config: ModelConfig) -> str:
    """The choices that the nearest family can't express, such as 'token_shift=True'."""
    if family_of(config) is not None:
        return ""
    found = [_differences(kind, config) for kind in FAMILIES]
    nearest = min((names for names in found if names), key=len, default=["head_dim"])
    return ", ".join(f"{name}={getattr(config, name)!r}" for name in nearest)


def written(kind: str, config: ModelConfig) -> dict[str, Any]:
    """The config as config.json of the family, without what belongs to a tokenizer."""
    family = FAMILIES[kind]
    return {
        **family.write(config),
        "model_type": kind,
        "architectures": [family.architecture],
        "vocab_size": config.vocab_size,
        "tie_word_embeddings": config.tie_embeddings,
    }


def read_config(config_json: Json) -> ModelConfig:
    """The config that a config.json of `transformers` describes.

    Raises:
        LabError: another family, or a value that has no equal here.
    """
    kind = config_json.get("model_type")
    if kind not in FAMILIES:
        raise LabError(f"model_type={kind!r} is not known here; known: {', '.join(FAMILIES)}")
    return validate(ModelConfig, FAMILIES[kind].read(config_json))


def as_their_class_has_it(kind: str, config: ModelConfig) -> ModelConfig | None:
    """The config that comes back from the family's config.json; None where it refuses it."""
    try:
        return read_config(written(kind, config))
    except LabError:
        return None


def _added_biases(kind: str, config: ModelConfig) -> int | None:
    """Biases that their class adds to express the config; None where it can't."""
    theirs = as_their_class_has_it(kind, config)
    if theirs is None or _differences(kind, config):
        return None
    return sum(getattr(theirs, name) and not getattr(config, name) for name in _BIASES)


def _differences(kind: str, config: ModelConfig) -> list[str]:
    theirs = as_their_class_has_it(kind, config)
    if theirs is None:
        return []
    before, after = _effective(config), _effective(theirs)
    return [
        name
        for name in ModelConfig.model_fields
        if name not in _NO_MATTER
        and before[name] not in (after[name], _INERT)
        and not (name in _BIASES and after[name])
    ]


_INERT = "no effect"


def _effective(config: ModelConfig) -> dict[str, Any]:
    """All fields, with those marked that have no effect beside the others."""
    fields = dict(config)
    if config.norm != "layernorm":
        fields["norm_bias"] = _INERT
    if config.positions != "rope":
        names = ("rope_theta", "rope_ratio", "rope_layout", "window_rope_theta")
        fields |= dict.fromkeys(names, _INERT)
    elif config.window_rope_theta == config.rope_theta:
        fields["window_rope_theta"] = None
    if config.positions not in ("t5", "shaw"):
        fields["max_distance"] = _INERT
    if config.num_experts is None:
        fields |= dict.fromkeys(("experts_per_token", "normalize_expert_weights"), _INERT)
    if not config.qk_norm:
        fields["qk_norm_span"] = _INERT
    if config.attention_scale is not None and config.attention_scale**-2 == config.head_dim:
        fields["attention_scale"] = None
    if config.rope_scaling == "ntk":
        fields["rope_theta"] = ntk_theta(config, config.rope_theta)
        fields |= {"rope_scaling": "none", "rope_factor": 1.0, "rope_original_context": None}
    if config.rope_scaling == "linear":
        fields["rope_original_context"] = None
    return fields
