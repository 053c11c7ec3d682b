from __future__ import annotations

import datetime
import os
from decimal import Decimal
from pathlib import Path

import pytest

from labkit.batch.job import make_job
from labkit.batch.parameters import (
    SECRET_NAMES,
    check_parameters,
    parse_parameter,
    read_notebook,
)
from labkit.core.errors import LabError
from tests.batch.toy_notebooks import write_notebook

ROOT = Path(__file__).resolve().parents[2]
COST_NOTEBOOK = ROOT / "notebooks" / "40_cost_and_scaling.ipynb"


@pytest.fixture
def toy(tmp_path: Path):
    return read_notebook(write_notebook(tmp_path / "toy.ipynb"))


def test_declared_parameters_are_read_as_literals(toy):
    assert toy.annotations == {"steps": "int", "name": "str", "rate": "float", "overrides": "dict"}
    assert toy.defaults == {"steps": 3, "name": "a", "rate": None, "overrides": {}}


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("2e3", "steps", 2000),
        ("2.5", "steps", 2.5),
        ("7", "name", "7"),
        ("3e-4", "rate", 3e-4),
        ("null", "rate", None),
        ('{"a.b": 1}', "overrides", {"a.b": 1}),
        ("many", "steps", "many"),
        pytest.param("9" * 6000, "steps", "9" * 6000, id="more digits than Python reads"),
        pytest.param('{"a":' * 20_000, "overrides", '{"a":' * 20_000, id="nested deeply"),
    ],
)
def test_values_from_a_command_line(toy, text, name, value):
    found = parse_parameter(toy, name, text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"stpes": 1}, "unknown parameter 'stpes'; did you mean steps\\? toy.ipynb has: steps"),
        ({"steps": "many"}, "steps='many': should be int, not str"),
        ({"steps": 2.5}, "steps=2.5: should be int, not float"),
        ({"steps": True}, "steps=True: should be int, not bool"),
        ({"name": 3}, "name=3: should be str, not int"),
        ({"overrides": [1]}, "should be dict, not list"),
        ({"x=1;import os": 1}, "'x=1;import os' is not a parameter name"),
        ({"class": 1}, "'class' is not a parameter name"),
        ({"hf_token": "x"}, "hf_token: a secret passed as a parameter"),
        ({"openai_api_key": "x"}, "openai_api_key: a secret"),
        ({"name": Path("x")}, "only JSON values"),
        ({"name": datetime.date(2026, 1, 1)}, "only JSON values"),
        ({"overrides": {"a": Decimal(1)}}, "only JSON values"),
        ({"overrides": {1: 2}}, "only JSON values"),
        ({"overrides": {"a": (1, 2)}}, "only JSON values"),
        ({"rate": float("nan")}, "only JSON values"),
        ({"name": "\udcff"}, "only JSON values"),
        ({"steps": "9" * 6000}, "steps='9{99}…: should be int, not str"),
    ],
)
def test_refusals(toy, given, message):
    with pytest.raises(LabError, match=message):
        check_parameters(toy, given)


@pytest.mark.parametrize(
    ("names", "is_secret"),
    [
        ("api_key openai_api_key apikey client_secret secret_key db_password private_key", True),
        ("hf_token access_token wandb_token github_token_2 token AWS_SECRET passphrase", True),
        ("num_tokens tokenizer token_budget eos_token pad_token key monkey secretary", False),
    ],
)
def test_secrets_are_known_by_whole_words(names, is_secret):
    assert {name: bool(SECRET_NAMES.search(name)) for name in names.split()} == dict.fromkeys(
        names.split(), is_secret
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"mfu": 1.5}, "mfu=1.5: should be less than or equal to 0.95"),
        ({"model": "gpt5"}, "unknown model 'gpt5'"),
        ({"gpu": "L5"}, "unknown GPU 'L5'"),
        ({"overrides": {"model.depth": 2}}, "unknown field 'model.depth'"),
    ],
)
def test_ranges_are_those_of_the_notebooks_config(given, message):
    with pytest.raises(LabError, match=message):
        make_job(COST_NOTEBOOK, given)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read the notebook"),
        ("not json", "not a notebook"),
        ("[]", "not a notebook"),
        ('{"cells": [1]}', "not a notebook"),
        ('{"cells": [], "metadata": null}', "not a notebook"),
        ('{"cells": [], "metadata": {"labkit": "x"}}', "not a notebook"),
        pytest.param("[" * 200_000, "not a notebook", id="nested deeply"),
    ],
)
def test_files_that_are_no_notebooks(tmp_path: Path, content, message):
    path = tmp_path / "x.ipynb"
    if content is not None:
        path.write_text(content)
    with pytest.raises(LabError, match=message):
        read_notebook(path)


def test_a_pipe_or_a_folder_is_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.ipynb")
    for path in (tmp_path / "pipe.ipynb", tmp_path):
        with pytest.raises(LabError, match="not a file; give the path of a notebook"):
            read_notebook(path)


def test_computed_parameters_are_refused(tmp_path: Path):
    path = write_notebook(tmp_path / "a.ipynb", parameters="a: int = 1\nb: int = a * 2")
    with pytest.raises(LabError, match="must hold literals only"):
        read_notebook(path)


def test_a_notebook_cannot_name_code_outside_labkit_as_its_config(tmp_path: Path):
    refused = [
        ("os:system", "is not a config"),
        ("labkit.x:Y", "does not exist"),
        ("labkit.core.artifacts:home", "is not a config"),
    ]
    for name, message in refused:
        path = write_notebook(tmp_path / "a.ipynb", config=name)
        with pytest.raises(LabError, match=message):
            read_notebook(path)


def test_the_key_changes_with_parameters_notebook_and_inputs(tmp_path: Path):
    path = write_notebook(tmp_path / "a.ipynb")
    keys = [make_job(path, {"steps": steps}).key for steps in (3, 4, 3)]
    assert keys[0] == keys[2] != keys[1]
    write_notebook(path, "1 + 1")
    assert make_job(path, {"steps": 3}).key != keys[0]
    corpus = tmp_path / "a.txt"
    exploration = ROOT / "notebooks" / "10_data_exploration.ipynb"
    corpus.write_text("one")
    before = make_job(exploration, {"corpus": str(corpus)}).key
    corpus.write_text("another")
    assert make_job(exploration, {"corpus": str(corpus)}).key != before
