"""What a job asks of Slurm, so that it fits the plan's layout: nodes x processes of a node.

A node is one task: torchrun, which starts a process for each GPU. What the user's header says
counts; where it cannot run the plan, it is refused with what to change.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeVar

from labkit.batch.slurm_config import SlurmConfig
from labkit.batch.slurm_header import Header
from labkit.core.config import ConfigError
from labkit.core.errors import LabError
from labkit.plan.layout import LayoutPlan
from labkit.plan.plan import TrainingPlan

T = TypeVar("T", int, str)
MOST_ON_ONE_NODE = 8
CPUS_PER_PROCESS = 8
TIME_LIMIT = "04:00:00"


@dataclass(frozen=True)
class Allocation:
    num_nodes: int
    processes_per_node: int
    cpus: tuple[str, str]
    """The option that gives a node's task its CPUs, and its value."""
    cpus_per_process: int
    time_limit: str
    is_requeued: bool


def allocate(plan: TrainingPlan, options: SlurmConfig, header: Header) -> Allocation:
    """Raises LabError: what was asked for, the header and the plan's layout cannot go together."""
    nodes, per_node = _nodes(plan, options, header)
    _refuse_other_tasks(header, nodes)
    cpus, cpus_per_process = _cpus(options, header, per_node)
    threads = plan.compute.num_threads or cpus_per_process
    if threads > cpus_per_process:
        raise LabError(
            f"compute.num_threads={threads}, but each of {per_node} processes of a node has "
            f"{cpus_per_process} CPUs; --set compute.num_threads={cpus_per_process}, or "
            f"--cpus-per-process {threads}"
        )
    return Allocation(
        num_nodes=nodes,
        processes_per_node=per_node,
        cpus=cpus,
        cpus_per_process=cpus_per_process,
        time_limit=_agreed("time-limit", options.time_limit, header.get("time")) or TIME_LIMIT,
        is_requeued=_is_requeued(header),
    )


def limit_seconds(time_limit: str) -> float:
    """Slurm's ways of writing it: 90 (minutes), 90:00, 1:30:00, 2-0, 2-12:30, 2-12:30:00.

    >>> limit_seconds("1-2:30")
    95400.0
    """
    if time_limit.upper() in ("INFINITE", "UNLIMITED", "-1", "0"):
        return float("inf")
    if not re.fullmatch(r"\d+(-\d+(:\d+){0,2}|(:\d+){0,2})", time_limit):
        raise LabError(
            f"--time={time_limit}: give minutes, hours:minutes:seconds, or days-hours:minutes"
        )
    days, dash, rest = time_limit.rpartition("-")
    parts = [int(part) for part in rest.split(":")]
    if dash:
        hours, minutes, seconds = [*parts, 0, 0][:3]
    elif len(parts) == 3:
        hours, minutes, seconds = parts
    else:
        hours, (minutes, seconds) = 0, [*parts, 0][:2]
    return float((int(days or 0) * 24 + hours) * 3600 + minutes * 60 + seconds)


