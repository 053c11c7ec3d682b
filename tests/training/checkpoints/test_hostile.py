"""What a stranger could put where a checkpoint is: nothing of it runs, each gets one line."""

from __future__ import annotations

import builtins
import json
import os
import pickle
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.distributed.nn.jit import instantiator

from labkit.core import artifacts
from labkit.core.disk import write_json
from labkit.core.errors import LabError
from labkit.core.parameter_file import load_parameters
from labkit.data.quality.stored_arrays import load_arrays
from labkit.plan.plan import TrainingPlan
from labkit.training.checkpoints.files import CUTS
from labkit.training.checkpoints.folder import PACKAGES, load_checkpoint, save_checkpoint
from labkit.training.checkpoints.kept import checkpoint_folder, newest_good
from labkit.training.checkpoints.state import RunState, gather_state, restore_state
from labkit.training.next_token import NextToken
from labkit.training.state import make_state
from tests.training.tiny import tiny_plan, write_tiny_corpus


class Payload:
    """Calls the function when it is unpickled."""

    def __init__(self, function: Callable[..., Any], *arguments: Any):
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


@pytest.fixture
def plan(lab_home: Path) -> TrainingPlan:
    torch.set_num_threads(1)
    return tiny_plan(write_tiny_corpus(lab_home))


@pytest.fixture
def saved(plan: TrainingPlan, tmp_path: Path) -> Path:
    """Checkpoints of step 1."""
    objective, state = NextToken(plan), make_state(plan)
    for weight in state.weights:
        weight.grad = torch.zeros_like(weight)
    state.optimizer.step()
    state.step = 1
    folder = checkpoint_folder(tmp_path / "checkpoints", 1)
    save_checkpoint(folder, gather_state(state, RunState(), objective), plan)
    return folder


def forged(saved: Path, plan: TrainingPlan, write: Callable[[Path], None]) -> Path:
    """A checkpoint of step 2 with a manifest that fits, and what `write` changes in it."""
    folder = saved.with_name("step-00000002")
    with artifacts.write_artifact(
        folder, config=plan, inputs=plan.inputs(), packages=PACKAGES
    ) as temporary:
        for path in saved.iterdir():
            if path.name != artifacts.MANIFEST:
                shutil.copy(path, temporary)
        write(temporary)
    return folder


def payloads(marker: Path) -> Iterator[Payload]:
    code = f"open({str(marker)!r}, 'w')"
    yield Payload(os.system, f"touch {marker}")
    yield Payload(eval, code)
    yield Payload(builtins.exec, code)
    yield Payload(instantiator._do_instantiate_remote_module_template, "name", {"x": code}, False)
    inner = pickle.dumps(Payload(os.system, f"touch {marker}"))
    yield Payload(torch.storage._load_from_bytes, inner)


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("file", ["weights.pt", "optimizer.pt", "random.pt", "objective.pt"])
def test_no_pickle_in_a_checkpoint_runs(number, file, plan, saved, tmp_path):
    marker = tmp_path / "marker"
    payload = list(payloads(marker))[number]
    folder = forged(saved, plan, lambda folder: torch.save({"x": payload}, folder / file))
    for read in (lambda: load_checkpoint(folder), lambda: newest_good(saved.parent, plan)):
        with pytest.raises(LabError, match=r"holds more than tensors") as refused:
            read()
        assert "\n" not in str(refused.value)
    assert not marker.exists()


def test_no_metadata_of_a_sharded_checkpoint_runs(plan, saved, tmp_path):
    """torch's own sharded form has a pickle `.metadata`; ours says in JSON how it was cut."""
    marker = tmp_path / "marker"
    hostile = pickle.dumps(Payload(os.system, f"touch {marker}"))

    def write(folder: Path) -> None:
        (folder / ".metadata").write_bytes(hostile)
        (folder / CUTS).write_bytes(hostile)

    with pytest.raises(LabError, match=r"cuts\.json"):
        load_checkpoint(forged(saved, plan, write))
    assert not marker.exists()


