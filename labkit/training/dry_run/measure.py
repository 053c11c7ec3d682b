"""Two steps of the real model, sharded by its plan, on tensors without data: peak memory by part.

Runs under torch's FakeTensorMode in a group of processes that aren't there, so that a cluster's
plan is tried on a laptop. Forward, backward, the adding up of gradients, FSDP2's gathering and
reducing and the optimizer's step are those of training; counted is from the second step on, when
the optimizer has its states (and DTensor no longer works out its sharding on whole tensors).

Where a CPU's kernels keep other tensors than a GPU's, the GPU's are put in their place
(`gpu_kernels.py`). Left out: kernels' workspace, what CUDA and NCCL take for themselves (0.5 to
2 GB), and `compile_blocks`, which is ignored.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule

from labkit.core.errors import LabError
from labkit.cost.memory import PARTS
from labkit.model.objective import next_token_nats
from labkit.model.transformer import Transformer
from labkit.plan.plan import TrainingPlan
from labkit.training.dry_run.allocator import reserved_bytes
from labkit.training.dry_run.gpu_kernels import kernels_of_a_gpu
from labkit.training.dry_run.storages import StorageLog, from_then_on, peak
from labkit.training.optimizers.groups import make_optimizer, parameter_groups
from labkit.training.sharding.apply_layout import shard
from labkit.training.sharding.processes import DATA, TENSOR, Processes

TIMEOUT_SECONDS = 900
FUSED_ATTENTION = "aten._scaled_dot_product_flash_attention_for_cpu.default"
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class DryRun:
    """Of one process. `parts` sum to `peak_bytes`, which is what tensors take; `reserved_bytes` is
    what torch's allocator holds for them, also with its setting `expandable_segments`."""

    peak_bytes: int
    parts: dict[str, int]
    reserved_bytes: int
    reserved_expandable_bytes: int
    seconds: float
    ignored: tuple[str, ...]


