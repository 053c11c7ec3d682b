"""This process among those of a run: alone, or one of those that torchrun started.

Process r reads the samples of data rank r div tensor_parallel; its tensor rank is the rest. What
one process decides alone (files, clocks, requests) it shares, so that all do the same.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from labkit.core.errors import LabError
from labkit.plan.layout import LayoutPlan

DATA, TENSOR = "data_parallel", "tensor_parallel"
"""Dimensions of the grid of processes."""
Found = TypeVar("Found")


class DidNotMeet(LabError):
    """Said by whichever process it happens to: no other can know."""


class Processes:
    """`mesh` is None where each process holds all weights: alone, and under DDP."""

    def __init__(self, layout: LayoutPlan, rank: int = 0, mesh: DeviceMesh | None = None):
        self.layout, self.rank, self.mesh = layout, rank, mesh
        self.num = layout.num_processes
        self.data_rank, self.tensor_rank = divmod(rank, layout.tensor_parallel)

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def first(self, call: Callable[[], Found]) -> Found:
        """What the first process gets from it, on all of them; fails on all where it fails.

        Raises:
            LabError: on the others, saying what failed on the first.
        """
        if self.num == 1:
            return call()
        answer: list[Any] = [None, None]
        failure: Exception | None = None
        if self.is_first:
            try:
                answer[0] = call()
            except Exception as error:  # whatever it is, the others wait for an answer
                failure, answer[1] = error, str(error) or repr(error)
        dist.broadcast_object_list(answer)
        if failure is not None:
            raise failure
        if answer[1] is not None:
            raise LabError(answer[1])
        return answer[0]

    def each(self, call: Callable[[], None]) -> None:
        """Call it on every process; fails on all of them where it fails on one. It must not wait
        for other processes itself.

        Raises:
            LabError: naming the process, on those where it went well.
        """
        if self.num == 1:
            call()
            return
        failure: Exception | None = None
        try:
            call()
        except Exception as error:  # whatever it is, the others must not go on without this one
            failure = error
        reasons = self.from_all(None if failure is None else str(failure) or repr(failure))
        if failure is not None:
            raise failure
        for rank, reason in enumerate(reasons):
            if reason is not None:
                raise LabError(f"process {rank} of {self.num}: {reason}")

    def from_all(self, value: Found) -> list[Found]:
        """The value of each process, by rank."""
        if self.num == 1:
            return [value]
        found: list[Found | None] = [None] * self.num
        dist.all_gather_object(found, value)
        return cast(list[Found], found)

    def largest(self, number: int) -> int:
        return self._reduced(number, dist.ReduceOp.MAX)

    def sum_of_samples(self, number: int) -> int:
        """Over the data ranks: processes that share their samples count once."""
        return self._reduced(number if self.tensor_rank == 0 else 0, dist.ReduceOp.SUM)

    def _reduced(self, number: int, operation: dist.ReduceOp.RedOpType) -> int:
        if self.num == 1:
            return number
        found = torch.tensor(number)
        dist.all_reduce(found, operation)
        return int(found)


ALONE = Processes(LayoutPlan())


def join(layout: LayoutPlan, device: str) -> Processes:
    """Meet the other processes of the run; `device` as a plan has it.

    Raises:
        LabError: they are not as many as the layout has, or more than this machine's GPUs, or
            don't reach each other.
    """
    started = int(os.environ.get("WORLD_SIZE", "1")) if "TORCHELASTIC_RUN_ID" in os.environ else 1
    if started != layout.num_processes:
        raise LabError(
            f"the plan is for {layout.num_processes} processes (layout.data_parallel="
            f"{layout.data_parallel} x layout.tensor_parallel={layout.tensor_parallel}), started "
            f"were {started}; `labkit train` starts as many as the plan says, torchrun those of "
            "--nnodes x --nproc-per-node"
        )
    if started == 1:
        return ALONE
    is_on_gpus = device in ("auto", "cuda") and torch.cuda.is_available()
    if is_on_gpus:
        if num_local() > torch.cuda.device_count():
            raise LabError(
                f"{num_local()} processes for {torch.cuda.device_count()} GPUs on this machine; "
                "start one for each, or give compute.device=cpu"
            )
        torch.cuda.set_device(local_rank())
    if not dist.is_initialized():
        _meet("cpu:gloo,cuda:nccl" if is_on_gpus else "gloo", started)
    mesh = None
    if layout.sharding == "full":
        sizes = (layout.data_parallel, layout.tensor_parallel)
        kind = "cuda" if is_on_gpus else "cpu"
        mesh = init_device_mesh(kind, sizes, mesh_dim_names=(DATA, TENSOR))
    return Processes(layout, dist.get_rank(), mesh)


def _meet(backend: str, num: int) -> None:
    """torch speaks of stores, sockets and pairs; what is wrong is the network."""
    try:
        dist.init_process_group(backend)
    except RuntimeError as error:  # torch's own kinds are kinds of it
        found = str(error).splitlines()[0][:200]
        raise DidNotMeet(
            f"process {os.environ.get('RANK')} of {num} did not meet the others at "
            f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')} ({found}); see that "
            "all were started, that the port is free and open, and that each machine's name leads "
            "to the network they share, or name that in GLOO_SOCKET_IFNAME and NCCL_SOCKET_IFNAME"
        ) from error


def leave() -> None:
    """Wait for the others and part: one that ends before them takes down connections in use."""
    if dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()


def local_rank() -> int:
    return int(os.environ.get("LOCAL_RANK", "0"))


def num_local() -> int:
    """Processes of the run on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
