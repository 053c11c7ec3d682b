"""Kill, end and damage a training run at random moments: it must end with an unbroken run's bytes.

    python benchmarks/training_faults.py [--kills 50] [--terms 20] [--damages 200]

kill     SIGKILL at moments drawn evenly over the run, started again until it finishes
term     SIGTERM likewise: a checkpoint and status 143, then started again
resume   from each of the 23 save points of a 24-step run with accumulation, dropout and a mixture,
         in a fresh process, both recipes: also weights, optimizer and generators are compared
damage   a checkpoint's file flipped in one bit, cut, or zeroed in a block: found, and the one
         before it taken instead

Prints one JSON line per trial and exits with 1 if any failed. Processes are forked from a server
that has imported everything and trained nothing.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any

PROCESSES = get_context("forkserver")
DEADLINE_SECONDS = 60


def train(plan: dict[str, Any], folder: Path, keywords: dict[str, Any]) -> None:
    """Runs in a process of its own; its exit status is that of `python -m labkit.training`."""
    from labkit.plan.plan import TrainingPlan
    from labkit.training.__main__ import exit_status, quieten
    from labkit.training.run import run

    quieten()
    status = run(TrainingPlan.model_validate(plan), folder, say=lambda _: None, **keywords)
    sys.exit(exit_status(status))


def start(plan: dict[str, Any], folder: Path, **keywords: Any) -> Any:
    process = PROCESSES.Process(target=train, args=(plan, folder, keywords))
    process.start()
    return process


def finish(plan: dict[str, Any], folder: Path, **keywords: Any) -> int:
    process = start(plan, folder, **keywords)
    process.join(DEADLINE_SECONDS)
    return process.exitcode


def interrupted(
    plan: dict[str, Any], folder: Path, number: signal.Signals, whole_seconds: float, rng: Any
) -> dict[str, Any]:
    """One run, sent the signal at a random moment of its first two starts, then left to finish."""
    statuses = []
    for left in itertools.count():
        process = start(plan, folder)
        process.join(rng.uniform(0, whole_seconds) if left < 2 else DEADLINE_SECONDS)
        if process.is_alive():
            os.kill(process.pid, number)
            process.join(DEADLINE_SECONDS)
        statuses.append(process.exitcode)
        if (folder / "result.json").is_file() and process.exitcode == 0:
            return {"statuses": statuses}
        if left > 4:
            return {"statuses": statuses, "why": "does not finish"}
    raise AssertionError


def outcome(folder: Path, expected: bytes) -> dict[str, Any]:
    """Whether the result is the unbroken run's, each step is recorded once, nothing left over."""
    from labkit.core.records.run import RunRecord

    record = RunRecord(folder)
    steps = [row["step"] for row in record.rows("step")]
    path = folder / "result.json"
    same = path.is_file() and path.read_bytes() == expected
    once = steps == sorted(set(steps))
    left_over = [str(path) for path in folder.rglob(".tmp-*")]
    return {"ok": same and once and not left_over, "left_over": left_over}


def signals(plan: dict[str, Any], root: Path, kills: int, terms: int, rng: Any) -> Any:
    whole = root / "whole"
    assert finish(plan, root / "warm-up") == 0  # starts the server, which imports everything
    began = time.monotonic()
    assert finish(plan, whole) == 0
    seconds = time.monotonic() - began
    expected = (whole / "result.json").read_bytes()
    for number, count in ((signal.SIGKILL, kills), (signal.SIGTERM, terms)):
        for trial in range(count):
            folder = root / f"{number.name}-{trial}"
            found = interrupted(plan, folder, number, seconds, rng)
            yield {"fault": number.name, "trial": trial} | found | outcome(folder, expected)
            shutil.rmtree(folder)