def _nodes(plan: TrainingPlan, options: SlurmConfig, header: Header) -> tuple[int, int]:
    """(nodes, processes of each): given, or what the other one and the layout leave."""
    layout = plan.layout
    total = layout.num_processes
    asked = _agreed("nodes", options.num_nodes, _number("nodes", header.get("nodes")))
    per_node = options.processes_per_node
    if plan.compute.device == "cuda":
        per_node = _agreed("processes-per-node", per_node, _gpus_of_a_node(header, asked))
    if asked is None and per_node is None and total > MOST_ON_ONE_NODE:
        raise LabError(
            f"{total} processes: say on how many nodes, such as --nodes {_even_nodes(layout)}"
        )
    nodes = int(asked or (1 if per_node is None else max(1, total // per_node)))
    per_node = int(per_node or max(1, total // nodes))
    if nodes * per_node != total:
        raise LabError(
            f"{nodes} nodes x {per_node} processes are {nodes * per_node}, the plan's layout has "
            f"{total} (data_parallel={layout.data_parallel} x tensor_parallel="
            f"{layout.tensor_parallel}); change the nodes or GPUs"
            f"{_or_other_layout(plan, nodes * per_node)}"
        )
    if plan.compute.device == "cuda":
        _gpus_of_a_node(header, nodes)
    return nodes, per_node


def _even_nodes(layout: LayoutPlan) -> int:
    """The fewest that share the processes evenly, none with a part of a tensor-parallel group.

    >>> _even_nodes(LayoutPlan(data_parallel=28))
    4
    """
    fits = [
        nodes
        for nodes in range(1, layout.data_parallel + 1)
        if layout.data_parallel % nodes == 0 and layout.num_processes // nodes <= MOST_ON_ONE_NODE
    ]
    return min(fits, default=layout.data_parallel)


def _or_other_layout(plan: TrainingPlan, num_processes: int) -> str:
    """The layout that would fill these processes, where the plan's batch can be cut so."""
    groups, rest = divmod(num_processes, plan.layout.tensor_parallel)
    if rest:
        return ""
    try:
        plan.with_overrides({"layout.data_parallel": groups})
    except ConfigError:
        return ""
    return f", or --set layout.data_parallel={groups}"


def _gpus_of_a_node(header: Header, nodes: int | None) -> int | None:
    for name in ("gpus-per-node", "gpus-per-task"):
        if (value := header.get(name)) is not None:
            return _count(name, value)
    listed = [part for part in (header.get("gres") or "").split(",") if part.startswith("gpu")]
    if listed:
        return sum(_count("gres", part) for part in listed)
    total = header.get("gpus")
    if total is not None and (nodes or 1) > 1:
        raise LabError(
            f"header: --gpus={total} may be spread unevenly over {nodes} nodes; give "
            "--gpus-per-node"
        )
    return None if total is None else _count("gpus", total)


def _count(name: str, value: str) -> int:
    """4, h100:4, gpu:h100:4, or two kinds of them; a kind alone is one."""
    count = 0
    for part in value.split(","):
        number = part.partition("(")[0].rpartition(":")[2]
        count += int(number) if number.isdecimal() else 1
    if count < 1:
        raise LabError(f"header: --{name}={value} gives no GPU")
    return count


def _cpus(options: SlurmConfig, header: Header, per_node: int) -> tuple[tuple[str, str], int]:
    asked = options.cpus_per_process
    if (value := header.get("cpus-per-gpu")) is not None:
        found = _agreed("cpus-per-process", asked, _number("cpus-per-gpu", value))
        return ("cpus-per-gpu", value), int(found or 1)
    given = _number("cpus-per-task", header.get("cpus-per-task"))
    if given is None:
        each = asked or CPUS_PER_PROCESS
        return ("cpus-per-task", str(each * per_node)), each
    if given < per_node:
        raise LabError(
            f"header: --cpus-per-task={given} is for all {per_node} processes of a node; give "
            f"{per_node * (asked or CPUS_PER_PROCESS)}"
        )
    each = _agreed("cpus-per-process", asked, given // per_node)
    return ("cpus-per-task", str(given)), int(each or 1)


def _refuse_other_tasks(header: Header, nodes: int) -> None:
    """Nor several jobs in one: they would share the run's folder."""
    for name, allowed in (("ntasks-per-node", 1), ("ntasks", nodes)):
        if (given := _number(name, header.get(name))) not in (None, allowed):
            raise LabError(
                f"header: --{name}={given}: a node has one task, torchrun, which starts its "
                "processes; delete that line"
            )
    if header.get("array") is not None:
        raise LabError(
            f"header: --array={header.get('array')}: all its jobs would train the same run; "
            "delete that line, and write a script for each plan"
        )


def _is_requeued(header: Header) -> bool:
    last = [name for name, _ in header.options if name in ("requeue", "no-requeue")]
    return last[-1:] != ["no-requeue"]


def _number(name: str, value: str | None) -> int | None:
    if value is not None and not value.isdecimal():
        raise LabError(f"header: --{name}={value}: give one whole number")
    return None if value is None else int(value)


def _agreed(name: str, asked: T | None, in_header: T | None) -> T | None:
    if asked is not None and in_header is not None and asked != in_header:
        raise LabError(f"--{name} {asked}, but the header says {in_header}; give it once")
    return asked if in_header is None else in_header
