"""Is a state the one that this run can go on from? Asked before anything of it is put back.

A file that is whole can still hold another model's tensors: torch would broadcast a row over a
matrix, and ignore a name that it doesn't know. So names, shapes, kinds and numbers are compared
with those of the model and optimizer at hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import nn

from labkit.core.artifacts import DamagedArtifact
from labkit.core.errors import LabError
from labkit.training.checkpoints.files import Checkpoint, InPieces
from labkit.training.guards import Health

Count = Annotated[int, Field(ge=0, strict=True)]
Losses = list[float | None]


class LossState(BaseModel):
    """`LossWatch.state_dict`."""

    model_config = ConfigDict(extra="forbid")

    recent: list[float]
    last: Losses
    above: list[float]
    num_calm: Count
    levels: Losses
    first_loss: float | None
    best_level: float | None
    is_rising: bool
    last_calm_step: Count
    diverged_at: Count | None


class Progress(BaseModel):
    """progress.json; what has a default was not written by older versions."""

    model_config = ConfigDict(extra="forbid")

    step: Count
    samples: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    dropped_steps: Count
    dropped_in_a_row: Count
    loss_scale: dict[str, float]
    recent_losses: list[float] = []
    health: Health = "good"
    losses: LossState | None = None
    skipped_batches: list[tuple[Count, Count]] = []
    objective: str = ""


def check_progress(folder: Path, found: Any) -> None:
    """Raises DamagedArtifact naming the number that cannot be."""
    try:
        Progress.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise DamagedArtifact(
            f"{folder}: its progress.json has a wrong {where or 'form'}: {first['msg']}; "
            "use another checkpoint"
        ) from None


def refuse_other_weights(weights: Any, model: nn.Module) -> None:
    """Raises LabError naming the first tensor that is missing, too much, or of another shape."""
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    if not isinstance(weights, Mapping):
        raise LabError("the checkpoint's weights are no table of tensors; use another one")
    for name in [*expected, *weights]:
        if name not in weights or name not in expected:
            side = "lacks" if name not in weights else "has, and the model hasn't,"
            raise LabError(f"the checkpoint {side} the tensor {name}; use another one")
        if _shape(weights[name]) != expected[name]:
            raise LabError(
                f"{name} has the shape {_shape(weights[name])} in the checkpoint and "
                f"{expected[name]} in the model; use another checkpoint"
            )


def refuse_other_state(
    checkpoint: Checkpoint, model: nn.Module, optimizer: torch.optim.Optimizer, num_steps: int
) -> None:
    """Compare a checkpoint with what is to be filled from it.

    Raises:
        LabError: naming the first thing that differs.
    """
    step = checkpoint["progress"]["step"]
    if step > num_steps:
        raise LabError(f"the checkpoint is after {step:,} steps, the plan has {num_steps:,}")
    refuse_other_weights(checkpoint["weights"], model)
    _refuse_other_optimizer(checkpoint["optimizer"], optimizer)
    generators = checkpoint["random"]
    size = torch.get_rng_state().shape
    if not isinstance(generators, list) or not all(
        isinstance(one, Mapping) and _shape(one.get("cpu")) == tuple(size) for one in generators
    ):
        raise LabError("the checkpoint's random.pt holds no states of generators; use another one")


def _refuse_other_optimizer(saved: Any, optimizer: torch.optim.Optimizer) -> None:
    wrong = LabError("the checkpoint's optimizer is not that of the plan; use another checkpoint")
    if not isinstance(saved, Mapping) or set(saved) != {"state", "param_groups"}:
        raise wrong
    here, there = optimizer.state_dict()["param_groups"], saved["param_groups"]
    if not isinstance(there, list) or list(map(_rules, there)) != list(map(_rules, here)):
        raise wrong
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    if not isinstance(saved["state"], Mapping):
        raise wrong
    for number, values in saved["state"].items():
        if number not in range(len(weights)) or not isinstance(values, Mapping):
            raise wrong
        for name, value in values.items():
            if _shape(value) not in ((), tuple(weights[number].shape)):
                raise LabError(
                    f"optimizer.{number}.{name} has the shape {_shape(value)} in the checkpoint, "
                    f"its weight {tuple(weights[number].shape)}; use another checkpoint"
                )


def _rules(group: Any) -> Any:
    """Without the rate of the moment; tuples are lists in sharded checkpoints."""
    if not isinstance(group, Mapping):
        return None
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in group.items()
        if name != "lr"
    }


def _shape(leaf: Any) -> tuple[int, ...] | None:
    if isinstance(leaf, InPieces):
        return leaf.cut.shape
    return tuple(leaf.shape) if isinstance(leaf, torch.Tensor) else None
