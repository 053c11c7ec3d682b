"""Runs that wandb, Lightning and labkit's tracker wrote, read back."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from labkit.comparison.runs import select
from labkit.comparison.runs.view import RunView, mixture_whole
from labkit.comparison.runs.wandb_offline import find_offline_runs, read_offline
from labkit.comparison.runs.wandb_online import read_online
from labkit.core.config import flatten
from labkit.core.errors import LabError
from labkit.core.records.run import RunRecord
from labkit.training.recording.tracking import SENT, SENT_OF_EVALUATIONS, Tracker
from tests.training.tiny import tiny_plan

wandb = pytest.importorskip("wandb", reason="needs labkit[train]")
pytestmark = pytest.mark.usefixtures("quiet")

NAN, INFINITY = float("nan"), float("inf")
UNICODE = "nämé 你好 \x85 \u2028 end"


def finished_run(folder: Path) -> Path:
    """The file of the one run there, whole: W&B may write it a moment after `finish` returned."""
    [file] = folder.rglob("run-*.wandb")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with contextlib.suppress(LabError):
            if read_offline(file).state != "died":
                return file
        time.sleep(0.05)
    raise AssertionError(f"{file} has no end: {file.stat().st_size} bytes")


def in_a_process(script: str, folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Without this process's W&B settings, a proxy or anybody's login."""
    left_out = re.compile("WANDB|.*_PROXY$", re.IGNORECASE)
    env |= {key: value for key, value in os.environ.items() if not left_out.match(key)}
    env |= {"WANDB_SILENT": "true", "HOME": str(folder), "NETRC": str(folder / "none")}
    return subprocess.run(
        [sys.executable, "-c", script],
        env=env,
        cwd=folder,
        text=True,
        check=True,
        capture_output=True,
        timeout=60,
    )


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("plain")
    config = {"model": {"d_model": 4, "a.b": [1, None]}, "dotted.key": "ü", "value": {"value": 3}}
    config |= {"lr": NAN, "none": None}
    with wandb.init(mode="offline", dir=folder, id="plain", name=UNICODE, config=config) as run:
        run.log({"train/loss": 2.5, "nested": {"x": 1, "y/z": 2}}, step=0)
        run.log({"train/loss": NAN, "step": 99}, step=3)
        run.log({"train/loss": INFINITY, "validation/bits_per_byte": 1.25, "none": None}, step=40)
    return finished_run(folder)


def test_a_plain_run_reads_as_it_was_logged(plain):
    assert read_offline(plain) == RunView(
        run_id="plain",
        source="W&B offline",
        name=UNICODE,
        state="finished",
        config={
            "model.d_model": 4,
            "model.a.b": [1, None],
            "dotted.key": "ü",
            "value.value": 3,
            "lr": None,
            "none": None,
        },
        history=[
            {"step": 0, "train/loss": 2.5, "nested.x": 1, "nested.y/z": 2},
            {"step": 3, "train/loss": None},
            {"step": 40, "train/loss": None, "validation/bits_per_byte": 1.25, "none": None},
        ],
        summary={
            "train/loss": None,
            "nested.x": 1,
            "nested.y/z": 2,
            "step": 99,
            "validation/bits_per_byte": 1.25,
            "validation.bits_per_byte": 1.25,
        },
    )


def test_the_last_word_on_config_name_and_summary_holds(tmp_path):
    with wandb.init(mode="offline", dir=tmp_path, config={"a": {"b": 1}, "c": 2}) as run:
        run.config.update({"a": 7, "c": {"d": 3}}, allow_val_change=True)
        run.name = "renamed"
        run.define_metric("loss", summary="min")
        run.log({"loss": 1.0}, commit=False)
        run.log({"accuracy": 0.5})
        run.log({"loss": 4.0})
        run.summary.update({"gone": 1, "deep": {"x.y": 2}})
        del run.summary["gone"]
    view = read_offline(finished_run(tmp_path))
    assert view.config == {"a": 7, "c.d": 3}
    assert view.name == "renamed"
    assert view.history == [{"step": 0, "loss": 1, "accuracy": 0.5}, {"step": 1, "loss": 4}]
    assert view.summary == {"loss.min": 1, "accuracy": 0.5, "deep.x.y": 2}


LIGHTNING = """
from lightning.pytorch.loggers import WandbLogger

logger = WandbLogger(offline=True, project="p", save_dir=".", name="light")
logger.log_hyperparams({"lr": 0.1, "model": {"d": 4}})
logger.log_metrics({"train/loss": 2.0}, step=10)
logger.log_metrics({"validation/bits_per_byte": 1.5}, step=20)
logger.experiment.finish()
"""


def test_a_run_of_lightning(tmp_path):
    """In a process of its own: Lightning's `offline` is an environment variable that stays."""
    in_a_process(LIGHTNING, tmp_path)
    view = read_offline(finished_run(tmp_path))
    assert (view.name, view.state, view.bits_per_byte) == ("light", "finished", 1.5)
    assert view.config == {"lr": 0.1, "model.d": 4}
    assert view.history == [  # Lightning leaves W&B's step alone and logs its own as a metric
        {"step": 0, "trainer/global_step": 10, "train/loss": 2},
        {"step": 1, "trainer/global_step": 20, "validation/bits_per_byte": 1.5},
    ]


