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
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed.device_mesh import init_device_mesh

from labkit.core.errors import LabError
from labkit.cost.memory import PARTS
from labkit.model import experts
from labkit.model.transformer import Transformer
from labkit.plan.plan import TrainingPlan
from labkit.training.dry_run.allocator import reserved_bytes
from labkit.training.dry_run.gpu_kernels import kernels_of_a_gpu
from labkit.training.dry_run.storages import StorageLog, from_then_on, peak
from labkit.training.next_token import blank_batch, next_token_loss
from labkit.training.objective import Loss, LossFunction, StepBatch
from labkit.training.sharding.apply_layout import shard
from labkit.training.sharding.processes import DATA, TENSOR, Processes
from labkit.training.state import TrainingState
from labkit.training.step import train_step

TIMEOUT_SECONDS = 900
FUSED_ATTENTION = "aten._scaled_dot_product_flash_attention_for_cpu.default"


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


def measure(
    plan: TrainingPlan,
    loss_of: LossFunction = next_token_loss,
    make_batch: Callable[[TrainingPlan, int], StepBatch] = blank_batch,
) -> DryRun:
    """In this process; `make_batch` gives a step of so many micro-batches without data.

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
        stack.enter_context(experts_used_alike())
        stack.enter_context(FakeTensorMode(allow_non_fake_inputs=True))
        model.to_empty(device="cpu")
        if plan.model.tie_embeddings:
            model.head.weight = model.embedding.weight
        log = stack.enter_context(StorageLog(_logit_counts(plan)))
        log.mark(list(model.parameters()), "weights")
        steps = _Steps(TrainingState(plan, model, processes), log, loss_of, make_batch)
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


@contextmanager
def experts_used_alike() -> Iterator[None]:
    """Each expert gets equally many tokens, since without data none is chosen."""
    before = experts.split_sizes

    def alike(loads_E: torch.Tensor, num_copies: int) -> list[int]:
        each, more = divmod(num_copies, len(loads_E))
        return [each + (expert < more) for expert in range(len(loads_E))]

    experts.split_sizes = alike
    try:
        yield
    finally:
        experts.split_sizes = before


class _Steps:
    """Steps of training on batches without data, with what is known of tensors told to the log."""

    def __init__(
        self,
        state: TrainingState,
        log: StorageLog,
        loss_of: LossFunction,
        make_batch: Callable[[TrainingPlan, int], StepBatch],
    ):
        self.state, self.log, self.loss_of = state, log, loss_of
        plan, processes = state.plan, state.processes
        num_own = plan.num_micro_batches // plan.layout.data_parallel
        self.batch = make_batch(plan, min(num_own, 2))  # a third micro-batch adds nothing
        self.buckets: torch.Tensor | None = None
        if processes.mesh is None and processes.num > 1:
            self.buckets = torch.zeros(sum(weight.numel() for weight in state.model.parameters()))
            log.mark(self.buckets, "gradients")
        state.optimizer.register_step_pre_hook(lambda *_: self._enter("optimizer"))

    def take(self) -> None:
        self._enter("activations")
        train_step(self.state, self.batch, self._loss, backward=self._backward)
        self.log.mark(list(self.state.optimizer.state.values()), "optimizer")

    def _loss(self, model: nn.Module, micro_batch: Any) -> Loss:
        if self.buckets is not None:
            self._lay_gradients_in(self.buckets)
        return self.loss_of(model, micro_batch)

    def _backward(self, loss: torch.Tensor) -> None:
        self._enter("workspace")
        loss.backward()
        self.log.mark([weight.grad for weight in self.state.model.parameters()], "gradients")
        self._enter("activations")

    def _lay_gradients_in(self, buckets: torch.Tensor) -> None:
        """DDP's are views of the buckets that it sends, and stay."""
        weights = list(self.state.model.parameters())
        views = buckets.split([weight.numel() for weight in weights])
        for weight, view in zip(weights, views, strict=True):
            weight.grad = view.view_as(weight)

    def _enter(self, phase: str) -> None:
        self.log.phase = phase


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
