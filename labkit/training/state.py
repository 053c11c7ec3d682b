"""The state of a run at work, gathered for a checkpoint and put back from one."""

from __future__ import annotations

import hashlib
from typing import Any

import torch

from labkit.core.config import canonical_json
from labkit.training.checkpoints import Checkpoint, tensor_bytes
from labkit.training.guards import SpikeDetector
from labkit.training.module import TrainingModule

NO_SAMPLES = "0" * 16


class RunState:
    """What a run carries from step to step beside its module."""

    def __init__(self) -> None:
        self.samples_hash = NO_SAMPLES
        self.spikes = SpikeDetector()


def gather_state(module: TrainingModule, run: RunState, scaler: dict[str, Any]) -> Checkpoint:
    return {
        "weights": module.model.state_dict(),
        "optimizer": module.optimizer.state_dict(),
        "random": _random_state(),
        "progress": {
            "step": module.facts.step,
            "samples": run.samples_hash,
            "dropped_steps": module.guard.num_dropped,
            "dropped_in_a_row": module.guard.in_a_row,
            "recent_losses": list(run.spikes.recent),
            "loss_scale": scaler,
        },
    }


def restore_state(checkpoint: Checkpoint, module: TrainingModule, run: RunState) -> None:
    """Put everything back but the loss scale, which is Lightning's once it has started."""
    progress = checkpoint["progress"]
    module.model.load_state_dict(checkpoint["weights"])
    module.optimizer.load_state_dict(checkpoint["optimizer"])
    module.facts.step = progress["step"]
    module.guard.num_dropped = progress["dropped_steps"]
    module.guard.in_a_row = progress["dropped_in_a_row"]
    run.samples_hash = progress["samples"]
    run.spikes = SpikeDetector(progress["recent_losses"])
    torch.set_rng_state(checkpoint["random"]["cpu"])
    if torch.cuda.is_available() and "cuda" in checkpoint["random"]:
        torch.cuda.set_rng_state(checkpoint["random"]["cuda"])


def state_hashes(checkpoint: Checkpoint) -> dict[str, str]:
    """Component -> 16 hex digits; equal when bit-equal."""
    return {
        "weights": _hash(checkpoint["weights"]),
        "optimizer": _hash(checkpoint["optimizer"]["state"]),
        "random": _hash(checkpoint["random"]),
        "samples": checkpoint["progress"]["samples"],
    }


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
    if isinstance(value, torch.Tensor):
        digest.update(tensor_bytes(value))
    elif isinstance(value, dict):
        for key in sorted(value, key=str):
            digest.update(str(key).encode())
            _feed(digest, value[key])
    else:
        digest.update(canonical_json(value).encode())
