from __future__ import annotations

import errno
import json
import os
import random
import shutil
import signal
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch

from labkit.core import artifacts
from labkit.core.artifacts import DamagedArtifact
from labkit.core.disk import write_json
from labkit.core.errors import LabError
from labkit.training.checkpoints.difference import first_difference
from labkit.training.checkpoints.files import COMPONENTS
from labkit.training.checkpoints.folder import (
    PACKAGES,
    load_checkpoint,
    refuse_other,
    save_checkpoint,
)
from labkit.training.checkpoints.kept import all_checkpoints, checkpoint_folder, newest_good
from labkit.training.checkpoints.state import RunState, gather_state, restore_state, state_hashes
from labkit.training.next_token import NextToken
from labkit.training.optimizers.groups import set_learning_rate
from labkit.training.state import TrainingState, make_state
from tests.training.tiny import tiny_plan, write_tiny_corpus


@pytest.fixture
def plan(lab_home):
    return tiny_plan(write_tiny_corpus(lab_home))


def stepped(plan, steps: int) -> TrainingState:
    state = make_state(plan)
    for step in range(steps):
        generator = torch.Generator().manual_seed(step)
        for weight in state.weights:
            weight.grad = torch.randn(weight.shape, generator=generator)
        set_learning_rate(state.optimizer, 0.5)
        state.optimizer.step()
        state.step += 1
    return state


@pytest.fixture
def saved(plan, tmp_path) -> Path:
    """Checkpoints of steps 1 and 2."""
    folder = tmp_path / "checkpoints"
    for step in (1, 2):
        state = gather_state(stepped(plan, step), RunState(), NextToken(plan))
        save_checkpoint(checkpoint_folder(folder, step), state, plan)
    return folder


def test_what_is_put_back_is_what_was_saved(plan, saved):
    [newest, _] = all_checkpoints(saved)
    checkpoint = load_checkpoint(newest, plan)
    state, objective = make_state(plan), NextToken(plan)
    torch.manual_seed(99)
    restore_state(checkpoint, state, RunState(), objective)
    again = gather_state(state, RunState(), objective)
    assert first_difference(checkpoint, again) is None
    assert state_hashes(checkpoint) == state_hashes(again)
    assert state.step == 2


def test_every_damage_is_found_and_the_one_before_is_taken(plan, saved):
    rng = random.Random(0)
    [newest, before] = all_checkpoints(saved)
    files = list(newest.iterdir())
    for trial in range(60):
        path = files[trial % len(files)]  # the manifest among them
        content = path.read_bytes()
        position = rng.randrange(len(content))
        flipped = bytes([content[position] ^ (1 << rng.randrange(8))])
        path.write_bytes(
            {
                0: content[:position] + flipped + content[position + 1 :],
                1: content[:position],
                2: content[:position] + b"\0zero\0" + content[position + 6 :],
            }[trial % 3]
        )
        folder, state, passed_over = newest_good(saved, plan)
        assert folder == before
        assert state is not None
        assert path.name in passed_over[0]
        path.write_bytes(content)
    assert newest_good(saved, plan)[0] == newest


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_missing_component_is_named_with_and_without_its_manifest_entry(component, plan, saved):
    [newest, _] = all_checkpoints(saved)
    [path] = newest.glob(f"{component}.*")
    path.unlink()
    with pytest.raises(DamagedArtifact, match=f"{component}.*missing"):
        load_checkpoint(newest, plan)
    manifest = json.loads((newest / artifacts.MANIFEST).read_text())
    del manifest["files"][path.name]
    del manifest["manifest_hash"]  # as older versions wrote it
    write_json(newest / artifacts.MANIFEST, manifest)
    with pytest.raises(DamagedArtifact, match=f"lacks its {component}"):
        load_checkpoint(newest, plan)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda s: s["weights"]["blocks.0.attention.query.weight"].add_(1e-7), "weights.blocks.0"),
        (lambda s: s["optimizer"]["state"][3]["exp_avg"].add_(1e-9), "optimizer.state.3.exp_avg"),
        (
            lambda s: s["random"][0]["cpu"].__setitem__(40, s["random"][0]["cpu"][40] ^ 1),
            "random.0.cpu",
        ),
        (lambda s: s["progress"].update(samples="other"), "progress.samples"),
    ],
)
def test_the_first_component_that_differs_is_named(change, named, plan, saved):
    [newest, _] = all_checkpoints(saved)
    one, other = load_checkpoint(newest), load_checkpoint(newest)
    change(other)
    assert str(first_difference(one, other)).startswith(named)


