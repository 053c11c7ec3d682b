"""A plan as a Slurm job: one script that trains, pauses before its time is up, and starts again.

Nothing is left open that two nodes could settle in two ways: that would be another run.
"""

from __future__ import annotations

import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from labkit.batch import slurm_body
from labkit.batch.lead_time import LeadTime, recommend_lead_time
from labkit.batch.slurm_allocation import Allocation, allocate, limit_seconds
from labkit.batch.slurm_config import SlurmConfig
from labkit.batch.slurm_header import Header, merge_directives, read_header
from labkit.core import artifacts
from labkit.core.disk import save_file, slug
from labkit.core.errors import LabError
from labkit.core.records.run import RunRecord, runs_folder
from labkit.plan.plan import TrainingPlan


@dataclass(frozen=True)
class SlurmJob:
    plan: TrainingPlan
    """Settled: what the run's folder is named by."""
    summary: tuple[str, ...]
    script: str

    @property
    def record(self) -> RunRecord:
        return RunRecord(runs_folder() / self.plan.run_id)


def prepare_job(plan: TrainingPlan, options: SlurmConfig, path: Path) -> SlurmJob:
    """Write the script, and the settled plan into its run's folder, which the script names.

    Raises:
        LabError: as `make_job`, or a file cannot be written.
    """
    job = make_job(plan, options)
    if not job.record.is_there:
        job.record.write("plan", job.plan.model_dump(mode="json"))
        job.record.set_status("waiting", 0)
    save_file(path, job.script.encode())
    return job


def make_job(plan: TrainingPlan, options: SlurmConfig) -> SlurmJob:
    """The settled plan and the text of its job.

    Raises:
        LabError: the plan leaves something open, its data isn't here, the header cannot be read,
            or header, options and the plan's layout cannot go together.
    """
    _refuse_open(plan)
    header = read_header(Path(options.header)) if options.header else Header()
    allocation = allocate(plan, options, header)
    settled = _settle(plan, allocation)
    lead = _lead_time(settled, options, header, allocation)
    nodes, processes = allocation.num_nodes, allocation.processes_per_node
    summary = (
        f"run {settled.run_id}",
        f"{nodes} node{'s' * (nodes > 1)} x {processes} process{'es' * (processes > 1)}, "
        f"{settled.compute.device} in {settled.compute.precision}, "
        f"time limit {allocation.time_limit}",
        f"told {lead.seconds} s before its time is up: {lead.source}",
    )
    directives = merge_directives(header, _directives(settled, options, allocation, lead))
    lines = [
        header.shebang,
        "# Written by labkit slurm",
        *(f"# {line}" for line in summary),
        *directives,
        *header.commands,
    ]
    body = _body(settled, options, allocation, lead)
    return SlurmJob(settled, summary, "\n".join(lines) + "\n" + body)


def _refuse_open(plan: TrainingPlan) -> None:
    """Threads aren't among them: those are the CPUs that the job asks for."""
    compute = plan.compute
    if compute.device not in ("cpu", "cuda"):
        raise LabError(
            f"compute.device={compute.device}: each node would settle it in its own way; "
            "--set compute.device=cuda (or cpu)"
        )
    if compute.precision == "auto":
        raise LabError(
            "compute.precision=auto: each node would settle it in its own way; "
            "--set compute.precision=bf16 (fp16 on GPUs before compute capability 8.0)"
        )
    if compute.device == "cpu" and compute.attention == "auto":
        raise LabError(
            "compute.attention=auto: each node would measure it anew; "
            "--set compute.attention=fused (or written_out)"
        )


def _settle(plan: TrainingPlan, allocation: Allocation) -> TrainingPlan:
    """As `training.settle` would on a node of this job, but without looking at one."""
    compute = plan.compute
    found = {
        "attention": "fused" if compute.attention == "auto" else compute.attention,
        "num_threads": compute.num_threads or allocation.cpus_per_process,
    }
    return plan.model_copy(update={"compute": compute.model_copy(update=found)})


def _lead_time(
    plan: TrainingPlan, options: SlurmConfig, header: Header, allocation: Allocation
) -> LeadTime:
    recommended = recommend_lead_time(plan, allocation.num_nodes)
    recommendation = f"recommended: {recommended.seconds} s = {recommended.source}"
    lead = recommended
    if (given := header.get("signal")) is not None:
        found = re.fullmatch(r"R?B:(?:SIG)?(?:USR1|10)(?:@(\d+))?", given)
        if found is None or options.lead_seconds is not None:
            raise LabError(
                f"header: --signal={given}: the batch shell must be told, by USR1 and once; delete "
                f"that line, or write #SBATCH --signal=B:USR1@{recommended.seconds}"
            )
        lead = LeadTime(int(found[1] or 60), f"as the header says; {recommendation}")
    elif options.lead_seconds is not None:
        lead = LeadTime(options.lead_seconds, f"as given; {recommendation}")
    if limit_seconds(allocation.time_limit) <= lead.seconds:
        raise LabError(
            f"--time={allocation.time_limit} is all within the {lead.seconds} s that the job is "
            "told before its end; give it more time, or fewer --lead-seconds"
        )
    return lead


def _directives(
    plan: TrainingPlan, options: SlurmConfig, allocation: Allocation, lead: LeadTime
) -> dict[str, str]:
    found = {
        "job-name": slug(plan.name)[:40],
        "nodes": str(allocation.num_nodes),
        "ntasks-per-node": "1",
        allocation.cpus[0]: allocation.cpus[1],
        "time": allocation.time_limit,
        "signal": f"B:USR1@{lead.seconds}",
        "requeue": "",
        "open-mode": "append",
    }
    if plan.compute.device == "cuda":
        found["gpus-per-node"] = str(allocation.processes_per_node)
    if options.memory:
        if not re.fullmatch(r"\d+[KMGT]?", options.memory):
            raise LabError(f"memory={options.memory!r}: give a number and K, M, G or T, as 200G")
        found["mem"] = options.memory
    return found


def _body(plan: TrainingPlan, options: SlurmConfig, allocation: Allocation, lead: LeadTime) -> str:
    home = artifacts.home().absolute()
    python = options.python or sys.executable
    nodes, processes = allocation.num_nodes, allocation.processes_per_node
    rendezvous = slurm_body.ONE_NODE if nodes == 1 else slurm_body.SEVERAL_NODES
    template = slurm_body.VALUES + rendezvous + slurm_body.COMMANDS
    text = template.format(
        home=shlex.quote(str(home)),
        folder=shlex.quote(str(home / "runs" / plan.run_id)),
        python=shlex.quote(python),
        threads=plan.compute.num_threads,
        lead=lead.seconds,
        nodes=nodes,
        processes=processes,
        cpus_option=allocation.cpus[0],
        cpus=allocation.cpus[1],
        on_time_limit="late=yes; ask" if allocation.is_requeued else "ask",
    )
    return text + (slurm_body.AGAIN if allocation.is_requeued else "") + "exit $status\n"
