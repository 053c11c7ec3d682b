"""Slurm's commands as a job script calls them, on this machine: `scontrol` only writes down."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

SECONDS = 120
JOB_ID = str(os.getpid())
"""The port where nodes meet follows from it: tests at the same time have their own."""
PROGRAMS = {
    "srun": """
nodes=1
while [ "${1#--}" != "$1" ]; do
  case $1 in --nodes=*) nodes=${1#--nodes=} ;; esac
  echo "$1" >> srun.options
  shift
done
for node in $(seq $nodes); do
  "$@" & started="$started $!"
done
trap 'kill -TERM $started' TERM
status=0
for one in $started; do
  while kill -0 $one 2>/dev/null; do wait $one; done
  wait $one || status=$?
done
exit $status
""",
    "scontrol": """
if [ "$1" = show ]; then echo localhost; else echo "$@" >> requeued; fi
""",
}


class FalseSlurm:
    def __init__(self, folder: Path):
        """`folder` is where jobs are submitted."""
        self.folder = folder
        self.programs = folder / "programs"
        self.programs.mkdir(parents=True)
        for name, text in PROGRAMS.items():
            (self.programs / name).write_text(f"#!/bin/bash{text}")
            (self.programs / name).chmod(0o755)

    def submit(self, script: Path, **variables: str) -> subprocess.Popen[bytes]:
        path = f"{self.programs}:{os.environ['PATH']}"
        slurm = {
            "PATH": path,
            "SLURM_JOB_ID": JOB_ID,
            "SLURM_JOB_NODELIST": "n",
            "SLURM_NTASKS": "1",
        }
        environment = os.environ | slurm | variables
        with (self.folder / "out").open("ab") as out:
            return subprocess.Popen(
                ["bash", str(script)],
                cwd=self.folder,
                env=environment,
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    @property
    def output(self) -> str:
        return (self.folder / "out").read_text()

    @property
    def requeued(self) -> list[str]:
        path = self.folder / "requeued"
        return path.read_text().splitlines() if path.exists() else []


def wait_until(is_so: Callable[[], bool], job: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + SECONDS
    while not is_so():
        assert job.poll() is None, "the job ended first"
        assert time.monotonic() < deadline
        time.sleep(0.1)
