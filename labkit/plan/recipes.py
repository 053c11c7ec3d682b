"""Recipes as changes to any plan; the shape's size, the data and the budget stay its own.

gpt2          the decoder of 2019 with AdamW and a cosine: LayerNorm, GELU, learned positions,
              tied head
modern        what has held up since: RMSNorm, RoPE, SwiGLU, projections and head that start at
              zero, token shift, Muon for the blocks' matrices, rate decayed to zero
modern-open   modern without token shift: a Llama to `transformers`, which opens its model folder
              without code of ours
None has biases, as nanoGPT's `gpt2` doesn't. The feed-forward's width follows its kind, so that
its weights stay as many. The numbers of `modern` were tuned on Shakespeare's bytes alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from labkit.core.config import validate
from labkit.core.errors import LabError
from labkit.model.config import matched_d_ff
from labkit.plan.plan import TrainingPlan


class Recipe(NamedTuple):
    """Fields of the model, and the presets of optimizer and schedule."""

    model: dict[str, Any]
    optimizer: str
    schedule: str


_NO_BIASES = {
    "qkv_bias": False,
    "attention_output_bias": False,
    "feed_forward_bias": False,
    "norm_bias": False,
}

_MODERN = {
    "norm": "rmsnorm",
    "positions": "rope",
    "feed_forward": "swiglu",
    "initialization": "zero_output",
    "tie_embeddings": False,
    "token_shift": True,
    **_NO_BIASES,
}

RECIPES = {
    "gpt2": Recipe(
        model={
            "norm": "layernorm",
            "positions": "learned",
            "feed_forward": "gelu",
            "initialization": "gpt2",
            "tie_embeddings": True,
            "token_shift": False,
            **_NO_BIASES,
        },
        optimizer="adamw",
        schedule="cosine",
    ),
    "modern": Recipe(model=_MODERN, optimizer="muon", schedule="wsd"),
    "modern-open": Recipe(model=_MODERN | {"token_shift": False}, optimizer="muon", schedule="wsd"),
}


def with_recipe(plan: TrainingPlan, recipe: str) -> TrainingPlan:
    """The plan with the recipe's choices.

    Raises:
        LabError: no recipe of that name.
    """
    if recipe not in RECIPES:
        raise LabError(f"unknown recipe {recipe!r}; known: {', '.join(RECIPES)}")
    chosen = RECIPES[recipe]
    changes = {
        "model": plan.model.model_dump() | chosen.model | _width(plan, chosen.model),
        "optimizer": chosen.optimizer,
        "schedule": chosen.schedule,
    }
    return validate(TrainingPlan, plan.model_dump() | changes)


def with_changes(plan: TrainingPlan, changes: Mapping[str, Any]) -> TrainingPlan:
    """The plan with dotted fields changed; the feed-forward's weights stay as many."""
    model = {name.removeprefix("model."): value for name, value in changes.items()}
    width = {f"model.{name}": value for name, value in _width(plan, model).items()}
    return plan.with_overrides({**width, **changes})


def _width(plan: TrainingPlan, model: Mapping[str, Any]) -> dict[str, int]:
    before, after = plan.model.feed_forward, model.get("feed_forward", plan.model.feed_forward)
    return {} if before == after else {"d_ff": matched_d_ff(plan.model.d_ff, before, after)}