def resumes(plan: dict[str, Any], recipe: str, root: Path) -> Any:
    """From every save point of a 24-step run."""
    from labkit.training.checkpoints.difference import first_difference
    from labkit.training.checkpoints.folder import load_checkpoint
    from labkit.training.checkpoints.kept import checkpoint_folder

    steps = 24
    whole = root / f"{recipe}-whole"
    assert finish(plan, whole, save_at=tuple(range(1, steps))) == 0
    expected = (whole / "result.json").read_bytes()
    end = load_checkpoint(checkpoint_folder(whole / "checkpoints", steps))
    for step in range(1, steps):
        folder = root / f"{recipe}-resumed-{step}"
        point = checkpoint_folder(whole / "checkpoints", step)
        status = finish(plan, folder, resume_from=point, step_seconds=[0.01])
        found = outcome(folder, expected)
        other = load_checkpoint(checkpoint_folder(folder / "checkpoints", steps))
        found["first_difference"] = first_difference(end, other)
        found["ok"] = found["ok"] and found["first_difference"] is None
        yield {"fault": "resume", "recipe": recipe, "step": step, "statuses": [status]} | found
        shutil.rmtree(folder)


def damages(plan: dict[str, Any], root: Path, count: int, rng: Any) -> Any:
    """A flip, a cut and a zeroed block each, in the newest of two checkpoints."""
    from labkit.plan.plan import TrainingPlan
    from labkit.training.checkpoints.kept import all_checkpoints, newest_good

    whole = root / "damaged"
    assert finish(plan, whole) == 0
    settled = TrainingPlan.model_validate(plan)
    newest, before, *_ = all_checkpoints(whole / "checkpoints")
    files = sorted(newest.iterdir())
    for kind, trial in itertools.product(("flip", "cut", "zero"), range(count)):
        path = rng.choice(files)
        content = path.read_bytes()
        path.write_bytes(damaged(content, kind, rng))
        found, _, passed_over = newest_good(whole / "checkpoints", settled)
        path.write_bytes(content)
        ok = found == before and len(passed_over) == 1
        yield {"fault": kind, "trial": trial, "file": path.name, "ok": ok}


def damaged(content: bytes, kind: str, rng: Any) -> bytes:
    """Never equal to what it was."""
    changed = bytearray(content)
    position = rng.randrange(len(content))
    if kind == "flip":
        changed[position] ^= 1 << rng.randrange(8)
    elif kind == "cut":
        del changed[position:]
    else:
        block = slice(position, position + 64)
        changed[block] = bytes(len(changed[block]))
        if bytes(changed) == content:  # it was zeros already
            changed[position] = 1
    return bytes(changed)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--terms", type=int, default=20)
    parser.add_argument("--damages", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    PROCESSES.set_forkserver_preload(["labkit.training.run", "tests.training.tiny"])
    rng = random.Random(arguments.seed)
    trials: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as home:
        os.environ["LABKIT_HOME"] = home
        from tests.training.tiny import hard_plan, tiny_plan, write_tiny_corpus

        data = write_tiny_corpus(Path(home)) | {"batch_size": 4, "micro_batch": 2}
        hard = {recipe: hard_plan(data, recipe) for recipe in ("gpt2", "modern")}
        model = tiny_plan(data).model.model_dump() | {"dropout": 0.1}
        short, long = (
            tiny_plan(data, steps, model=model, checkpoints={"num_checkpoints": points, "keep": 30})
            for steps, points in ((24, 2), (400, 8))
        )
        short, long = (plan.model_dump(mode="json") for plan in (short, long))
        root = Path(home) / "runs"
        for trial in itertools.chain(
            signals(long, root, arguments.kills, arguments.terms, rng),
            *(resumes(one.model_dump(mode="json"), name, root) for name, one in hard.items()),
            damages(short, root, arguments.damages, rng),
        ):
            trials.append(trial)
            print(json.dumps(trial), flush=True)
    failed = [trial for trial in trials if not trial["ok"]]
    print(f"{len(trials) - len(failed)} of {len(trials)} held")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
