"""A plan's layout applied to a model, in place and in the one order that works: matrices are cut
(tensor parallel), blocks recomputed, compiled, then everything sharded (FSDP2).

Tensor parallel (Megatron, Shoeybi et al. 2019): queries, keys, values, gate and up lose columns,
output and down lose rows, so that a process computes whole heads and one sum over processes ends
each part. Embedding and head are cut along the vocabulary. The residual stream, its norms and the
logits are whole on every process (no sequence parallelism).

A tied head stays the embedding. Blocks are groups of FSDP2; embedding, positions, final norm and
head are one more, whose gathered weights stay from the forward to the backward pass.
"""

# B batch, T time, H heads, K head dim

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, Replicate, distribute_module, distribute_tensor
from torch.distributed.tensor.parallel import (
    ColwiseParallel,
    ParallelStyle,
    RowwiseParallel,
    SequenceParallel,
    parallelize_module,
)
from torch.distributed.tensor.placement_types import Partial
from torch.utils.checkpoint import (
    CheckpointPolicy,
    checkpoint,
    create_selective_checkpoint_contexts,
)

from labkit.core.errors import LabError
from labkit.model.transformer import Transformer
from labkit.model.weights import Cut, all_weights, block_weights
from labkit.plan.layout import LayoutPlan
from labkit.plan.plan import TrainingPlan
from labkit.training.sharding.pieces import local
from labkit.training.sharding.processes import DATA, TENSOR

LARGEST_SHARE = 1.02
"""Of the share of parameters that a process should hold: norms and uneven cuts take a little."""


def shard(model: Transformer, plan: TrainingPlan, mesh: DeviceMesh | None) -> None:
    """`mesh` has the dimensions `data_parallel` and `tensor_parallel`; None leaves weights whole.

    Weights may lie on the meta device.

    Raises:
        LabError: a process would hold more than its share.
    """
    layout = plan.layout
    if mesh is not None and layout.tensor_parallel > 1:
        _cut(model, mesh[TENSOR])
    for block in model.blocks:
        _prepare(block, layout)
    if mesh is not None:
        _fully_shard(model, plan, mesh[DATA])
        _check(model, layout)


def release_gathered(model: nn.Module) -> None:
    """Let go of weights that a pass without a backward pass has left gathered (FSDP2)."""
    if isinstance(model, FSDPModule):
        model.reshard()


def _cut(model: Transformer, mesh: DeviceMesh) -> None:
    styles: dict[str, ParallelStyle] = {
        "embedding": RowwiseParallel(input_layouts=Replicate()),
        "head": ColwiseParallel(output_layouts=Replicate()),
    }
    for weight in block_weights(model.config):
        if weight.cut in _STYLES and weight.name.endswith(".weight"):
            styles[f"blocks.*.{weight.module}"] = _STYLES[weight.cut]()
    parallelize_module(model, mesh, styles)
    if model.config.tie_embeddings:
        model.head.weight = model.embedding.weight


class _Whole(ParallelStyle):
    """The one key and value head: computed by all, its gradient summed over their queries."""

    def _apply(self, module: nn.Module, device_mesh: DeviceMesh) -> nn.Module:
        def replicate(_name: str, module: nn.Module, mesh: DeviceMesh) -> None:
            for name, weight in list(module.named_parameters(recurse=False)):
                whole = distribute_tensor(weight, mesh, [Replicate()], src_data_rank=None)
                module.register_parameter(name, nn.Parameter(whole))

        def take(_module: nn.Module, inputs: Any, mesh: DeviceMesh) -> Any:
            return DTensor.from_local(inputs[0], mesh, [Replicate()], run_check=False)

        def give(_module: nn.Module, output: Any, _mesh: DeviceMesh) -> torch.Tensor:
            return output.to_local(grad_placements=[Partial()])

        return distribute_module(module, device_mesh, replicate, take, give)  # pyright: ignore


_STYLES: dict[Cut, Callable[[], ParallelStyle]] = {
    "columns": ColwiseParallel,
    "rows": RowwiseParallel,
    "repeated": _Whole,
    "heads": lambda: SequenceParallel(sequence_dim=2, use_local_output=True),  # (B, T, H, K)
}


def _prepare(block: nn.Module, layout: LayoutPlan) -> None:
    """On the method, not by a wrapping module, so that parameters keep their names."""
    if layout.recompute == "none" and not layout.compile_blocks:
        return
    forward = block.forward
    if layout.recompute != "none":
        contexts = {"selective": {"context_fn": _keep_some}, "full": {}}[layout.recompute]
        forward = functools.partial(checkpoint, forward, use_reentrant=False, **contexts)
    if layout.compile_blocks:
        forward = torch.compile(forward)
    block.forward = forward


def _keep_some() -> Any:
    """Attention's results and every second matrix product are kept, as torchtitan does."""
    num_products = {False: 0, True: 0}

    def policy(context: Any, op: Any, *_: Any, **__: Any) -> CheckpointPolicy:
        if op in _PRODUCTS:
            num_products[context.is_recompute] += 1
            is_kept = num_products[context.is_recompute] % 2 == 1
        else:
            is_kept = op in _ATTENTION
        return CheckpointPolicy.MUST_SAVE if is_kept else CheckpointPolicy.PREFER_RECOMPUTE

    return create_selective_checkpoint_contexts(policy)


_aten = torch.ops.aten
_PRODUCTS = {_aten.mm.default, _aten.addmm.default}
_ATTENTION = {
    _aten._scaled_dot_product_flash_attention.default,
    _aten._scaled_dot_product_efficient_attention.default,
    _aten._scaled_dot_product_cudnn_attention.default,
    _aten._scaled_dot_product_flash_attention_for_cpu.default,
}


def _fully_shard(model: Transformer, plan: TrainingPlan, mesh: DeviceMesh) -> None:
    policy = MixedPrecisionPolicy()
    if plan.compute.precision == "bf16":
        policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
    for block in model.blocks:
        fully_shard(
            block,
            mesh=mesh,
            mp_policy=policy,
            reshard_after_forward=plan.layout.reshard_after_forward,
        )
    fully_shard(model, mesh=mesh, mp_policy=policy)
    assert isinstance(model, FSDPModule)


def _check(model: Transformer, layout: LayoutPlan) -> None:
    """A plan for names that match nothing would leave everything whole, without a word."""
    weights = {weight.name: weight for weight in all_weights(model.config)}
    if model.config.tie_embeddings and model.head.weight is not model.embedding.weight:
        raise LabError("the tied head came apart from the embedding while it was sharded")
    held = total = 0
    for name, parameter in model.named_parameters():
        total += weights[name].share(layout.tensor_parallel) / layout.data_parallel
        held += local(parameter).numel()
    if held > LARGEST_SHARE * total + _rounding(model, layout):
        raise LabError(
            f"a process holds {held:,} parameters where its share is {total:,.0f}; the layout "
            "did not reach all of the model"
        )


def _rounding(model: nn.Module, layout: LayoutPlan) -> int:
    """Where rows don't divide evenly a process holds one more of a matrix' rows."""
    rows = [math.prod(weight.shape[1:]) for weight in model.parameters()]
    return sum(rows) * (layout.num_processes > 1)