def test_another_plan_or_data_is_refused_by_name(plan, saved, lab_home):
    [newest, _] = all_checkpoints(saved)
    other = plan.with_overrides({"optimizer.learning_rate": 0.5})
    with pytest.raises(LabError, match=r"optimizer.learning_rate was 0.001, is 0.5"):
        load_checkpoint(newest, other)
    manifest = artifacts.read_manifest(newest)
    old = manifest.model_copy(update={"versions": manifest.versions | {"torch": "2.1.0"}})
    with pytest.raises(LabError, match="torch was '2.1', is '2."):
        refuse_other(old, plan, newest)
    for folder, name in (("tokenizers/tiny", "tokenizers/tiny"), ("shards/tiny/train", "shards/")):
        path = lab_home / folder / artifacts.MANIFEST
        content = path.read_text()
        changed = json.loads(content)
        next(iter(changed["files"].values()))["sha256"] = "0" * 64
        del changed["manifest_hash"]
        path.write_text(json.dumps(changed))
        with pytest.raises(LabError, match=f"{name}.*was '[0-9a-f]+', is"):
            refuse_other(manifest, plan, newest)
        path.write_text(content)


class Payload:
    def __init__(self, function, argument):
        self.call = (function, (argument,))

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("function", ["os.system", "eval", "exec"])
def test_nothing_hostile_in_a_checkpoint_runs(function, plan, saved, tmp_path):
    import builtins

    [newest, _] = all_checkpoints(saved)
    marker = tmp_path / "marker"
    code = f"touch {marker}" if function == "os.system" else f"open({str(marker)!r}, 'w')"
    call = os.system if function == "os.system" else getattr(builtins, function)
    folder = saved / "step-00000003"
    with artifacts.write_artifact(
        folder, config=plan, inputs=plan.inputs(), packages=PACKAGES
    ) as temporary:
        for name in ("optimizer.pt", "random.pt", "progress.json"):
            shutil.copy(newest / name, temporary / name)
        torch.save(Payload(call, code), temporary / "weights.pt")
    for read in (lambda: load_checkpoint(folder), lambda: newest_good(saved, plan)):
        with pytest.raises(LabError, match=r"weights\.pt: holds more than tensors"):
            read()
    assert not marker.exists()


def test_a_full_disk_keeps_the_old_one_and_says_so(plan, saved, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    state = load_checkpoint(all_checkpoints(saved)[0])
    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(LabError, match=r"disk full writing .*step-00000003: [\d,]+ bytes free"):
        save_checkpoint(checkpoint_folder(saved, 3), state, plan)
    assert [path.name for path in all_checkpoints(saved)] == ["step-00000002", "step-00000001"]
    assert not list(saved.glob(".tmp-*"))


def test_a_manifest_that_differs_from_its_hash_is_damaged(plan, saved):
    [newest, before] = all_checkpoints(saved)
    text = (newest / artifacts.MANIFEST).read_text()
    assert text.count('"learning_rate": 0.001') == 1
    for other in ('"learning_rate": 0.003', "\udc80", text[:50]):
        changed = text.replace('"learning_rate": 0.001', other) if other not in text else other
        (newest / artifacts.MANIFEST).write_bytes(changed.encode("utf-8", "surrogateescape"))
        folder, _, passed_over = newest_good(saved, plan)
        assert folder == before
        assert "manifest" in passed_over[0]


def _killed_while_saving(home: str, folder: Path, plan: dict, calls: int) -> None:
    """The process dies in its `calls`-th write of tensors, half of the bytes written."""
    os.environ["LABKIT_HOME"] = home
    whole = torch.save
    done = []

    def save(value, path):
        whole(value, path)
        done.append(path)
        if len(done) == calls:
            os.truncate(path, path.stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    torch.save = save
    state = load_checkpoint(all_checkpoints(folder)[0])
    save_checkpoint(checkpoint_folder(folder, 3), state, type(tiny_plan({"batch_size": 4}))(**plan))


@pytest.mark.parametrize("calls", [1, 3])
def test_a_kill_in_the_middle_of_a_save_keeps_the_old_one(calls, plan, saved, lab_home):
    context = get_context("fork")
    arguments = (str(lab_home), saved, plan.model_dump(), calls)
    process = context.Process(target=_killed_while_saving, args=arguments)
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert len(list(saved.glob(".tmp-*"))) == 1
    assert [path.name for path in all_checkpoints(saved)] == ["step-00000002", "step-00000001"]
    folder, state, passed_over = newest_good(saved, plan)
    assert (folder, passed_over) == (saved / "step-00000002", [])
    assert state is not None
    save_checkpoint(checkpoint_folder(saved, 3), state, plan)
    assert not list(saved.glob(".tmp-*"))
    assert first_difference(load_checkpoint(saved / "step-00000003", plan), state) is None
