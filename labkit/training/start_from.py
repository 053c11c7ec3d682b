"""The weights that a plan starts from: those of a model folder or a checkpoint, and no more of it.

Optimizer, data order and schedule begin anew, the warm-up too. The model must be the same function:
each field that shapes it or changes what it computes is compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from labkit.core import artifacts
from labkit.core.config import validate
from labkit.core.errors import LabError
from labkit.model.config import ModelConfig
from labkit.model.transformer import Transformer
from labkit.plan.plan import TrainingPlan
from labkit.training.checkpoints.check import refuse_other_weights
from labkit.training.checkpoints.files import whole
from labkit.training.checkpoints.folder import load_checkpoint
from labkit.training.sharding.processes import Processes

MAY_DIFFER = ("preset", "dropout", "initialization")
"""Fields of a model that say how it begins or learns, not what it computes."""


class Source(NamedTuple):
    """`weights` has each tensor of the model by its name, whole or in pieces."""

    config: ModelConfig
    weights: Mapping[str, Any]
    has_same_tokenizer: bool


def weights_to_start_from(
    model: Transformer, plan: TrainingPlan, processes: Processes
) -> Iterator[tuple[nn.Parameter, torch.Tensor]]:
    """Each parameter and where it starts, one after the other.

    Raises:
        DamagedArtifact: a file differs from its manifest.
        LabError: the folder holds another model or tokenizer than the plan's; naming the fields.
    """
    found: list[Source] = []

    def open_source() -> None:
        found.append(_source_for(plan, verify=processes.is_first))
        refuse_other_weights(found[0].weights, model)

    processes.each(open_source)
    for name, parameter in model.named_parameters():
        yield parameter, whole(found[0].weights[name])


def _source_for(plan: TrainingPlan, *, verify: bool) -> Source:
    inputs = plan.inputs()  # refused where the folder is missing
    folder = artifacts.home() / plan.start_from
    if (folder / "config.json").is_file():
        source = _model_folder(folder, plan)
    else:
        source = _checkpoint(folder, inputs[plan.data.tokenizer], verify=verify)
    _refuse_other_model(folder, source.config, plan.model)
    if not source.has_same_tokenizer:
        raise LabError(
            f"start_from={folder} was trained with another tokenizer than data.tokenizer="
            f"{plan.data.tokenizer}; its ids would mean other text: give its own tokenizer"
        )
    return source


def _model_folder(folder: Path, plan: TrainingPlan) -> Source:
    """Each process reads it whole, before it keeps its share. Imported where a plan needs it."""
    from labkit.exchange.folder import read_model
    from labkit.tokens.tokenizer import Tokenizer

    found = read_model(folder)
    weights = found.model.state_dict()
    tokenizer = Tokenizer.load(artifacts.home() / plan.data.tokenizer / "tokenizer.json")
    is_same = tokenizer.fingerprint == found.tokenizer.fingerprint
    return Source(found.config, weights, is_same)


def _checkpoint(folder: Path, tokenizer_hash: str, *, verify: bool) -> Source:
    weights = load_checkpoint(folder, verify=verify)["weights"]
    manifest = artifacts.read_manifest(folder, verify=False)
    if manifest.config is None:
        raise LabError(f"start_from={folder}: not a checkpoint of a training plan")
    plan = validate(TrainingPlan, manifest.config)
    is_same = manifest.inputs[plan.data.tokenizer] == tokenizer_hash
    return Source(plan.model, weights, is_same)


def _refuse_other_model(folder: Path, there: ModelConfig, here: ModelConfig) -> None:
    """A longer context is no other model where no parameter depends on it."""
    may_differ = MAY_DIFFER
    if here.positions != "learned":
        may_differ = (*MAY_DIFFER, "context_length")
    theirs, ours = (_fields(one, may_differ) for one in (there, here))
    differing = [
        f"model.{name} is {theirs[name]!r} there and {value!r} in the plan"
        for name, value in ours.items()
        if theirs[name] != value
    ]
    if differing:
        raise LabError(
            f"start_from={folder} holds another model: {'; '.join(differing)}. Give the plan that "
            "model"
        )


def _fields(config: ModelConfig, without: tuple[str, ...]) -> Mapping[str, Any]:
    return {name: value for name, value in config if name not in without}
