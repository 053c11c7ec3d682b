"""Runs on two and four processes against the same run on one, all cases in three torchruns."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labkit.cli import main
from labkit.core.records.run import RunRecord
from labkit.model.presets import PRESETS
from labkit.plan.plan import TrainingPlan
from labkit.plan.recipes import with_recipe
from labkit.training.checkpoints.difference import first_difference
from labkit.training.checkpoints.folder import load_checkpoint
from labkit.training.checkpoints.kept import checkpoint_folder
from labkit.training.run import run
from tests.training.tiny import tiny_plan, write_tiny_corpus

pytestmark = pytest.mark.xdist_group("sharded")
WORKER = Path(__file__).with_name("sharded_worker.py")
WORKER_NAME = os.environ.get("PYTEST_XDIST_WORKER", "alone")
STEPS = 20
RECIPES = {"adamw": "gpt2", "muon": "modern"}
ALONE = {"data.micro_batch": 2}
AT_THE_END = {"evaluation.num_evaluations": 1}
"""For cases that are judged by losses of steps: three evaluations take as long as their 20 steps,
and that one in the middle disturbs nothing is what the other cases show."""
LAYOUTS: dict[str, dict[str, Any]] = {
    "ddp": {"layout.data_parallel": 2, "layout.sharding": "none"},
    "fsdp": {"layout.data_parallel": 2},
    "tp": {"layout.tensor_parallel": 2},
    "both": {"layout.data_parallel": 2, "layout.tensor_parallel": 2},
}
CHANGES: dict[str, dict[str, Any]] = {
    "clipped": {"optimizer.clip_norm": 0.5},
    "accumulated": {"data.micro_batch": 1},
    "reduced_once": {"data.micro_batch": 1, "layout.reduce_every_micro_batch": False},
    "weights_kept": {"layout.reshard_after_forward": False},
    "recomputed": {"layout.recompute": "full"},
    "recomputed_in_part": {"layout.recompute": "selective"},
    "masked": {"data.mask_document_starts": True},
    "compiled": {"layout.compile_blocks": True},
    "bf16": {"compute.precision": "bf16"},
}
BIT_EQUAL = {"weights_kept", "recomputed", "recomputed_in_part"}
BF16 = 0.05
"""Nats: sharded, the residual stream is bf16 too, which autocast on one process leaves in fp32."""


def plan_of(data: dict[str, Any], recipe: str, **changes: Any) -> TrainingPlan:
    """Not clipped: a norm summed in another order would differ in its last bit."""
    base = {"optimizer.clip_norm": None, "checkpoints.keep": 100}
    return with_recipe(tiny_plan(data, STEPS), recipe).with_overrides({**base, **changes})


BLOCKS: dict[str, dict[str, Any]] = {
    "one key head": {"model.num_kv_heads": 1},
    "normed heads": {"model.qk_norm": True, "model.norm": "rmsnorm"},
    "norms after": {"model.norm_placement": "post"},
    "parallel parts": {"model.block": "parallel", "model.feed_forward": "relu_squared"},
    "biases": {
        "model.qkv_bias": True,
        "model.attention_output_bias": True,
        "model.feed_forward_bias": True,
        "model.norm_bias": True,
    },
    "uneven": {"model.d_model": 35, "model.d_ff": 70},
}


def wide(plan: TrainingPlan) -> TrainingPlan:
    """Wide enough that norms are nothing beside matrices."""
    return plan.with_overrides({"model.d_model": 128, "model.d_ff": 256})


def held(record: RunRecord) -> list[dict[str, int]]:
    return record.read("processes")


def samples_of(record: RunRecord) -> str:
    """Names all samples of the run, in their order."""
    return end_of(record)["progress"]["samples"]


def small_preset(data: dict[str, Any], preset: str) -> TrainingPlan:
    """The preset's choices at the size of a thimble, its share of key heads kept."""
    model = TrainingPlan().model.from_preset(preset)
    num_heads = 4
    size = {
        "vocab_size": 257,
        "context_length": 16,
        "d_model": 32,
        "num_layers": 2,
        "num_heads": num_heads,
        "num_kv_heads": max(num_heads * model.num_kv_heads // model.num_heads, 2),
        "head_dim": 8,
        "d_ff": 64,
    }
    changes = {"model": model.model_dump() | size}
    plan = TrainingPlan.model_validate(tiny_plan(data, STEPS).model_dump() | changes)
    return plan.with_overrides({"optimizer.learning_rate": 0.01})


def families(data: dict[str, Any]) -> dict[str, TrainingPlan]:
    """One preset of each set of choices."""
    found: dict[str, tuple[str, TrainingPlan]] = {}
    for preset in PRESETS:
        plan = small_preset(data, preset)
        choices = plan.model.model_dump_json(exclude={"preset", "rope_theta", "norm_epsilon"})
        found.setdefault(choices, (preset, plan))
    return dict(found.values())


class Cases:
    """What is to be run on so many processes, then its records by name."""

    def __init__(self, home: Path, num_processes: int):
        self.home, self.num_processes = home, num_processes
        self.cases: list[dict[str, Any]] = []

    def add(self, name: str, plan: TrainingPlan, file_bytes: int = 0, **keywords: Any) -> None:
        """`file_bytes`: the first process can write no larger file."""
        folder = self.home / "sharded" / name
        self.cases.append(
            {
                "plan": plan.with_overrides({"name": name}).model_dump(mode="json"),
                "folder": str(folder),
                "keywords": keywords,
                "file_bytes": file_bytes,
            }
        )

    def run(self) -> None:
        """Once, also where tests are dealt to several workers."""
        path = self.home / f"cases-{self.num_processes}.json"
        if path.with_suffix(".done").exists():
            return
        path.write_text(json.dumps(self.cases))
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        done = subprocess.run(
            [*torchrun, "--nproc-per-node", str(self.num_processes), str(WORKER), str(path)],
            env=os.environ | {"LABKIT_HOME": str(self.home), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        path.with_suffix(".done").touch()


def record_of(home: Path, name: str) -> RunRecord:
    return RunRecord(home / "sharded" / name)


def losses(record: RunRecord) -> list[float]:
    return [row["loss"] for row in record.rows("step")]


def alone(home: Path, plan: TrainingPlan, until: int | None = None) -> RunRecord:
    """The same slices on one process; once for plans that differ in nothing but their layout."""
    one = on_one_process(plan)
    folder = home / f"alone-{WORKER_NAME}" / f"{one.hash}-{until}"
    if not folder.exists():
        run(one, folder, until=until, step_seconds=[0.01], say=lambda _: None)
    return RunRecord(folder)


def on_one_process(plan: TrainingPlan) -> TrainingPlan:
    one = plan.model_dump() | {"layout": {}, "name": "alone"}
    one["data"]["micro_batch"] = plan.micro_batch
    return TrainingPlan.model_validate(one)


def plan_in(record: RunRecord) -> TrainingPlan:
    return TrainingPlan.model_validate(record.read("plan"))


def end_of(record: RunRecord, step: int = STEPS) -> Any:
    return load_checkpoint(checkpoint_folder(record.checkpoints, step))


def farthest(one: RunRecord, other: RunRecord) -> float:
    found = [losses(record) for record in (one, other)]
    assert [len(each) for each in found] == [STEPS, STEPS]
    return float(np.abs(np.array(found[0]) - np.array(found[1])).max())


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


@pytest.fixture(autouse=True)
def _in_that_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABKIT_HOME", str(home))


@pytest.fixture(scope="session")
def on_two(home: Path, data: dict[str, Any]) -> Path:
    """All runs on two processes; those that resume come after those they resume from."""
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
    missing = str(home / "nowhere")
    cases.add("missing", plan_of(data, "gpt2", **LAYOUTS["fsdp"]), resume_from=missing)
    for form in ("sharded", "consolidated"):
        plan = plan_of(data, "gpt2", **LAYOUTS["fsdp"], **{"checkpoints.format": form})
        cases.add(f"full-{form}", plan, file_bytes=60_000)
    for preset, plan in families(data).items():
        for layout in ("fsdp", "tp"):
            cases.add(f"{preset}-{layout}", plan.with_overrides(LAYOUTS[layout] | AT_THE_END))
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


RESUMED = [
    ("muon-fsdp", "fsdp"),
    ("muon-tp", "tp"),
    ("muon-fsdp", "tp"),
    ("muon-tp", "fsdp"),
    ("muon-ddp", "fsdp"),
    ("consolidated", "fsdp"),
    ("whole", "fsdp"),
]


def half_of(home: Path, start: str) -> Path:
    folder = home / ("alone" if start == "whole" else "sharded") / start
    return checkpoint_folder(folder / "checkpoints", 10)


@pytest.fixture(scope="session")
def on_four(on_two: Path, data: dict[str, Any]) -> Path:
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


@pytest.mark.parametrize("optimizer", RECIPES)
@pytest.mark.parametrize("layout", ["ddp", "fsdp"])
def test_losses_and_weights_are_bit_equal_to_one_process(optimizer, layout, on_two):
    record = record_of(on_two, f"{optimizer}-{layout}")
    one = alone(on_two, plan_in(record))
    assert losses(record) == losses(one)
    assert losses(record)[-1] < losses(record)[0] - 0.3
    for component in ("weights", "optimizer"):
        states = [{**end_of(each), "progress": {}, "random": {}} for each in (record, one)]
        assert first_difference(*states) is None, component


@pytest.mark.parametrize("optimizer", RECIPES)
def test_tensor_parallel_is_within_rounding_of_one_process(optimizer, on_four):
    for layout in ("tp", "both"):
        record = record_of(on_four, f"{optimizer}-{layout}")
        one = alone(on_four, plan_in(record))
        assert farthest(record, one) < 1e-5
        assert samples_of(record) == samples_of(one)


def test_adamw_is_within_rounding_of_the_whole_batch(on_two):
    record = record_of(on_two, "adamw-fsdp")
    whole_batch = plan_in(record).with_overrides({"layout.data_parallel": 1})
    assert whole_batch.num_micro_batches == 1
    assert farthest(record, alone(on_two, whole_batch)) < 1e-5


@pytest.mark.parametrize("optimizer", RECIPES)
@pytest.mark.parametrize("change", CHANGES)
def test_whatever_else_a_plan_asks_for(change, optimizer, on_two):
    record = record_of(on_two, f"{optimizer}-{change}")
    one = alone(on_two, plan_in(record))
    assert farthest(record, one) < (BF16 if change == "bf16" else 1e-5)
    if change in BIT_EQUAL:
        assert losses(record) == losses(one)


@pytest.mark.parametrize("optimizer", RECIPES)
@pytest.mark.parametrize(
    ("layout", "share"), [("ddp", 1), ("fsdp", 1 / 2), ("tp", 1 / 2), ("both", 1 / 4)]
)
def test_each_process_holds_its_share(optimizer, layout, share, on_four):
    record = record_of(on_four, f"wide-{optimizer}-{layout}")
    one = alone(on_four, plan_in(record), until=2)
    [whole] = held(one)
    for own in held(record):
        for part in ("weights", "optimizer", "gradients"):
            assert own[part] == pytest.approx(share * whole[part], rel=0.02), part


@pytest.mark.parametrize("variant", BLOCKS)
def test_every_kind_of_block_is_cut_right(variant, on_two):
    record = record_of(on_two, variant)
    assert farthest(record, alone(on_two, plan_in(record))) < 1e-5


def test_what_fails_on_one_process_fails_on_all_and_the_next_run_starts(on_two):
    def refusals(name: str) -> list[str]:
        return [(on_two / "sharded" / name / f"refused-{n}.txt").read_text() for n in (0, 1)]

    for text in refusals("missing"):
        assert "nowhere: no such checkpoint" in text
    for form in ("sharded", "consolidated"):
        for text in refusals(f"full-{form}"):
            assert "could not be written" in text
            assert "bytes free" in text
        assert not list((on_two / "sharded" / f"full-{form}" / "checkpoints").iterdir())


@pytest.mark.parametrize("layout", ["fsdp", "tp"])
def test_every_family_of_presets_learns(layout, on_two, data):
    for preset in families(data):
        found = losses(record_of(on_two, f"{preset}-{layout}"))
        assert found[-1] < found[0] - 0.3, preset
        assert len(found) == STEPS


@pytest.mark.parametrize(("start", "layout"), [*RESUMED, ("muon-fsdp", "both")])
def test_a_checkpoint_of_any_layout_goes_on_in_another(start, layout, on_four):
    resumed = record_of(on_four, f"{start}-to-{layout}")
    name = "alone" if start == "whole" else "sharded"
    unbroken = RunRecord(on_four / name / start)
    assert losses(resumed) == pytest.approx(losses(unbroken)[10:], abs=1e-6)
    assert samples_of(resumed) == samples_of(unbroken)
    if start.endswith(layout):
        assert first_difference(end_of(resumed), end_of(unbroken)) is None


def test_one_process_goes_on_from_shards_and_from_their_consolidation(on_two, data, tmp_path):
    plan = plan_of(data, "modern", **ALONE)
    unbroken = record_of(on_two, "muon-fsdp")
    start = half_of(on_two, "muon-fsdp")
    assert main(["consolidate", str(start), str(tmp_path / "one-file")]) == 0
    for number, folder in enumerate((start, tmp_path / "one-file")):
        record = RunRecord(tmp_path / str(number))
        run(plan, record.folder, resume_from=folder, step_seconds=[0.01], say=lambda _: None)
        assert losses(record) == pytest.approx(losses(unbroken)[10:], abs=1e-6)
        assert samples_of(record) == samples_of(unbroken)
    assert first_difference(load_checkpoint(start), load_checkpoint(tmp_path / "one-file")) is None
    assert sorted(path.name for path in (tmp_path / "one-file").glob("*.pt")) == [
        "optimizer.pt",
        "random.pt",
        "weights.pt",
    ]
