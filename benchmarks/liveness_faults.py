"""What stands still or falls silent: a stopped process, W&B's process, a node that is gone, a disk.

    python benchmarks/liveness_faults.py [--hangs 10] [--leases 10] [--seed 0]

hang      one of two processes of a run is stopped (SIGSTOP) at a random moment: it must be named
          within a minute, and the run must end
tracking  W&B's process is killed at the start, in the middle and at the end: the run finishes with
          the result of an untracked one
lease     the lock of a node that is gone: refused while it is fresh, taken over when it has lapsed
          or the same Slurm job comes again
disk      the disk of a run is full (a file system of 3 MB where one can be mounted): it fails with
          needed and free bytes, and goes on when there is room

Prints one JSON line per trial and exits with 1 if any failed.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Trial = dict[str, Any]
NAMED_WITHIN = 60.0


def wait(holds: Callable[[], Any], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def hangs(data: Any, count: int, rng: random.Random) -> Iterator[Trial]:
    from labkit.training.launch import launch
    from labkit.training.watch import read_beats
    from tests.training.tiny import tiny_plan

    for number in range(count):
        layout = {"data_parallel": 2, "sharding": rng.choice(["none", "full"]), "hang_seconds": 0.5}
        run = launch(tiny_plan(data, 100_000, layout=layout, seed=number))
        steps = rng.randint(10, 400)
        wait(lambda run=run, steps=steps: len(run.record.rows("step")) > steps, 120)
        wait(lambda run=run: len(read_beats(run.record.folder)) == 2, 30)
        stopped = rng.choice(read_beats(run.record.folder))
        os.kill(stopped.pid, signal.SIGSTOP)
        began = time.monotonic()
        has_ended = wait(lambda run=run: run.status().state == "failed", NAMED_WITHIN)
        reason, seconds = run.status().reason, time.monotonic() - began
        is_named = f"It hangs: process {stopped.rank} " in reason
        wait(lambda pid=stopped.pid: not Path(f"/proc/{pid}").exists(), 30)
        yield {
            "fault": "hang",
            "trial": number,
            "ok": has_ended and is_named,
            "seconds": round(seconds, 1),
            "sharding": layout["sharding"],
        }


def trackings(data: Any, home: Path) -> Iterator[Trial]:
    from labkit.core.records.run import RunRecord
    from labkit.training.recording import tracking
    from labkit.training.run import run
    from tests.training.tiny import tiny_plan

    plan = tiny_plan(data, 200)
    run(plan, home / "untracked", say=lambda _: None, step_seconds=[0.01])
    expected = (home / "untracked" / "result.json").read_bytes()
    healthy = tracking.Tracker.log_step
    for moment, step in {"start": 1, "middle": 100, "end": 200}.items():

        def log_step(self: Any, row: Any, step: int = step) -> None:
            if row["step"] == step and self._process is not None:
                self._process.kill()
            healthy(self, row)

        tracking.Tracker.log_step = log_step
        record = RunRecord(home / f"tracked-{moment}")
        tracked = plan.with_overrides({"tracking": "offline"})
        began, cpu = time.monotonic(), time.process_time()
        status = run(tracked, record.folder, say=lambda _: None, step_seconds=[0.01])
        ok = status.state == "finished" and (record.folder / "result.json").read_bytes() == expected
        yield {
            "fault": "tracking dead",
            "trial": moment,
            "ok": ok and "W&B tracking ended" in record.log_file.read_text(),
            "seconds": round(time.monotonic() - began, 2),
            "cpu_seconds": round(time.process_time() - cpu, 2),
        }
    tracking.Tracker.log_step = healthy


def leases(count: int, home: Path) -> Iterator[Trial]:
    from labkit.core import lock

    for number in range(count):
        path = home / f"lease-{number}.lock"
        with lock.hold(path, "run"):
            mine = json.loads(path.read_text())
        gone = mine | {"machine": "node-17", "job": "77", "restarts": "0"}
        path.write_text(json.dumps(gone))
        was_respected = lock.is_held(path)
        if number % 2:
            os.environ |= {"SLURM_JOB_ID": "77", "SLURM_RESTART_COUNT": "1"}
        else:
            os.utime(path, (time.time() - lock.LAPSE_SECONDS - 1,) * 2)
        try:
            with lock.hold(path, "run"):
                was_taken = json.loads(path.read_text())["machine"] == mine["machine"]
        except lock.HeldLock:
            was_taken = False
        for name in ("SLURM_JOB_ID", "SLURM_RESTART_COUNT"):
            os.environ.pop(name, None)
        how = "restarted job" if number % 2 else "lapsed"
        yield {"fault": "node failure", "trial": number, "ok": was_respected and was_taken} | {
            "how": how
        }


def disks(data: Any, home: Path, count: int) -> Iterator[Trial]:
    from labkit.core.errors import RunFailed
    from labkit.core.records.run import RunRecord
    from labkit.training.checkpoints.kept import all_checkpoints
    from labkit.training.run import run
    from tests.training.tiny import tiny_plan

    for number in range(count):
        place = home / f"small-{number}"
        place.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place)]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            print("full disk: no file system can be mounted here", file=sys.stderr)
            return
        try:
            plan = tiny_plan(data, 8, checkpoints={"num_checkpoints": 4, "keep": 4}, seed=number)
            record = RunRecord(place / "run")
            filler = place / "filler"
            said = ""
            until = run(plan, record.folder, until=4, say=lambda _: None, step_seconds=[0.01])
            filler.write_bytes(b"x" * (shutil.disk_usage(place).free - 100_000))
            try:
                run(plan, record.folder, say=lambda _: None)
            except RunFailed as error:
                said = str(error)
            kept = all_checkpoints(record.checkpoints)[0].name
            filler.unlink()
            end = run(plan, record.folder, say=lambda _: None)
            ok = "are free" in said and kept == "step-00000004" and end.state == "finished"
            yield {"fault": "full disk", "trial": number, "ok": ok and until.state == "paused"} | {
                "said": said[:160]
            }
        finally:
            subprocess.run(["umount", str(place)], check=False)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hangs", type=int, default=10)
    parser.add_argument("--leases", type=int, default=10)
    parser.add_argument("--disks", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    trials: list[Trial] = []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        os.environ["LABKIT_HOME"] = folder
        from tests.training.tiny import write_tiny_corpus

        data = write_tiny_corpus(home)
        for trial in itertools.chain(
            leases(arguments.leases, home),
            disks(data, home, arguments.disks),
            trackings(data, home),
            hangs(data, arguments.hangs, random.Random(arguments.seed)),
        ):
            trials.append(trial)
            print(json.dumps(trial), flush=True)
    failed = [trial for trial in trials if not trial["ok"]]
    print(f"{len(trials) - len(failed)} of {len(trials)} held")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