def test_no_array_of_objects_is_loaded(tmp_path):
    marker = tmp_path / "marker"
    hostile = np.array([Payload(os.system, f"touch {marker}")], dtype=object)
    np.savez(tmp_path / "weights.npz", weights=hostile)
    with pytest.raises(LabError, match=r"weights\.npz: no arrays of numbers .*Object arrays"):
        load_arrays(tmp_path / "weights.npz", ["weights"])
    assert not marker.exists()


def test_no_yaml_grows_or_runs(tmp_path):
    marker = tmp_path / "marker"
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    for text in ("\n".join(lines), f"x: !!python/object/apply:os.system ['touch {marker}']"):
        (tmp_path / "plan.yaml").write_text(text)
        with pytest.raises(LabError, match="aliases and tags are not allowed"):
            load_parameters(tmp_path / "plan.yaml")
    assert not marker.exists()


def edit(file: str, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    """Change what the file holds, as tensors or JSON."""

    def write(folder: Path) -> None:
        path = folder / file
        if path.suffix == ".json":
            write_json(path, change(json.loads(path.read_bytes())))
        else:
            torch.save(change(torch.load(path, weights_only=True)), path)

    return write


def put(key: Any, value: Any) -> Callable[[Any], Any]:
    return lambda found: {**found, key: value}


def without(key: Any) -> Callable[[Any], Any]:
    return lambda found: {name: value for name, value in found.items() if name != key}


MALFORMED = {
    "a row in place of a matrix": edit("weights.pt", put("embedding.weight", torch.ones(32))),
    "a number in place of a matrix": edit("weights.pt", put("embedding.weight", torch.ones(1))),
    "an extra tensor": edit("weights.pt", put("blocks.9.more", torch.ones(3))),
    "a missing tensor": edit("weights.pt", without("embedding.weight")),
    "no tensor": edit("weights.pt", put("embedding.weight", 3.0)),
    "a list of weights": edit("weights.pt", lambda _: [torch.ones(3)]),
    "an empty file": lambda folder: (folder / "weights.pt").write_bytes(b""),
    "no archive": lambda folder: (folder / "weights.pt").write_bytes(b"PK\3\4 and no more"),
    "a moment of another shape": edit("optimizer.pt", lambda found: _moment(found, torch.ones(1))),
    "a moment of no weight": edit(
        "optimizer.pt", lambda found: {**found, "state": {99: found["state"][0]}}
    ),
    "groups of another optimizer": edit(
        "optimizer.pt", lambda found: {**found, "param_groups": found["param_groups"][:1]}
    ),
    "an optimizer's rate": edit("optimizer.pt", lambda found: _rate(found)),
    "an optimizer without groups": edit("optimizer.pt", without("param_groups")),
    "a negative step": edit("progress.json", put("step", -1)),
    "a step beyond the plan": edit("progress.json", put("step", 10**6)),
    "half a step": edit("progress.json", put("step", 1.5)),
    "an unknown number": edit("progress.json", put("more", 1)),
    "no count of dropped steps": edit("progress.json", without("dropped_steps")),
    "progress that is a list": edit("progress.json", lambda _: []),
    "progress cut off": lambda folder: (folder / "progress.json").write_bytes(b'{"step": '),
    "a short generator": edit("random.pt", lambda _: [{"cpu": torch.zeros(3, dtype=torch.uint8)}]),
    "no generators": edit("random.pt", lambda _: {"cpu": 1}),
}


def _moment(found: Any, value: torch.Tensor) -> Any:
    state = {**found["state"], 0: {**found["state"][0], "exp_avg": value}}
    return {**found, "state": state}


def _rate(found: Any) -> Any:
    first, *rest = found["param_groups"]
    return {**found, "param_groups": [{**first, "peak": 0.5}, *rest]}


@pytest.mark.parametrize("kind", MALFORMED)
def test_what_is_malformed_is_refused_in_one_line_and_changes_nothing(kind, plan, saved):
    folder = forged(saved, plan, MALFORMED[kind])
    state, objective = make_state(plan), NextToken(plan)
    before = [weight.detach().clone() for weight in state.weights]
    with pytest.raises(LabError) as refused:
        restore_state(load_checkpoint(folder, plan), state, RunState(), objective)
    assert "\n" not in str(refused.value)
    assert all(torch.equal(a, b) for a, b in zip(before, state.weights, strict=True))
    assert state.step == 0
