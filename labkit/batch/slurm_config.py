"""What a user may say of a Slurm job; the rest follows from the plan and the header."""

from __future__ import annotations

from labkit.core.config import Config, field


class SlurmConfig(Config):
    num_nodes: int | None = field(
        None, "empty: the header's, or what the processes of a node leave", ge=1, le=1 << 16
    )
    processes_per_node: int | None = field(
        None, "one for each GPU; empty: the plan's layout over the nodes", ge=1, le=64
    )
    time_limit: str | None = field(None, "of one start, as Slurm writes it; empty: 04:00:00")
    cpus_per_process: int | None = field(None, "empty: 8", ge=1, le=1024)
    memory: str | None = field(None, "of a node, such as 200G; empty: the cluster's default")
    lead_seconds: int | None = field(
        None,
        "before the time limit, to pause in; empty: from measured saves",
        unit="s",
        ge=1,
        le=65535,
    )
    header: str | None = field(
        None, "your file of #SBATCH lines, module load, export; its options win"
    )
    python: str | None = field(None, "on the nodes; empty: the one that writes the script")
