"""One schema, four faces: a form, papermill, the command line and JSON carry the same config."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

from labkit.cli.flags import add_config_flags, config_from_flags
from labkit.core.parameter_file import load_parameters
from labkit.core.records.decision import current_decision
from labkit.cost.config import CostConfig
from labkit.questions.cost.decision import record_cost
from labkit.widgets.cost_panel import CostPanel
from labkit.widgets.form import ConfigForm
from tests.random_configs import random_configs

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "notebooks" / "40_cost_and_scaling.ipynb"


def through_papermill(parameters: dict) -> dict:
    """What the notebook's names hold after papermill's translation of the parameters."""
    notebook = parameterize_notebook(load_notebook_node(str(NOTEBOOK)), parameters)
    names: dict = {}
    for cell in notebook.cells:
        if {"parameters", "injected-parameters"} & set(cell.metadata.get("tags", [])):
            exec(cell.source, names)
    names.pop("__builtins__")
    names.pop("__annotations__", None)
    return names


def through_flags(path: Path) -> CostConfig:
    parser = argparse.ArgumentParser()
    add_config_flags(parser, CostConfig)
    return config_from_flags(parser.parse_args(["--params", str(path)]), CostConfig)


def test_200_random_configs_keep_their_hash_through_all_faces(tmp_path: Path):
    seen = set()
    for config in random_configs(CostConfig, 200, seed=7):
        path = ConfigForm(config).save(tmp_path / "params.yaml")
        injected = through_papermill(load_parameters(path))
        assert CostConfig.from_parameters(injected).hash == config.hash
        assert through_flags(path).hash == config.hash
        assert CostConfig.model_validate_json(config.model_dump_json()).hash == config.hash
        seen.add(config.hash)
    assert len(seen) > 100


def run(*command: str, home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        env=os.environ | {"LABKIT_HOME": str(home)},
        cwd=home.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_notebook_40_records_the_same_bytes_from_widgets_papermill_and_cli(
    tmp_path: Path, monkeypatch, seed
):
    [config] = random_configs(CostConfig, 1, seed=seed)
    monkeypatch.setenv("LABKIT_MODE", "interactive")
    panel = CostPanel(CostConfig())
    assert panel.form
    panel.form.value = config
    params = str(panel.save(tmp_path / "params.yaml"))
    results = [(record_cost(panel.value) / "result.json").read_bytes()]
    monkeypatch.delenv("LABKIT_MODE")
    papermill = ("papermill", str(NOTEBOOK), str(tmp_path / "out.ipynb"), "-f", params)
    for name, command in [
        ("papermill", papermill),
        ("cli", ("labkit", "cost", "--params", params, "--record")),
    ]:
        home = tmp_path / name
        run(*command, home=home)
        monkeypatch.setenv("LABKIT_HOME", str(home))
        _, folder = current_decision("40_cost_and_scaling")
        results.append((folder / "result.json").read_bytes())
    assert results[0] == results[1] == results[2]
