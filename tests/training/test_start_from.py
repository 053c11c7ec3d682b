"""Weights of a checkpoint in a new run: the same function, and nothing else of the old one."""

from __future__ import annotations

import json

import pytest
import torch

from labkit.core import artifacts
from labkit.core.errors import LabError
from labkit.core.records.run import RunRecord
from labkit.exchange.folder import import_model, models_folder
from labkit.tokens.kinds import KINDS
from labkit.training.export import export_model
from labkit.training.next_token import NextToken
from labkit.training.run import run
from labkit.training.state import make_frozen_model, make_state
from labkit.training.step import train_step
from tests.training.tiny import tiny_plan, tiny_texts


@pytest.fixture
def source(data, lab_home) -> RunRecord:
    record = RunRecord(lab_home / "source")
    run(tiny_plan(data, 8), record.folder, step_seconds=[0.01], say=lambda _: None)
    return record


START = "source/checkpoints/step-00000008"


def test_step_0_has_the_loss_of_the_source_and_the_schedule_begins_anew(source, data):
    plan = tiny_plan(data, 4).with_overrides({"start_from": START, "seed": 5})
    state, objective = make_state(plan), NextToken(plan)
    last = source.rows("evaluation")[-1]
    assert objective.validate(state).figures["loss"] == last["loss"]
    batch = objective.step_batch(0, state)
    with torch.no_grad():
        units_BT, _ = objective.loss(make_frozen_model(plan), batch.micro_batches[0])
    facts = train_step(state, batch, objective.loss)
    assert facts.loss == float(units_BT.sum() / batch.num_units)
    assert facts.learning_rate == plan.learning_rate_ratio(0) * plan.optimizer.learning_rate
    assert not state.optimizer.state_dict()["state"][0]["step"] > 1


def test_a_model_folder_starts_a_run_with_the_same_weights_as_its_checkpoint(source, data):
    """Exported and imported on the way; a tokenizer of other ids is refused."""
    exported = export_model(source.checkpoints / "step-00000008", models_folder() / "exported")
    folder = import_model(exported, "taken").relative_to(artifacts.home()).as_posix()
    plan = tiny_plan(data, 2)
    models = [make_state(plan.with_overrides({"start_from": one})).model for one in (START, folder)]
    for one, other in zip(*(model.parameters() for model in models), strict=True):
        assert torch.equal(one, other)
    words = KINDS["words"](tiny_texts(20, 0), 257)
    with artifacts.write_artifact(artifacts.home() / "tokenizers" / "words") as temporary:
        words.save(temporary / "tokenizer.json")
    changed = plan.with_overrides({"start_from": folder, "data.tokenizer": "tokenizers/words"})
    with pytest.raises(LabError, match="was trained with another tokenizer than"):
        make_state(changed)


def test_its_hash_stands_in_the_record(source, data, lab_home):
    plan = tiny_plan(data, 2).with_overrides({"start_from": START})
    record = RunRecord(lab_home / "next")
    run(plan, record.folder, step_seconds=[0.01], say=lambda _: None)
    expected = artifacts.read_manifest(lab_home / START).content_hash
    assert record.read("result")["inputs"][START] == expected
    assert plan.run_id != tiny_plan(data, 2).run_id


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model.d_ff": 96}, "holds another model: model.d_ff is 64 there and 96 in the plan"),
        ({"model.feed_forward": "relu_squared"}, "model.feed_forward is 'gelu' there and 'relu_sq"),
        ({"model.context_length": 32}, "model.context_length is 16 there and 32 in the plan"),
        (
            {"start_from": "nowhere"},
            "no weights to start from; give start_from a model folder or the",
        ),
    ],
)
def test_another_model_is_refused_by_field(changes, message, source, data):
    plan = tiny_plan(data, 2).with_overrides({"start_from": START, **changes})
    with pytest.raises(LabError, match=message):
        make_state(plan)


def test_a_learning_choice_may_differ(source, data):
    plan = tiny_plan(data, 2).with_overrides({"start_from": START, "model.dropout": 0.1})
    assert make_state(plan).model.dropout.p == 0.1


def test_another_tokenizer_is_refused(source, data, lab_home):
    path = lab_home / START / artifacts.MANIFEST
    manifest = json.loads(path.read_text())
    manifest["inputs"][data["tokenizer"]] = "0" * 16
    del manifest["manifest_hash"]
    path.write_text(json.dumps(manifest))
    plan = tiny_plan(data, 2).with_overrides({"start_from": START})
    with pytest.raises(LabError, match=r"another tokenizer than data\.tokenizer=tokenizers/tiny"):
        make_state(plan)