def dry_run(plan: TrainingPlan) -> DryRun:
    """In a process of its own: one that has joined a real group can join no other.

    The plan needs no data. What it leaves open is taken as on a GPU: bf16, fused attention.

    Raises:
        LabError: torch can't run it so, or not in `TIMEOUT_SECONDS`.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plan.json"
        path.write_text(plan.model_dump_json(), "utf-8")
        try:
            done = subprocess.run(
                [sys.executable, "-m", "labkit.training.dry_run", str(path), "--json"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=TIMEOUT_SECONDS,
            )
        except subprocess.TimeoutExpired as error:
            raise LabError(
                f"dry run: not done after {TIMEOUT_SECONDS} s; "
                "`python -m labkit.training.dry_run plan.json` takes the time it needs"
            ) from error
    if done.returncode:
        raise LabError(
            f"dry run: {(done.stderr.strip() or 'ended without a word').splitlines()[-1]}"
        )
    found = json.loads(done.stdout.splitlines()[-1])
    return DryRun(**found | {"ignored": tuple(found["ignored"])})


def measure(plan: TrainingPlan) -> DryRun:
    """In this process.

    Raises:
        LabError: it belongs to a group of processes already.
    """
    if dist.is_initialized():
        raise LabError("this process trains with others; call dry_run, which starts one of its own")
    start = time.perf_counter()
    ignored = ("compile_blocks",) if plan.layout.compile_blocks else ()
    plan = _settled(plan)
    with _group(plan) as processes, kernels_of_a_gpu(), ExitStack() as stack:
        with torch.device("meta"):
            model = Transformer(plan.model, kernel=plan.compute.attention)
        shard(model, plan, processes.mesh)
        stack.enter_context(FakeTensorMode(allow_non_fake_inputs=True))
        model.to_empty(device="cpu")
        if plan.model.tie_embeddings:
            model.head.weight = model.embedding.weight
        log = stack.enter_context(StorageLog(_logit_counts(plan)))
        log.mark(list(model.parameters()), "weights")
        steps = _Steps(plan, model, processes, log)
        steps.take()
        start_of_second = len(log.changes)
        steps.take()
    _refuse_stored_scores(plan, log)
    changes = from_then_on(log.changes, start_of_second)
    parts = peak(changes)
    return DryRun(
        sum(parts.values()),
        {part: parts.get(part, 0) for part in PARTS},
        reserved_bytes(changes),
        reserved_bytes(changes, expandable_segments=True),
        time.perf_counter() - start,
        ignored,
    )


class _Steps:
    """What Lightning does with the plan, in its order."""

    def __init__(
        self,
        plan: TrainingPlan,
        model: Transformer,
        processes: Processes,
        log: StorageLog,
    ):
        self.plan, self.model, self.log = plan, model, log
        self.is_sharded = processes.mesh is not None
        groups = parameter_groups(model, plan.optimizer)
        dtype = DTYPES.get(plan.compute.precision, torch.float32)
        self.optimizer = make_optimizer(groups, plan.optimizer, dtype, processes)
        self.ids_BT = torch.zeros(plan.micro_batch, plan.sequence_length, dtype=torch.long)
        self.buckets: torch.Tensor | None = None
        if processes.mesh is None and processes.num > 1:
            self.buckets = torch.zeros(sum(weight.numel() for weight in model.parameters()))
            log.mark(self.buckets, "gradients")

    def take(self) -> None:
        num_own = self.plan.num_micro_batches // self.plan.layout.data_parallel
        for number in range(min(num_own, 2)):  # a third adds nothing
            self._micro_batch(number == 0, number == min(num_own, 2) - 1)
        self.log.phase = "optimizer"
        self.optimizer.step()
        self.log.mark(list(self.optimizer.state.values()), "optimizer")

    def _micro_batch(self, is_first: bool, is_last: bool) -> None:
        if isinstance(self.model, FSDPModule):
            every = self.plan.layout.reduce_every_micro_batch
            self.model.set_requires_gradient_sync(every or is_last)
        if is_first:
            self._drop_gradients()
        self.log.phase = "activations"
        with self._precision():
            loss = next_token_nats(self.model(self.ids_BT), self.ids_BT).sum()
        self.log.phase = "workspace"
        loss.backward()
        self.log.mark([weight.grad for weight in self.model.parameters()], "gradients")

    def _drop_gradients(self) -> None:
        """DDP's are views of the buckets that it sends, and stay."""
        self.optimizer.zero_grad()
        if self.buckets is not None:
            weights = list(self.model.parameters())
            views = self.buckets.split([weight.numel() for weight in weights])
            for weight, view in zip(weights, views, strict=True):
                weight.grad = view.view_as(weight)

    def _precision(self) -> Any:
        """FSDP2 has a policy of its own, in place of autocast."""
        dtype = DTYPES.get(self.plan.compute.precision)
        if dtype is None or self.is_sharded:
            return nullcontext()
        return torch.autocast("cpu", dtype)


def _settled(plan: TrainingPlan) -> TrainingPlan:
    """As on a GPU."""
    compute, layout = plan.compute, plan.layout
    found = {
        "precision": "bf16" if compute.precision == "auto" else compute.precision,
        "attention": "fused" if compute.attention == "auto" else compute.attention,
    }
    return plan.model_copy(
        update={
            "compute": compute.model_copy(update=found),
            "layout": layout.model_copy(update={"compile_blocks": False}),
        }
    )


@contextmanager
def _group(plan: TrainingPlan) -> Iterator[Processes]:
    """The mesh is made of real tensors, hence before any are fake."""
    from torch.testing._internal.distributed.fake_pg import FakeStore

    layout = plan.layout
    if layout.num_processes == 1:
        yield Processes(layout)
        return
    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=layout.num_processes)
    mesh = None
    if layout.sharding == "full":
        sizes = (layout.data_parallel, layout.tensor_parallel)
        mesh = init_device_mesh("cpu", sizes, mesh_dim_names=(DATA, TENSOR))
    try:
        yield Processes(layout, 0, mesh)
    finally:
        dist.destroy_process_group()


def _logit_counts(plan: TrainingPlan) -> set[int]:
    whole = plan.micro_batch * plan.sequence_length * plan.model.vocab_size
    return {whole, whole // plan.layout.tensor_parallel}


def _refuse_stored_scores(plan: TrainingPlan, log: StorageLog) -> None:
    if plan.compute.attention == "fused" and not log.operators[FUSED_ATTENTION]:
        raise LabError(
            "torch took attention with stored scores where a GPU has a fused kernel, so the dry "
            "run would count too much; give compute.attention=written_out to count them"
        )
