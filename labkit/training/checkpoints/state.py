"""The state of a run at work, gathered for a checkpoint and put back from one, on any layout."""

from __future__ import annotations

import hashlib
from typing import Any

import torch

from labkit.core.canonical_json import canonical_json
from labkit.core.errors import LabError
from labkit.training.checkpoints.check import refuse_other_state
from labkit.training.checkpoints.difference import tensor_bytes
from labkit.training.checkpoints.files import Checkpoint, InPieces, whole
from labkit.training.guards import Health, LossWatch
from labkit.training.objective import BatchRange, Objective
from labkit.training.sharding.pieces import fill, local
from labkit.training.state import TrainingState

NO_SAMPLES = "0" * 16


class RunState:
    """What a run carries from step to step beside its training state."""

    def __init__(self, watch: LossWatch | None = None) -> None:
        self.samples_hash = NO_SAMPLES
        self.watch = watch or LossWatch()
        self.skipped: list[BatchRange] = []


def gather_state(state: TrainingState, run: RunState, objective: Objective) -> Checkpoint:
    """As this process holds it; random generators of all data ranks. All processes call it."""
    processes = state.processes
    generators = processes.from_all(_random_state())[:: processes.layout.tensor_parallel]
    return {
        "weights": state.model.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "random": generators,
        "progress": {
            "step": state.step,
            "samples": run.samples_hash,
            "dropped_steps": state.guard.num_dropped,
            "dropped_in_a_row": state.guard.in_a_row,
            "health": _health(state, run),
            "losses": run.watch.state_dict(),
            "skipped_batches": [list(one) for one in run.skipped],
            "loss_scale": state.scaler.state_dict(),
            "objective": objective.name,
        },
        "objective": objective.state_dict(),
    }


def restore_state(
    checkpoint: Checkpoint, state: TrainingState, run: RunState, objective: Objective
) -> None:
    """Put everything back, or nothing.

    Raises:
        LabError: it was left by a run with another objective, model or optimizer.
    """
    progress = checkpoint["progress"]
    left_by = progress.get("objective", objective.name)
    if left_by != objective.name:
        raise LabError(
            f"the checkpoint is of a run with the objective {left_by!r}, this one has "
            f"{objective.name!r}; start from its weights instead"
        )
    refuse_other_state(checkpoint, state.model, state.optimizer, state.plan.num_steps)
    objective.load_state_dict(checkpoint["objective"])
    with torch.no_grad():
        for name, tensor in state.model.state_dict().items():
            fill(tensor, whole(checkpoint["weights"][name]), state.processes)
    state.optimizer.load_state_dict(_optimizer_state(checkpoint["optimizer"], state))
    state.step = progress["step"]
    state.guard.num_dropped = progress["dropped_steps"]
    state.guard.in_a_row = progress["dropped_in_a_row"]
    if progress["loss_scale"]:
        state.scaler.load_state_dict(progress["loss_scale"])
    run.samples_hash = progress["samples"]
    run.watch.load_state_dict(progress.get("losses") or {"recent": progress["recent_losses"]})
    run.skipped = [(first, last) for first, last in progress.get("skipped_batches", ())]
    _restore_randomness(checkpoint["random"], state)


def state_hashes(checkpoint: Checkpoint) -> dict[str, str]:
    """Component -> 16 hex digits of what this process holds; equal when bit-equal."""
    found = {
        "weights": _hash(checkpoint["weights"]),
        "optimizer": _hash(checkpoint["optimizer"]["state"]),
        "random": _hash(checkpoint["random"]),
        "samples": checkpoint["progress"]["samples"],
    }
    kept = checkpoint["objective"]
    return found | {"objective": _hash(kept)} if kept else found


def _health(state: TrainingState, run: RunState) -> Health:
    """The same on every process. A checkpoint that is not good never evicts one that is."""
    is_finite = all(bool(local(weight).isfinite().all()) for weight in state.weights)
    if state.processes.largest(int(not is_finite)) or state.guard.gives_up:
        return "diverged"
    return "unsettled" if state.guard.in_a_row else run.watch.health


def held_bytes(state: TrainingState) -> dict[str, int]:
    """Of the model, on this process: between two steps, activations gone."""
    gradients = [weight.grad for weight in state.weights if weight.grad is not None]
    states = [
        value
        for values in state.optimizer.state.values()
        for value in values.values()
        if isinstance(value, torch.Tensor)
    ]
    groups = {"weights": state.weights, "gradients": gradients, "optimizer": states}
    return {name: sum(local(one).nbytes for one in found) for name, found in groups.items()}


def _optimizer_state(saved: dict[str, Any], state: TrainingState) -> dict[str, Any]:
    """Moments cut like the weights they belong to."""
    weights = [weight for group in state.optimizer.param_groups for weight in group["params"]]
    moved: dict[int, dict[str, Any]] = {}
    with torch.no_grad():
        for number, values in saved["state"].items():
            weight = weights[number]
            moved[number] = {}
            for name, value in values.items():
                found = whole(value)
                if found.shape == weight.shape and found.ndim:
                    moment = torch.empty_like(weight)
                    fill(moment, found, state.processes)
                    found = moment
                elif isinstance(found, torch.Tensor):
                    found = found.to(weight.device)  # step counts: Lightning leaves them behind
                moved[number][name] = found
    return {"state": moved, "param_groups": saved["param_groups"]}


def _restore_randomness(generators: list[dict[str, torch.Tensor]], state: TrainingState) -> None:
    """A data rank that the checkpoint knows nothing of keeps the start it has."""
    data_rank = state.processes.data_rank
    if data_rank >= len(generators):
        return
    torch.set_rng_state(generators[data_rank]["cpu"])
    if torch.cuda.is_available() and "cuda" in generators[data_rank]:
        torch.cuda.set_rng_state(generators[data_rank]["cuda"])


def _random_state() -> dict[str, torch.Tensor]:
    state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def _hash(value: Any) -> str:
    digest = hashlib.sha256()
    _feed(digest, value)
    return digest.hexdigest()[:16]


def _feed(digest: Any, value: Any) -> None:
    if isinstance(value, torch.Tensor | InPieces):
        digest.update(tensor_bytes(local(whole(value))))
    elif isinstance(value, dict):
        for key in sorted(value, key=str):
            digest.update(str(key).encode())
            _feed(digest, value[key])
    elif isinstance(value, list):
        for item in value:
            _feed(digest, item)
    else:
        digest.update(canonical_json(value).encode())
