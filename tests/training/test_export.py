"""What a finished run leaves, and what later exports of it are."""

from __future__ import annotations

import pytest

from labkit import lab
from labkit.core import artifacts
from labkit.core.errors import LabError
from labkit.core.records.run import open_run
from labkit.plan.recipes import with_recipe
from labkit.training.checkpoints.kept import checkpoint_folder
from labkit.training.run import run
from tests.training.tiny import tiny_plan


def trained(plan, **keywords):
    run(plan, step_seconds=[0.01], say=lambda _: None, **keywords)
    return open_run(plan.run_id)


@pytest.mark.parametrize("recipe", ["gpt2", "modern-open", "modern"])
def test_a_finished_run_leaves_the_model_that_an_export_of_it_gives(data, recipe, tmp_path):
    plan = with_recipe(tiny_plan(data), recipe)
    record = trained(plan)
    folder = artifacts.home() / "models" / record.run_id
    left = artifacts.read_manifest(folder)
    assert left.inputs == {"plan": plan.hash, **plan.inputs()}
    exported = lab.export_model(record.run_id, tmp_path / "again")
    assert artifacts.read_manifest(exported).content_hash == left.content_hash
    assert lab.export_model(record.run_id) == folder
    has_own_class = (folder / "modeling_labkit.py").is_file()
    assert has_own_class == (recipe == "modern")
    card = (folder / "README.md").read_text()
    bits = record.read("result")["validation"]["bits_per_byte"]
    assert f"| bits per byte | {bits:.4f} |" in card
    assert f"# {record.run_id}\n" in card
    model = lab.load_model(record.run_id)
    of_checkpoint = lab.load_model(record.folder)
    assert str(model.generate("the", 9)) == str(of_checkpoint.generate("the", 9))


def test_a_checkpoint_on_the_way_is_another_model_than_the_end(data, lab_home):
    plan = tiny_plan(data)
    record = trained(plan, until=8)
    assert not (lab_home / "models").exists()
    folder = lab.export_model(record.run_id)
    assert folder.name == f"{record.run_id}-step-00000008"
    assert "Step 8 of plan" in (folder / "README.md").read_text()
    trained(plan)
    names = {path.name for path in (lab_home / "models").iterdir()}
    assert names == {folder.name, record.run_id}
    middle = lab.export_model(checkpoint_folder(record.checkpoints, 18))
    assert middle.name == f"{record.run_id}-step-00000018"


def test_a_card_that_was_edited_stays_and_one_that_is_lost_comes_back(data, lab_home):
    record = trained(tiny_plan(data))
    card = lab_home / "models" / record.run_id / "README.md"
    made = card.read_text()
    card.write_text("mine")
    assert lab.export_model(record.run_id) == card.parent
    assert card.read_text() == "mine"
    card.unlink()
    lab.export_model(record.run_id)
    assert card.read_text() == made


def test_a_run_kept_elsewhere_leaves_no_model(data, lab_home, tmp_path):
    run(tiny_plan(data), tmp_path / "elsewhere", step_seconds=[0.01], say=lambda _: None)
    assert not (lab_home / "models").exists()


def test_a_damaged_checkpoint_gives_no_model(data, lab_home):
    record = trained(tiny_plan(data), until=8)
    path = checkpoint_folder(record.checkpoints, 8) / "weights.pt"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(artifacts.DamagedArtifact, match=r"weights.pt: SHA-256"):
        lab.export_model(record.run_id)
    assert not (lab_home / "models").exists()


def test_what_is_no_run_is_named(data, lab_home):
    record = trained(tiny_plan(data), until=8)
    with pytest.raises(LabError, match=f"no run 'nobody'; known: {record.run_id}"):
        lab.export_model("nobody")
    with pytest.raises(LabError, match="none yet: train one, or import one"):
        lab.load_model("nobody")
