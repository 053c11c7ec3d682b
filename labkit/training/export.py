"""A trained model out of a run: its checkpoint, of any layout, as a model folder.

What a run's end writes and what `labkit export` writes later is one function on one checkpoint, so
both are equal in bytes. Tensors are put together one at a time, as they are written.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from labkit.core import artifacts
from labkit.core.artifacts import Manifest
from labkit.core.config import differences, validate
from labkit.core.errors import LabError
from labkit.core.records.run import RunRecord, open_run
from labkit.cost.parameters import count_parameters
from labkit.exchange.card import Origin, model_card, sources_of
from labkit.exchange.folder import models_folder, outgoing_model, put_card, write_model
from labkit.exchange.huggingface import Weight, with_weights
from labkit.exchange.trained_model import TrainedModel
from labkit.plan.plan import TrainingPlan
from labkit.tokens.shards import SUMMARY, ShardSet
from labkit.tokens.tokenizer import Tokenizer
from labkit.training.checkpoints.files import Checkpoint, whole
from labkit.training.checkpoints.folder import load_checkpoint
from labkit.training.checkpoints.kept import all_checkpoints


def export_model(source: str | Path, target: str | Path | None = None) -> Path:
    """The model folder of a run's newest checkpoint, or of a checkpoint; made where it is not.

    Args:
        source: a run's id or folder, or a checkpoint's folder.
        target: the folder to make; by default `models/<run id>`, with the step where the run had
            not come to its end.

    Raises:
        DamagedArtifact: a file of the checkpoint differs from its manifest.
        LabError: no such run or checkpoint, or the target is taken.
    """
    return write_checkpoint(find_checkpoint(source), Path(target).expanduser() if target else None)


def write_model_folder(record: RunRecord) -> Path | None:
    """What a finished run leaves in `models/`; None of one that took its last step in another run,
    whose checkpoint it went on from.
    """
    checkpoints = all_checkpoints(record.checkpoints)
    if not checkpoints:
        return None
    return write_checkpoint(checkpoints[0], verify=False)


def write_checkpoint(checkpoint: Path, target: Path | None = None, *, verify: bool = True) -> Path:
    """The checkpoint as a model folder; one of the lab that is there already is verified."""
    state = load_checkpoint(checkpoint, verify=verify)
    manifest = artifacts.read_manifest(checkpoint, verify=False)
    plan = _plan(manifest, checkpoint)
    step = state["progress"]["step"]
    folder = target or models_folder() / _name(plan, manifest, step)
    origin = _origin(folder.name, checkpoint, plan, step)
    card = model_card(plan.model, count_parameters(plan.model), origin)
    if target is None and artifacts.exists(folder):
        artifacts.read_manifest(folder)
        put_card(folder, card)
        return folder
    tokenizer = Tokenizer.load(artifacts.home() / plan.data.tokenizer / "tokenizer.json")
    inputs = {"plan": plan.hash, **manifest.inputs}
    made = outgoing_model(plan.model, _weight(state), tokenizer, card)
    return write_model(folder, made, inputs=inputs, seed=plan.seed)


def model_of_checkpoint(checkpoint: Path) -> TrainedModel:
    """The model of a checkpoint, without a folder in between."""
    state = load_checkpoint(checkpoint)
    plan = _plan(artifacts.read_manifest(checkpoint, verify=False), checkpoint)
    tokenizer = Tokenizer.load(artifacts.home() / plan.data.tokenizer / "tokenizer.json")
    model = with_weights(plan.model, _weight(state))
    name = f"{plan.name}, step {state['progress']['step']:,}"
    return TrainedModel(name, model, tokenizer, tokenizer.end_of_text)


def find_checkpoint(source: str | Path) -> Path:
    """A checkpoint's folder as it is, or the newest one of a run.

    Raises:
        LabError: it is neither, or a run without a checkpoint.
    """
    path = Path(source).expanduser()
    if (path / "progress.json").is_file():
        return path
    record = RunRecord(path)
    if not record.is_there:
        record = open_run(str(source))
    found = all_checkpoints(record.checkpoints)
    if not found:
        raise LabError(f"run {record.run_id} has no checkpoint yet ({record.status().state})")
    return found[0]


def _plan(manifest: Manifest, checkpoint: Path) -> TrainingPlan:
    if manifest.config is None:
        raise LabError(f"{checkpoint}: not a checkpoint of a training plan")
    return validate(TrainingPlan, manifest.config)


def _name(plan: TrainingPlan, manifest: Manifest, step: int) -> str:
    run_id = plan.run_id_on(manifest.inputs)
    return run_id if step == plan.num_steps else f"{run_id}-step-{step:08d}"


def _weight(state: Checkpoint) -> Weight:
    return lambda name: whole(state["weights"][name])


def _origin(name: str, checkpoint: Path, plan: TrainingPlan, step: int) -> Origin:
    home = artifacts.home()
    shards = plan.data.train
    return Origin(
        name=name,
        step=step,
        num_tokens=step * plan.tokens_per_step,
        seed=plan.seed,
        plan_hash=plan.hash,
        changes=differences(TrainingPlan(), plan),
        sources=sources_of(shards, {one: home / one for one in shards}),
        leak_check=_leak_check(home / plan.data.validation),
        validation=_validation(checkpoint, step),
    )


def _leak_check(validation: Path) -> str:
    """Of the certificate that travels with the held-out shards."""
    if not (validation / SUMMARY).is_file():
        return ""
    facts = ShardSet.model_validate(json.loads((validation / SUMMARY).read_text("utf-8")))
    return facts.certificate.summary if facts.certificate else ""


def _validation(checkpoint: Path, step: int) -> dict[str, Any]:
    """The evaluation after that step, where the checkpoint lies in the run's record."""
    rows = RunRecord(checkpoint.parent.parent).rows("evaluation")
    return next((row for row in rows if row["step"] == step), {})