@pytest.mark.parametrize(("ending", "bits_per_byte"), [("finished", 1.5), ("failed", None)])
def test_a_run_of_labkit_reads_as_its_tracker_sent_it(tmp_path, ending, bits_per_byte):
    data = {"train": {"shards/a": 1.0}, "validation": "shards/b", "tokenizer": "tokenizers/c"}
    plan = tiny_plan(data | {"batch_size": 4}, tracking="offline")
    record = RunRecord(tmp_path / "tiny-1")
    record.folder.mkdir()
    tracker = Tracker(plan, record)
    step = dict.fromkeys(SENT, 2.5)
    evaluation = dict.fromkeys(SENT_OF_EVALUATIONS, 1.75)
    tracker.log_step(step | {"step": 10})
    tracker.log_step(step | {"step": 20})
    tracker.log_evaluation(evaluation | {"step": 20})
    result = {"validation": {"bits_per_byte": bits_per_byte, "loss": 3.0}, "tokens": 640}
    assert tracker.finish(result, ending)
    view = read_offline(finished_run(record.folder))
    assert (view.run_id, view.name, view.state) == ("tiny-1", "tiny", ending)
    assert view.bits_per_byte == bits_per_byte
    assert flatten(result).items() <= view.summary.items()
    sent = flatten(plan.model_dump(mode="json")) | {"run_id": "tiny-1"}
    assert view.config == mixture_whole(sent)
    sent = {f"train/{key}": 2.5 for key in SENT}
    validation = {f"validation/{key}": 1.75 for key in SENT_OF_EVALUATIONS}
    assert view.history == [{"step": 10} | sent, {"step": 20} | sent | validation]


def test_a_file_that_ends_early_is_a_run_that_died(plain, tmp_path):
    """As far as the file reaches, never more; "finished" only where its end is there."""
    content, whole = plain.read_bytes(), read_offline(plain)
    file = tmp_path / "run-cut.wandb"
    after_the_run_record = content.index(b"train/loss")
    seen = []
    for size in [*range(after_the_run_record, len(content), 97), len(content) - 1]:
        file.write_bytes(content[:size])
        view = read_offline(file)
        assert (view.state, view.name, view.config) == ("died", whole.name, whole.config)
        assert view.history == whole.history[: len(view.history)]
        seen.append(len(view.history))
    assert seen == sorted(seen)
    assert (seen[0], seen[-1]) == (0, len(whole.history))


@pytest.mark.parametrize("size", [0, 3, 7, 97])
def test_a_file_that_ends_before_the_run_begins_is_refused(plain, tmp_path, size):
    file = tmp_path / "run-cut.wandb"
    file.write_bytes(plain.read_bytes()[:size])
    with pytest.raises(LabError, match=r"run-cut.wandb holds no run: .* copy it again"):
        read_offline(file)


@pytest.mark.parametrize("position", [0, 5, 12, 200, 900, 1500, -5])
def test_a_changed_byte_is_noticed(plain, tmp_path, position):
    content = bytearray(plain.read_bytes())
    content[position] ^= 0xFF
    file = tmp_path / "run-damaged.wandb"
    file.write_bytes(content)
    with pytest.raises(LabError, match=r"run-damaged.wandb is damaged or no W&B file; copy it"):
        read_offline(file)


def test_runs_are_found_by_file_by_folder_and_below(plain, tmp_path):
    names = ["a/offline-run-2-x/run-x.wandb", "b/wandb/run-1-y/run-y.wandb"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True)
        shutil.copy(plain, tmp_path / name)
    link = tmp_path / "a" / "latest-run"
    link.symlink_to("offline-run-2-x", target_is_directory=True)
    first, second = (tmp_path / name for name in names)
    (first.parent / "run-x.wandb.synced").touch()
    assert find_offline_runs(tmp_path) == [first, second]
    assert find_offline_runs(first.parent) == find_offline_runs(first) == [first]
    assert find_offline_runs(link) == [link / "run-x.wandb"]


@pytest.mark.parametrize("name", ["missing", "empty", "notes.txt"])
def test_a_place_without_runs_is_refused(tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").touch()
    with pytest.raises(LabError, match=rf"{name} (holds no W&B run|does not exist); give a"):
        find_offline_runs(tmp_path / name)
    with pytest.raises(LabError, match="no W&B file|is damaged|holds no run"):
        read_offline(tmp_path / name)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("exec sleep 9", "W&B's reader failed on .*timed out"),
        ("echo no such command >&2; exit 2", "W&B's reader failed on .*: no such command"),
        ("echo '{}'", "in a way that labkit doesn't know .*'type'"),
        ("echo free text", "in a way that labkit doesn't know"),
    ],
)
def test_a_reader_that_fails_is_named(plain, tmp_path, monkeypatch, script, message):
    reader = tmp_path / "reader"
    reader.write_text(f"#!/bin/sh\n{script}\n")
    reader.chmod(0o755)
    monkeypatch.setattr("wandb.util.get_core_path", lambda: str(reader))
    seconds = 0.2 if "sleep" in script else 60
    monkeypatch.setattr("labkit.comparison.runs.wandb_offline.READER_TIMEOUT_SECONDS", seconds)
    with pytest.raises(LabError, match=message):
        read_offline(plain)


def test_without_wandb_it_says_what_to_install(plain, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    monkeypatch.setitem(sys.modules, "wandb.errors", None)
    for read in (lambda: read_offline(plain), lambda: read_online("entity/project")):
        with pytest.raises(LabError, match="not installed: pip install wandb"):
            read()


def test_files_of_one_run_that_differ_in_equal_steps_are_said():
    def view(*losses: float) -> RunView:
        rows = [{"step": step, "train/loss": loss} for step, loss in enumerate(losses)]
        return RunView("r", "W&B offline", "r", "finished", {}, rows, {})

    with pytest.warns(UserWarning, match="differ in 2 steps, from 1 to 2"):
        joined = select._joined(view(3, 2, 1), view(3, 2.5, 1.5, 0.5))
    assert [row["train/loss"] for row in joined.history] == [3, 2.5, 1.5, 0.5]
