"""All cases in two torchruns, once for the session.

Nothing of torch is imported before they are asked for: this file is read without labkit[train] too.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.training.sharding.cases import (
    AT_THE_END,
    BLOCKS,
    CHANGES,
    EXPERTS,
    LAYOUTS,
    OPEN,
    OPEN_STEPS,
    RECIPES,
    RESUMED,
    WORKER_NAME,
    Cases,
    family_layouts,
    on_one_process,
    plan_of,
    wide,
)
from tests.training.tiny import write_tiny_corpus


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all workers of a test run."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if WORKER_NAME == "alone" else base.parent) / "sharded"
    folder.mkdir(exist_ok=True)
    return folder


@contextlib.contextmanager
def alone_at_work(home: Path) -> Iterator[None]:
    with (home / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def data(home: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Names in that home; another worker may be reading what it wrote there."""
    with alone_at_work(home):
        is_there = (home / "shards").is_dir()
        return write_tiny_corpus(tmp_path_factory.mktemp("again") if is_there else home)


@pytest.fixture
def _in_that_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABKIT_HOME", str(home))


@pytest.fixture(scope="session")
def on_two(home: Path, data: dict[str, Any]) -> Path:
    """All runs on two processes; those that resume come after those they resume from."""
    from labkit.training.checkpoints.kept import checkpoint_folder
    from labkit.training.run import run
    from tests.training.disturbed_objective import disturbed_plan
    from tests.training.sampled_objective import sampled_plan
    from tests.training.sharding.records import half_of

    os.environ["LABKIT_HOME"] = str(home)
    cases = Cases(home, 2)
    for optimizer, recipe in RECIPES.items():
        for layout in ("ddp", "fsdp", "tp"):
            plan = plan_of(data, recipe, **LAYOUTS[layout])
            cases.add(f"{optimizer}-{layout}", plan, save_at=[10])
            cases.add(f"wide-{optimizer}-{layout}", wide(plan), until=2)
        for change, fields in CHANGES.items():
            cases.add(f"{optimizer}-{change}", plan_of(data, recipe, **LAYOUTS["fsdp"], **fields))
    for variant, fields in BLOCKS.items():
        plan = plan_of(data, "gpt2", **LAYOUTS["tp"], **AT_THE_END, **fields)
        cases.add(variant, plan.with_overrides({"optimizer.matrices": "muon"}))
    for name, (recipe, fields) in OPEN.items():
        for layout in ("fsdp", "tp"):
            plan = plan_of(data, recipe, **LAYOUTS[layout], **fields)
            cases.add(f"open-{name}-{layout}", plan, until=OPEN_STEPS)
    missing = str(home / "nowhere")
    cases.add("missing", plan_of(data, "gpt2", **LAYOUTS["fsdp"]), resume_from=missing)
    for form in ("sharded", "consolidated"):
        plan = plan_of(data, "gpt2", **LAYOUTS["fsdp"], **{"checkpoints.format": form})
        cases.add(f"full-{form}", plan, file_bytes=60_000)
    cases.add("experts", plan_of(data, "gpt2", **LAYOUTS["fsdp"], **EXPERTS, **AT_THE_END))
    for name, plan in family_layouts(data).items():
        cases.add(name, plan)
    sampled = sampled_plan(data).with_overrides(LAYOUTS["fsdp"])
    cases.add("sampled", sampled, objective="sampled", save_at=[3])
    middle = checkpoint_folder(home / "sharded" / "sampled" / "checkpoints", 3)
    cases.add("sampled-resumed", sampled, objective="sampled", resume_from=str(middle))
    for layout in ("ddp", "fsdp", "tp"):
        plan = disturbed_plan(data).with_overrides(LAYOUTS[layout])
        cases.add(f"disturbed-{layout}", plan, objective="disturbed")
    for layout in ("fsdp", "tp"):
        start = {"start_from": f"sharded/muon-{layout}/checkpoints/step-00000010"}
        cases.add(f"started-{layout}", plan_of(data, "modern", **LAYOUTS[layout], **start), until=3)
    whole = plan_of(data, "modern", **LAYOUTS["fsdp"])
    one_file = whole.with_overrides({"checkpoints.format": "consolidated"})
    cases.add("consolidated", one_file, save_at=[10])
    for start, layout in RESUMED:
        changes = LAYOUTS.get(layout, {})
        plan = plan_of(data, "modern", **changes)
        cases.add(f"{start}-to-{layout}", plan, resume_from=str(half_of(home, start)))
    with alone_at_work(home):
        if not (folder := home / "alone" / "whole").exists():
            run(on_one_process(whole), folder, save_at=(10,), step_seconds=[0.01], say=print)
        cases.run()
    return home


@pytest.fixture(scope="session")
def on_four(on_two: Path, data: dict[str, Any]) -> Path:
    from tests.training.sharding.records import half_of

    cases = Cases(on_two, 4)
    for optimizer, recipe in RECIPES.items():
        plan = plan_of(data, recipe, **LAYOUTS["both"])
        cases.add(f"{optimizer}-both", plan, save_at=[10])
        cases.add(f"wide-{optimizer}-both", wide(plan), until=2)
    start = half_of(on_two, "muon-fsdp")
    cases.add(
        "muon-fsdp-to-both", plan_of(data, "modern", **LAYOUTS["both"]), resume_from=str(start)
    )
    with alone_at_work(on_two):
        cases.run()
    return on_two
