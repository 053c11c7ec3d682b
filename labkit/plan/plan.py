"""All that a training run follows from, but the data's bytes and the machine."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import model_validator

from labkit.core import artifacts
from labkit.core.canonical_json import hash_json
from labkit.core.config import Config, field, leaves
from labkit.core.disk import slug
from labkit.core.errors import LabError
from labkit.model.config import ModelConfig
from labkit.plan.amendments import must_agree
from labkit.plan.guards import GuardPlan
from labkit.plan.layout import LayoutPlan
from labkit.plan.optimizer import OptimizerPlan
from labkit.plan.parts import BudgetPlan, CheckpointPlan, ComputePlan, DataPlan, EvaluationPlan
from labkit.plan.schedule import SchedulePlan, learning_rate_ratio


class TrainingPlan(Config):
    name: str = field("run", "what you call it; no two plans share a folder anyway")
    model: ModelConfig = field(ModelConfig.from_preset("nanogpt-cpu"), "shape to start from")
    optimizer: OptimizerPlan = field(OptimizerPlan(), "optimizer to start from")
    schedule: SchedulePlan = field(SchedulePlan(), "learning rate over the budget")
    data: DataPlan = field(DataPlan(), "what is read, and how much at once")
    budget: BudgetPlan = field(BudgetPlan(), "what ends the run")
    evaluation: EvaluationPlan = field(EvaluationPlan(), "what is measured on the way")
    checkpoints: CheckpointPlan = field(CheckpointPlan(), "what a later start can go on from")
    guards: GuardPlan = field(GuardPlan(), "what is done where the loss goes wrong")
    compute: ComputePlan = field(ComputePlan(), "on what, and how exactly")
    layout: LayoutPlan = field(LayoutPlan(), "on how many processes, and what each of them holds")
    start_from: str = field(
        "", "model folder or checkpoint whose weights to begin with; empty: fresh ones"
    )
    tracking: Literal["off", "offline", "online"] = field(
        "offline", "Weights & Biases beside the run's own record"
    )
    seed: int = field(0, "of starting weights, data order and dropout", ge=0, le=2**31 - 1)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.sequence_length > self.model.context_length:
            raise ValueError(
                f"data.sequence_length={self.sequence_length} exceeds "
                f"model.context_length={self.model.context_length}"
            )
        return self

    @model_validator(mode="after")
    def _predicts_what_is_hidden(self) -> Self:
        if self.model.mask == "full":
            raise ValueError(
                "model.mask=full lets a token see the next one, which it is trained to predict; "
                "give model.mask=causal"
            )
        return self

    @model_validator(mode="after")
    def _is_shared_equally(self) -> Self:
        data, layout = self.data, self.layout
        if data.batch_size % layout.data_parallel:
            raise ValueError(
                f"layout.data_parallel={layout.data_parallel} must divide "
                f"data.batch_size={data.batch_size}; try data.batch_size="
                f"{_next_multiple(data.batch_size, layout.data_parallel)}"
            )
        if data.batch_size % (self.micro_batch * layout.data_parallel):
            raise ValueError(
                f"data.micro_batch={data.micro_batch} x layout.data_parallel="
                f"{layout.data_parallel} must divide data.batch_size={data.batch_size}; try "
                f"data.batch_size="
                f"{_next_multiple(data.batch_size, self.micro_batch * layout.data_parallel)}"
            )
        return self

    @model_validator(mode="after")
    def _can_be_cut(self) -> Self:
        """Keys and values of a single head are computed by every process of a group."""
        parts, model = self.layout.tensor_parallel, self.model
        if parts > 1 and model.dropout:
            raise ValueError(
                f"model.dropout={model.dropout:g} with layout.tensor_parallel={parts}: heads of "
                "different processes would drop alike; give model.dropout=0"
            )
        if parts > 1 and model.positions in ("alibi", "t5"):
            raise ValueError(
                f"model.positions={model.positions} with layout.tensor_parallel={parts}: the "
                "biases of heads are not cut here; give model.positions=rope, or "
                "layout.data_parallel instead"
            )
        if parts > 1 and model.qk_norm and model.qk_norm_span == "width":
            raise ValueError(
                f"model.qk_norm_span=width with layout.tensor_parallel={parts}: a mean over the "
                "heads of all processes is not taken here; give model.qk_norm_span=head, or "
                "layout.data_parallel instead"
            )
        if parts > 1 and model.num_experts:
            raise ValueError(
                f"model.num_experts={model.num_experts} with layout.tensor_parallel={parts}: "
                "experts are not cut here; give layout.data_parallel instead"
            )
        if parts > 1 and model.positions in ("shaw", "transformer_xl"):
            raise ValueError(
                f"model.positions={model.positions} with layout.tensor_parallel={parts}: keys by "
                "distance are not shared between processes here; give model.positions=rope, or "
                "layout.data_parallel instead"
            )
        cut = {"num_heads": model.num_heads, "d_ff": model.d_ff}
        if model.num_kv_heads > 1:
            cut["num_kv_heads"] = model.num_kv_heads
        for name, size in cut.items():
            if size % parts:
                raise ValueError(f"layout.tensor_parallel={parts} must divide model.{name}={size}")
        return self

    @model_validator(mode="after")
    def _has_a_scaler(self) -> Self:
        layout = self.layout
        is_sharded = layout.num_processes > 1 and layout.sharding == "full"
        if is_sharded and self.compute.precision == "fp16":
            raise ValueError("fp16 is not sharded here; give compute.precision=bf16 or fp32")
        return self

    @property
    def sequence_length(self) -> int:
        return self.data.sequence_length or self.model.context_length

    @property
    def micro_batch(self) -> int:
        return self.data.micro_batch or self.data.batch_size // self.layout.data_parallel

    @property
    def num_micro_batches(self) -> int:
        """Of a step, over all processes."""
        return self.data.batch_size // self.micro_batch

    @property
    def tokens_per_step(self) -> int:
        return self.data.batch_size * self.sequence_length

    @property
    def num_steps(self) -> int:
        """Those asked for, or whole steps that use the tokens up: the last one may pass them."""
        if self.budget.num_steps is not None:
            return self.budget.num_steps
        return math.ceil(self.budget.num_tokens / self.tokens_per_step)

    def inputs(self) -> dict[str, str]:
        """Content hashes of shards, tokenizer and the weights to start from.

        Raises:
            LabError: a folder is missing, or none is named.
        """
        data = self.data
        if not data.train or not data.validation or not data.tokenizer:
            raise LabError(
                "data.train, data.validation and data.tokenizer name no folders; notebook 20 "
                "writes them"
            )
        folders = [*data.train, data.validation, data.tokenizer]
        for folder in (artifacts.home() / name for name in folders):
            if not artifacts.exists(folder):
                raise LabError(
                    f"{folder}: no such shards or tokenizer; run notebooks/20, or set LABKIT_HOME "
                    "to the folder that has them"
                )
        if self.start_from:
            folder = artifacts.home() / self.start_from
            if not artifacts.exists(folder):
                raise LabError(
                    f"{folder}: no weights to start from; give start_from a model folder or the "
                    "folder step-... of a run's checkpoints"
                )
            folders.append(self.start_from)
        return {name: _content_hash(name) for name in folders}

    def learning_rate_ratio(self, step: int) -> float:
        """Share of the peak rate in step number `step`, counted from 0: at its middle."""
        size = self.tokens_per_step
        return learning_rate_ratio(self.schedule, (step + 0.5) * size, self.num_steps * size)

    @property
    def run_id(self) -> str:
        """Names the run's folder: the same plan on the same data is the same run."""
        return self.run_id_on(self.inputs())

    def run_id_on(self, inputs: Mapping[str, str]) -> str:
        """The same with the hashes of its data given, where the data itself is elsewhere.

        What may change while the run goes on counts as it is by default (`plan/amendments.py`).
        """
        return f"{slug(self.name)[:40]}-{hash_json([self.lasting.model_dump(), inputs])}"

    @property
    def lasting(self) -> TrainingPlan:
        """The plan with what may change while its run goes on as it is by default."""
        data: Any = self.model_dump()
        usual = leaves(TrainingPlan())
        kept = must_agree(usual)
        for dotted in usual:
            if dotted not in kept:
                *groups, leaf = dotted.split(".")
                target = data
                for group in groups:
                    target = target[group]
                target[leaf] = usual[dotted]
        return TrainingPlan.model_validate(data)


def _next_multiple(size: int, of: int) -> int:
    return -(-size // of) * of


def _content_hash(name: str) -> str:
    return artifacts.read_manifest(artifacts.home() / name, verify=False).content_hash
