"""How the processes of a run share its work: data_parallel groups of tensor_parallel processes.

Each group reads samples of its own. What it holds of the model is either a copy (DDP, Li et al.
2020) or a share of weights, gradients and optimizer states (ZeRO-3, Rajbhandari et al. 2020; FSDP,
Zhao et al. 2023). Within a group each matrix is cut between its processes (Megatron, Shoeybi et al.
2019). There are no pipeline stages.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from labkit.core.config import Config, field


class LayoutPlan(Config):
    data_parallel: int = field(
        1, "groups of processes, each with samples of its own", ge=1, le=1 << 16, scale="log"
    )
    tensor_parallel: int = field(
        1, "processes of a group, which share each matrix; must divide heads and d_ff", ge=1, le=64
    )
    sharding: Literal["full", "none"] = field(
        "full", "full: a group holds its share of weights and states (FSDP2); none: a copy (DDP)"
    )
    reshard_after_forward: bool = field(
        True, "FSDP2: gather a block's weights again for its backward pass; else they stay (ZeRO-2)"
    )
    reduce_every_micro_batch: bool = field(
        True,
        "FSDP2: share out gradients after each micro-batch; else whole ones stay until the last",
    )
    recompute: Literal["none", "selective", "full"] = field(
        "none",
        "in the backward pass; selective: all but attention and every second product; "
        "full: whole blocks",
    )
    compile_blocks: bool = field(False, "torch.compile on each block: half a minute at the start")
    hang_seconds: float = field(
        300.0,
        "a step that takes longer, and 20 times the median step, ends the run",
        unit="seconds",
        gt=0,
        le=86400,
        added_later=True,
    )

    @property
    def num_processes(self) -> int:
        return self.data_parallel * self.tensor_parallel

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.sharding == "none" and self.tensor_parallel > 1:
            raise ValueError(
                f"tensor_parallel={self.tensor_parallel} cuts matrices, sharding=none copies "
                "them; use sharding=full"
            )
        return self
