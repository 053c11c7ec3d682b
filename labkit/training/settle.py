"""What a plan leaves open, settled by looking and measuring, so that it stands in the hash.

Which attention kernel and how many CPU threads are faster depends on shape, precision and
processor: in fp32 torch's fused kernel wins, in bf16 at short context the written-out one (by 1.7
on a CPU with AMX). One block is timed both ways; the answer is kept, so that the same plan on the
same machine stays the same plan.
"""

from __future__ import annotations

import itertools
import json
import platform
import time

import torch

from labkit.core import artifacts, disk
from labkit.core.canonical_json import hash_json
from labkit.core.config import validate
from labkit.core.errors import LabError
from labkit.core.machine import num_cores
from labkit.model.attention import KERNELS
from labkit.model.block import Block
from labkit.model.reading import Sight
from labkit.model.rope import rope_tables
from labkit.plan.parts import ComputePlan
from labkit.plan.plan import TrainingPlan
from labkit.training.device import DeviceFacts, choose_device, find_device_facts

NUM_ROUNDS = 5


def settle(plan: TrainingPlan, facts: DeviceFacts | None = None) -> TrainingPlan:
    """The plan with nothing left to look up or measure; one that is settled comes back as it is.

    Raises:
        LabError: the device or precision asked for cannot be had here.
    """
    compute = choose_device(plan.compute, facts or find_device_facts())
    if compute.device != "cpu":
        kernel = "fused" if compute.attention == "auto" else compute.attention
        found = {"attention": kernel, "num_threads": compute.num_threads or _share_of_cores(plan)}
    else:
        found = _measured(plan, compute)
    if compute.device == "mps" and plan.layout.num_processes > 1:
        raise LabError("an Apple GPU is not shared by processes; give compute.device=cpu")
    settled = compute.model_copy(update=found)
    return validate(TrainingPlan, plan.model_dump() | {"compute": settled.model_dump()})


def _measured(plan: TrainingPlan, compute: ComputePlan) -> dict[str, str | int]:
    kernels = [*KERNELS] if compute.attention == "auto" else [compute.attention]
    cores = _share_of_cores(plan)
    threads = [compute.num_threads] if compute.num_threads else sorted({1, cores})
    if len(kernels) == len(threads) == 1:
        return {"attention": kernels[0], "num_threads": threads[0]}
    shape = [plan.model.model_dump(), plan.micro_batch, plan.sequence_length, compute.precision]
    machine = [platform.node(), platform.processor(), cores, torch.__version__]
    path = artifacts.home() / "measured" / f"{hash_json([shape, machine, kernels, threads])}.json"
    if not path.is_file():
        disk.write_json(path, _fastest(plan, compute.precision, kernels, threads))
    return json.loads(path.read_bytes())


def _share_of_cores(plan: TrainingPlan) -> int:
    """As if all processes were on this machine: a plan for several says how many threads."""
    return max(num_cores() // plan.layout.num_processes, 1)


def _fastest(
    plan: TrainingPlan, precision: str, kernels: list[str], threads: list[int]
) -> dict[str, str | int]:
    """The best of `NUM_ROUNDS`, the candidates taking turns."""
    before = torch.get_num_threads()
    random = torch.get_rng_state()
    seconds: dict[tuple[str, int], float] = {}
    try:
        blocks = {kernel: Block(plan.model, kernel) for kernel in kernels}
        for _ in range(NUM_ROUNDS + 1):
            for kernel, num_threads in itertools.product(kernels, threads):
                torch.set_num_threads(num_threads)
                taken = _time_block(blocks[kernel], plan, precision)
                seconds[kernel, num_threads] = min(
                    taken, seconds.get((kernel, num_threads), float("inf"))
                )
    finally:
        torch.set_num_threads(before)
        torch.set_rng_state(random)
    kernel, num_threads = min(seconds, key=lambda choice: seconds[choice])
    return {"attention": kernel, "num_threads": num_threads}


def _time_block(block: Block, plan: TrainingPlan, precision: str) -> float:
    model, length = plan.model, plan.sequence_length
    x_BTD = torch.randn(plan.micro_batch, length, model.d_model, requires_grad=True)
    rotations = None
    if model.positions == "rope":
        rotations = rope_tables(model, length, model.rope_theta)
    view = (Sight(is_causal=True), rotations)
    start = time.perf_counter()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
        result = block(x_BTD, view)
    result.float().sum().backward()
    return time.perf_counter() - start
