"""Models of any layout as folders that a process without labkit opens.

All of them in one such process: starting it is what costs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import torch

from labkit.cli import main
from labkit.core.artifacts import read_manifest
from labkit.core.records.run import RunRecord
from labkit.exchange.folder import read_model
from labkit.model.generation import generate
from labkit.training.checkpoints.folder import load_checkpoint
from labkit.training.checkpoints.kept import checkpoint_folder
from labkit.training.export import export_model, find_checkpoint
from labkit.training.open_model import open_model
from tests.training.sharding.cases import OPEN, OPEN_STEPS
from tests.training.sharding.records import alone, plan_in, record_of
from tests.training.tiny import tiny_texts

pytestmark = [pytest.mark.xdist_group("sharded"), pytest.mark.usefixtures("_in_that_home")]
NUM_TOKENS = 200
PROMPT = tiny_texts(1, 9)[0][:40]
NO_LABKIT, PACKAGES = [sys.executable, "-I", "-S"], sysconfig.get_paths()["purelib"]
"""The packages of this environment, but not those that it reaches by a .pth file, as it does us."""
ELSEWHERE = """
import json, sys, importlib.util
sys.path.append(sys.argv.pop(1))
assert importlib.util.find_spec("labkit") is None
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging
logging.disable_progress_bar()
torch.set_num_threads(1)
prompt, texts = json.load(open(sys.argv[1]))
for folder in sys.argv[2:]:
    model, report = AutoModelForCausalLM.from_pretrained(
        folder, trust_remote_code=True, output_loading_info=True
    )
    assert not report["missing_keys"] and not report["unexpected_keys"], report
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=True)
    ids_BT = torch.tensor([tokenizer(prompt)["input_ids"]])
    is_of_one = "-one-" in folder
    model.generation_config.eos_token_id = None
    new = model.generate(
        ids_BT, attention_mask=torch.ones_like(ids_BT), max_new_tokens=200, do_sample=False
    ) if is_of_one else None
    given = torch.load(folder + ".ids.pt")
    with torch.no_grad():
        logits = model(given).logits
    found = {
        "class": type(model).__name__,
        "generated": new[0].tolist() if is_of_one else None,
        "ids": tokenizer(texts)["input_ids"] if is_of_one else None,
        "eos": tokenizer.eos_token_id,
    }
    torch.save(logits, folder + ".logits.pt")
    json.dump(found, open(folder + ".json", "w"))
assert "labkit" not in sys.modules
"""


def checkpoint_of(home: Path, name: str, layout: str) -> Path:
    record = record_of(home, f"open-{name}-{'fsdp' if layout == 'one' else layout}")
    if layout == "one":
        record = alone(home, plan_in(record), until=OPEN_STEPS)
    return checkpoint_folder(record.checkpoints, OPEN_STEPS)


@pytest.fixture(scope="module")
def folders(on_two, tmp_path_factory) -> dict[tuple[str, str], Path]:
    """(model, layout) -> its folder, exported."""
    os.environ["LABKIT_HOME"] = str(on_two)
    target = tmp_path_factory.mktemp("exported")
    return {
        (name, layout): export_model(
            checkpoint_of(on_two, name, layout), target / f"{name}-{layout}-model"
        )
        for name in OPEN
        for layout in ("one", "fsdp", "tp")
    }


@pytest.fixture(scope="module")
def elsewhere(folders, tmp_path_factory) -> dict[tuple[str, str], dict[str, Any]]:
    """What each folder gives there, beside what it gives here."""
    pytest.importorskip("transformers", reason="needs labkit[dev]")
    found = {}
    for key, folder in folders.items():
        here = read_model(folder)
        prompt = here.tokenizer.encode(PROMPT).tolist()
        new = generate(here.model, prompt, NUM_TOKENS, seed=0, temperature=0)
        ids_BT = torch.tensor([prompt + new])
        torch.save(ids_BT, f"{folder}.ids.pt")
        with torch.no_grad():
            found[key] = {"ids": ids_BT, "logits": here.model(ids_BT), "prompt": len(prompt)}
    home = tmp_path_factory.mktemp("elsewhere")
    (home / "given.json").write_text(json.dumps([PROMPT, tiny_texts(50, 10)]))
    done = subprocess.run(
        [*NO_LABKIT, "-c", ELSEWHERE, PACKAGES, str(home / "given.json")]
        + [str(folder) for folder in folders.values()],
        cwd=home,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for key, folder in folders.items():
        found[key] |= {"there": json.loads(Path(f"{folder}.json").read_text())}
        found[key] |= {"logits there": torch.load(f"{folder}.logits.pt")}
    return found


CLASSES = {
    "gpt2": "GPT2LMHeadModel",
    "modern-open": "LlamaForCausalLM",
    "modern": "LabkitForCausalLM",
}


@pytest.mark.parametrize("layout", ["one", "fsdp", "tp"])
@pytest.mark.parametrize("name", OPEN)
def test_a_process_without_labkit_gives_the_same_logits_and_greedy_ids(name, layout, elsewhere):
    found = elsewhere[name, layout]
    there, ids_BT, start = found["there"], found["ids"], found["prompt"]
    assert there["class"] == CLASSES[OPEN[name][0]]
    torch.testing.assert_close(found["logits there"], found["logits"], atol=1e-5, rtol=0)
    likeliest_BT = found["logits there"].argmax(-1)
    assert likeliest_BT[0, start - 1 : -1].tolist() == ids_BT[0, start:].tolist()
    assert ids_BT.shape[1] == start + NUM_TOKENS
    if layout == "one":
        assert there["generated"] == ids_BT[0].tolist()
        assert there["ids"] == [list(text.encode()) for text in tiny_texts(50, 10)]
    assert there["eos"] == 256


@pytest.mark.parametrize("layout", ["one", "fsdp", "tp"])
@pytest.mark.parametrize("name", OPEN)
def test_what_comes_back_is_the_checkpoint_bit_for_bit(name, layout, folders, on_two):
    checkpoint = checkpoint_of(on_two, name, layout)
    for back in (read_model(folders[name, layout]), open_model(checkpoint)):
        assert back.config == plan_in(RunRecord(checkpoint.parent.parent)).model
        state = load_checkpoint(checkpoint)["weights"]
        for parameter, weight in back.model.named_parameters():
            held = state[parameter]
            assert torch.equal(weight, held.whole() if hasattr(held, "whole") else held)
    manifest = read_manifest(folders[name, layout])
    assert manifest.config_hash == back.config.hash


def test_commands_export_import_and_generate(on_two, capsys, tmp_path):
    run = record_of(on_two, "open-modern-untied-fsdp")
    assert main(["export", str(run.folder), "--to", str(tmp_path / "mine")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "mine")
    assert main(["import", str(tmp_path / "mine"), "--name", "ours"]) == 0
    assert capsys.readouterr().out.strip() == str(on_two / "models" / "ours")
    texts = set()
    for name in (str(run.folder), "ours", str(tmp_path / "mine"), str(find_checkpoint(run.folder))):
        assert main(["generate", name, "--prompt", "the cat", "--tokens", "20", "--seed", "3"]) == 0
        texts.add(capsys.readouterr().out)
    [text] = texts
    assert text.startswith("the cat")
    assert main(["export", str(run.folder), "--to", str(tmp_path / "mine")]) == 2
    assert "is there already and not empty" in capsys.readouterr().err
    assert main(["generate", "nobody"]) == 2
    assert "no model 'nobody'; give a model folder, a checkpoint, a run, or one of:" in (
        capsys.readouterr().err
    )
