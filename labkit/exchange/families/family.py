"""What a family is: their config.json read as our parameters and written from ours, and names.

Whether a family can express a config is not told but tried: what it writes is read again, and
must be the same config (`huggingface_families.py`). A value that has no equal is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from labkit.core.errors import LabError
from labkit.model.config import ModelConfig
from labkit.model.rope import LLAMA_FAST, LLAMA_SLOW, YARN_FAST, YARN_SLOW, ntk_theta
from labkit.model.stack import decoder_stack

Json = Mapping[str, Any]
Names = Mapping[str, tuple[str, ...]]
"""Their module -> ours; several of ours are stacked in one of theirs."""


def no_groups(config: ModelConfig) -> int:
    return 1


@dataclass(frozen=True)
class Family:
    """How one class of `transformers` names what we have.

    `layer` may name modules that a config lacks. `groups` says in how many groups the rows of
    stacked queries, keys and values alternate. `experts` are modules that they have once for each
    expert. Tensors whose name ends with one of `masks` are no parameters.
    """

    architecture: str
    read: Callable[[Json], dict[str, Any]]
    write: Callable[[ModelConfig], dict[str, Any]]
    outside: Names
    layer_prefix: str
    layer: Callable[[ModelConfig], Names]
    head: str = "lm_head"
    experts: Names | None = None
    groups: Callable[[ModelConfig], int] = no_groups
    is_transposed: bool = False
    bare_prefix: str = ""
    masks: tuple[str, ...] = ()


def always(names: Names) -> Callable[[ModelConfig], Names]:
    return lambda config: names


def allow(theirs: Json, allowed: Mapping[str, tuple[Any, ...]]) -> None:
    """Refuse by name; the first allowed value is what an absent key means."""
    for key, values in allowed.items():
        value = theirs.get(key, values[0])
        if value not in values:
            raise LabError(
                f"config.json has {key}={value!r}, which has no equal here; "
                f"allowed: {', '.join(map(repr, values))}"
            )


def whole(theirs: Json, key: str) -> int:
    value = theirs.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise LabError(f"config.json has {key}={value!r}; give a whole number of at least 1")
    return value


def sizes(
    theirs: Json,
    *,
    d_model: str = "hidden_size",
    num_layers: str = "num_hidden_layers",
    num_heads: str = "num_attention_heads",
    context: str = "max_position_embeddings",
    d_ff: str = "intermediate_size",
) -> dict[str, Any]:
    """Sizes under the given keys; without a head_dim of their own, heads divide the width."""
    width, heads = whole(theirs, d_model), whole(theirs, num_heads)
    head_dim = theirs.get("head_dim")
    if head_dim is None and width % heads:
        raise LabError(f"config.json has {d_model}={width}, not a multiple of {num_heads}={heads}")
    return {
        "vocab_size": theirs.get("vocab_size"),
        "context_length": theirs.get(context),
        "d_model": width,
        "num_layers": theirs.get(num_layers),
        "num_heads": heads,
        "num_kv_heads": theirs.get("num_key_value_heads") or heads,
        "head_dim": head_dim or width // heads,
        "d_ff": theirs.get(d_ff) or 4 * width,
    }


def dropout(theirs: Json, default: float, *keys: str) -> float:
    """The one probability of dropout that all keys have."""
    first, *others = ((key, theirs.get(key, default)) for key in keys)
    if {value for _, value in others} - {first[1]}:
        raise LabError(
            f"config.json has {first[0]}={first[1]} but others "
            f"{ {value for _, value in others} }; make them one"
        )
    return first[1]


def activation(theirs: Json, key: str, default: str) -> str:
    """Our name of their activation, or a refusal."""
    allow(theirs, {key: (default, *ACTIVATIONS)})
    return ACTIVATIONS[theirs.get(key, default)]


ACTIVATIONS = {
    "gelu_new": "gelu",
    "gelu_pytorch_tanh": "gelu",
    "gelu": "gelu_exact",
    "quick_gelu": "gelu_quick",
    "relu": "relu",
    "relu2": "relu_squared",
    "silu": "silu",
}
"""Their names -> ours."""
THEIR_ACTIVATIONS = {
    "gelu": "gelu_new",
    "gelu_exact": "gelu",
    "gelu_quick": "quick_gelu",
    "relu": "relu",
    "relu_squared": "relu2",
    "silu": "silu",
}


def read_rope(theirs: Json, default_theta: float = 10_000.0) -> dict[str, Any]:
    """From `rope_parameters` (transformers 5), or `rope_theta` and `rope_scaling` (before)."""
    rope = dict(theirs.get("rope_parameters") or theirs.get("rope_scaling") or {})
    theta = rope.pop("rope_theta", None) or theirs.get("rope_theta") or default_theta
    ratio = rope.pop("partial_rotary_factor", None) or theirs.get("partial_rotary_factor") or 1.0
    kind = rope.pop("rope_type", None) or rope.pop("type", None) or "default"
    rope.pop("type", None)
    found = {"positions": "rope", "rope_theta": theta, "rope_ratio": ratio}
    if kind not in _SCALINGS:
        raise LabError(
            f"config.json has rope scaling rope_type={kind!r}; allowed: {', '.join(_SCALINGS)}"
        )
    known = _SCALINGS[kind]
    other = {key: value for key, value in rope.items() if value not in known.get(key, (None,))}
    given = {key: other.pop(key, None) for key in ("factor", "original_max_position_embeddings")}
    if other:
        raise LabError(
            f"config.json has rope scaling {other!r}; allowed: {known or 'no more keys'}"
        )
    if kind == "default":
        return found
    original = given["original_max_position_embeddings"]
    if kind == "linear":
        original = None
    return found | {
        "rope_scaling": kind,
        "rope_factor": given["factor"],
        "rope_original_context": original,
    }


def write_rope(config: ModelConfig) -> dict[str, Any]:
    """Both spellings of the base; ntk is another base."""
    theta = config.rope_theta
    if config.rope_scaling == "ntk":
        theta = ntk_theta(config, theta)
    rope: dict[str, Any] = {"rope_theta": theta, "rope_type": "default"}
    if config.rope_ratio != 1:
        rope["partial_rotary_factor"] = config.rope_ratio
    if config.rope_scaling in _SCALINGS:
        fixed = {key: values[0] for key, values in _SCALINGS[config.rope_scaling].items()}
        rope |= fixed | {"rope_type": config.rope_scaling, "factor": config.rope_factor}
        if config.rope_original_context is not None:
            rope["original_max_position_embeddings"] = config.rope_original_context
    return {"rope_theta": theta, "rope_parameters": rope}


_SCALINGS: dict[str, dict[str, tuple[Any, ...]]] = {
    "default": {},
    "linear": {},
    "yarn": {
        "beta_fast": (YARN_FAST, None),
        "beta_slow": (YARN_SLOW, None),
        "attention_factor": (None,),
        "truncate": (True, None),
    },
    "llama3": {"low_freq_factor": (LLAMA_SLOW,), "high_freq_factor": (LLAMA_FAST,)},
}
"""Their kinds, with the keys that have one value here."""


def read_windows(theirs: Json) -> dict[str, Any]:
    """From `sliding_window` and `layer_types`, whose pattern must repeat."""
    window, kinds = theirs.get("sliding_window"), theirs.get("layer_types")
    num_layers = whole(theirs, "num_hidden_layers")
    if kinds is None:
        kinds = ["full_attention" if window is None else "sliding_attention"] * num_layers
    is_near = [kind == "sliding_attention" for kind in kinds]
    if set(kinds) - {"sliding_attention", "full_attention"} or (any(is_near) and window is None):
        raise LabError(
            f"config.json has layer_types={sorted(set(kinds))} with sliding_window={window!r}; "
            "allowed: full_attention, and sliding_attention with a window"
        )
    if not any(is_near):
        return {"window": None}
    if all(is_near):
        return {"window": window}
    for every in range(2, num_layers + 1):
        for first in (False, True):
            if is_near == [(n % every != (0 if first else every - 1)) for n in range(num_layers)]:
                return {
                    "window": window,
                    "whole_context_every": every,
                    "whole_context_first": first,
                }
    raise LabError(
        f"config.json has layer_types={kinds}; allowed: one of so many blocks whole, the first or "
        "the last"
    )


def layer_types(config: ModelConfig) -> list[str]:
    kinds = decoder_stack(config).kinds
    return ["full_attention" if kind.window is None else "sliding_attention" for kind in kinds]
