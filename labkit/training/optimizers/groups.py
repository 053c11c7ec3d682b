"""Which parameter is moved by which rule, at which rate, and whether it decays.

Decay reaches matrices of the blocks and an untied head; never an embedding (a tied head is one),
a norm, a bias or a token share. What a parameter is, its role says (`labkit.model.weights`); one
without a role is refused, so that none is moved by a rule that was not chosen for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import nn

from labkit.core.errors import LabError
from labkit.model.transformer import Transformer
from labkit.model.weights import Role, all_weights
from labkit.plan.optimizer import OptimizerPlan
from labkit.training.optimizers.muon import MuonAdamW
from labkit.training.sharding.processes import ALONE, Processes


class ParameterGroup(NamedTuple):
    """One row of what a run prints before it starts."""

    name: str
    rule: str
    peak_learning_rate: float
    weight_decay: float
    parameters: dict[str, nn.Parameter]


GROUP_OF_ROLE: dict[Role, str] = {
    "matrix": "matrices",
    "residual_writer": "matrices",
    "head": "head",
    "embedding": "embeddings",
    "vector": "vectors",
    "experts": "experts",
    "adapter": "adapters",
}


def parameter_groups(
    model: Transformer, plan: OptimizerPlan, more_roles: Mapping[str, Role] | None = None
) -> list[ParameterGroup]:
    """Every trainable parameter once; empty groups and frozen parameters are left out.

    Args:
        more_roles: of parameters that were added to the model and its config does not list.

    Raises:
        LabError: a parameter whose role nobody names.
    """
    roles: dict[str, Role] = {weight.name: weight.role for weight in all_weights(model.config)}
    roles.update(more_roles or {})
    rows: dict[str, dict[str, nn.Parameter]] = {name: {} for name in GROUP_OF_ROLE.values()}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        if name not in roles:
            raise LabError(
                f"the model's list of weights has no role for the parameter {name}, so no rule to "
                f"move it by; name one of {', '.join(GROUP_OF_ROLE)}"
            )
        rows[GROUP_OF_ROLE[roles[name]]][name] = parameter
    is_muon = plan.matrices == "muon"
    groups = [
        ParameterGroup(
            "matrices",
            plan.matrices,
            plan.muon_learning_rate if is_muon else plan.learning_rate,
            plan.weight_decay,
            rows["matrices"],
        ),
        ParameterGroup("head", "adamw", plan.learning_rate, plan.weight_decay, rows["head"]),
        ParameterGroup("embeddings", "adamw", plan.learning_rate, 0.0, rows["embeddings"]),
        ParameterGroup("vectors", "adamw", plan.learning_rate, 0.0, rows["vectors"]),
        ParameterGroup("experts", "adamw", plan.learning_rate, plan.weight_decay, rows["experts"]),
        ParameterGroup("adapters", "adamw", plan.learning_rate, 0.0, rows["adapters"]),
    ]
    return [group for group in groups if group.parameters]


def make_optimizer(
    groups: list[ParameterGroup],
    plan: OptimizerPlan,
    dtype: torch.dtype,
    processes: Processes = ALONE,
) -> torch.optim.Optimizer:
    """torch's fused AdamW, or Muon and AdamW in one; each group keeps its `peak` rate."""
    rules = [
        {
            "name": group.name,
            "params": list(group.parameters.values()),
            "peak": group.peak_learning_rate,
            "lr": group.peak_learning_rate,
            "weight_decay": group.weight_decay,
            "betas": (plan.beta1, plan.beta2),
            "eps": plan.epsilon,
        }
        for group in groups
    ]
    if plan.matrices == "adamw":
        adamw = torch.optim.AdamW(rules, fused=True)
        # fused, it would unscale fp16's gradients itself, after they were measured and clipped
        adamw._step_supports_amp_scaling = False  # pyright: ignore[reportAttributeAccessIssue]
        return adamw
    for rule, group in zip(rules, groups, strict=True):
        rule |= {"uses_muon": group.rule == "muon", "momentum": plan.muon_momentum}
    return MuonAdamW(rules, dtype, processes)


def set_learning_rate(optimizer: torch.optim.Optimizer, ratio: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * ratio


def group_rows(groups: list[ParameterGroup]) -> list[dict[str, Any]]:
    """The groups as a table: what decays, what does not."""
    return [
        {
            "group": group.name,
            "rule": group.rule,
            "peak learning rate": group.peak_learning_rate,
            "weight decay": group.weight_decay,
            "tensors": len(group.parameters),
            "parameters": sum(p.numel() for p in group.parameters.values()),
        }
        for group in groups
    ]
