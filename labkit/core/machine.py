"""What this process may use of the machine."""

from __future__ import annotations

import os


def num_cores() -> int:
    """Fewer than there are inside a batch system's job."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
