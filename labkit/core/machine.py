"""What this process may use of the machine."""

from __future__ import annotations

import os
from pathlib import Path

import psutil

CGROUP = Path("/sys/fs/cgroup")


def num_cores() -> int:
    """Fewer than there are inside a batch system's job."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


GIB = 1 << 30
"""The unit in which drivers and makers count the memory of a GPU; bytes."""


def free_memory_bytes() -> int:
    """What may still be taken: free and reclaimable, within the container's limit if it has one."""
    return min(psutil.virtual_memory().available, _left_in_container())


def _left_in_container() -> int:
    """Control groups v2; file pages that nobody uses count as free."""
    try:
        limit = int((CGROUP / "memory.max").read_text())
        used = int((CGROUP / "memory.current").read_text())
        stat = (CGROUP / "memory.stat").read_text().splitlines()
        unused = next(int(line.split()[1]) for line in stat if line.startswith("inactive_file "))
    except (OSError, ValueError, StopIteration):  # no such limit: "max", or another system
        return 1 << 62
    return max(limit - used + unused, 0)
