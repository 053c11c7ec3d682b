"""Does it fit? Memory before a run starts, disk before a checkpoint is written."""

from __future__ import annotations

from pathlib import Path

import psutil
import torch

from labkit.core import disk
from labkit.core.errors import LabError
from labkit.core.machine import GIB
from labkit.cost.memory import training_memory
from labkit.cost.plan_cost import memory_config
from labkit.plan.plan import TrainingPlan

ROOM_FOR_A_CHECKPOINT = 1.1
"""Times its bytes: it is written beside those that are there."""


def refuse_too_large(plan: TrainingPlan, num_local: int) -> None:
    """Compare the closed form of a process's memory with what its device has in all.

    Raises:
        LabError: it cannot fit.
    """
    num = plan.layout.num_processes
    parts = training_memory(plan.model, memory_config(plan), plan.sequence_length, num)
    needed, there = sum(parts.values()), _memory_of_a_process(plan.compute.device, num_local)
    if needed <= there:
        return
    largest = max(parts, key=parts.__getitem__)
    raise LabError(
        f"the plan takes {needed / GIB:.1f} GiB of memory in each process, of which there are "
        f"{there / GIB:.1f}; most of it is {largest}, {parts[largest] / GIB:.1f} GiB. Give "
        "data.micro_batch less, layout.recompute=full or more processes; --force starts it all "
        "the same"
    )


def refuse_without_room(folder: Path, num_bytes: int) -> None:
    """Raises LabError where a checkpoint of so many bytes has no room beside `folder`."""
    needed, free = round(ROOM_FOR_A_CHECKPOINT * num_bytes), disk.free_bytes(folder.parent)
    if free < needed:
        raise LabError(
            f"no room for checkpoint {folder.name}: it needs {needed:,} bytes, {free:,} are free "
            f"at {folder.parent}; make room and start the same plan again: it goes on from the "
            "checkpoint before"
        )


def _memory_of_a_process(device: str, num_local: int) -> float:
    """Bytes; processes of one machine share its memory where they have no GPUs."""
    if device == "cuda":
        return torch.cuda.mem_get_info()[1]
    return psutil.virtual_memory().total / max(num_local, 1)
