from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from labkit.core.canonical_json import canonical_json, hash_json
from labkit.core.config import Config, ConfigError, differences, field, validate
from labkit.core.errors import LabError
from labkit.core.parameter_file import load_parameters
from labkit.core.schema import faces
from labkit.cost.config import CostConfig


class Inner(Config):
    depth: int = field(2, "how deep", ge=1, le=9)


class Toy(Config):
    rate: float = field(0.1, "learning rate", unit="1/step", gt=0, le=1, scale="log")
    name: str = field("a", "a name")
    inner: Inner = field(Inner(), "nested")
    tags: tuple[str, ...] = field((), "words")
    limits: dict[str, float] = field({}, "by name")


def test_hash_is_sha256_of_sorted_compact_json():
    text = '{"inner":{"depth":2},"limits":{},"name":"a","rate":0.1,"tags":[]}'
    assert canonical_json(Toy().model_dump()) == text
    assert Toy().hash == hashlib.sha256(text.encode()).hexdigest()[:16]


def test_equal_values_hash_equal_however_they_were_written():
    assert hash_json({"a": -0.0, "b": [1.0]}) == hash_json({"b": [1.0], "a": 0.0})
    assert Toy(rate=1).hash == Toy(rate=1.0).hash != Toy(rate=0.5).hash


def test_parameters_carry_differences_from_the_preset_and_give_the_config_back():
    config = CostConfig.from_parameters(
        {"model": "gpt2-xl", "overrides": {"model.num_layers": 10, "memory.micro_batch": 4}}
    )
    parameters = config.to_parameters()
    assert parameters["model"] == "gpt2-xl"
    assert parameters["overrides"] == {"model.num_layers": 10, "memory.micro_batch": 4}
    assert CostConfig.from_parameters(parameters) == config


def test_a_line_of_codes_is_answered_with_the_list_that_it_means():
    class Codes(Config):
        codes: tuple[str, ...] = field(("en",), "of languages")

    for written in ("en zh", "en, zh", "en,zh "):
        with pytest.raises(ConfigError, match=r'should be a list, such as \["en", "zh"\]'):
            validate(Codes, {"codes": written})


def test_an_override_that_changes_nothing_leaves_no_trace():
    plain = CostConfig.from_parameters({"model": "gpt2"})
    same = CostConfig.from_parameters({"model": "gpt2", "overrides": {"model.num_layers": 12}})
    assert plain.hash == same.hash
    assert same.to_parameters()["overrides"] == {}


@pytest.mark.parametrize(
    ("parameters", "field_name", "message"),
    [
        ({"rate": 3}, "rate", "rate=3: should be less than or equal to 1"),
        ({"rate": float("nan")}, "rate", "rate=nan: should be a finite number"),
        ({"rat": 1}, "rat", "unknown parameter 'rat'; known: rate"),
        ({"rate": True}, "rate", "rate=True: should be a number, not bool"),
        ({"rate": "0.5"}, "rate", "rate='0.5': should be a number, not str"),
        ({"name": 3}, "name", "name=3: should be a valid string"),
        ({"tags": "en, zh"}, "tags", """tags='en, zh': should be a list, such as ["en", "zh"]"""),
        ({"limits": "a=3"}, "limits", """limits='a=3': should be an object, such as {"name": 1}"""),
        ({"tags": "a dog"}, "tags", 'should be a list, such as ["a dog"]'),
        ({"overrides": {"inner.dept": 3}}, "inner.dept", "did you mean inner.depth"),
        ({"overrides": {"xyz": 3}}, "xyz", "'xyz'; known: rate, name, inner.*, tags, limits"),
        ({"overrides": {"inner.depth": 30}}, "inner.depth", "inner.depth=30: should be less"),
        ({"overrides": [1]}, "overrides", "give a dictionary"),
    ],
)
def test_refusals_name_field_value_and_what_is_allowed(parameters, field_name, message):
    with pytest.raises(ConfigError) as error:
        Toy.from_parameters(parameters)
    assert field_name in error.value.faults
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_the_preset_a_model_started_from_cannot_be_overridden():
    with pytest.raises(ConfigError, match="unknown field 'model.preset'"):
        CostConfig.from_parameters({"overrides": {"model.preset": "gpt2"}})


def test_faces_list_every_leaf_with_its_bounds():
    found = {face.name: face for face in faces(CostConfig)}
    assert found["model"].kind == "choice"
    assert "gpt2-xl" in found["model"].choices
    assert found["model.num_heads"].lower == 1
    assert found["price_usd_per_gpu_hour"].optional
    assert found["price_usd_per_gpu_hour"].lower_is_open
    assert found["num_tokens"].scale == "log"
    assert found["memory.attention_kernel"].choices == ("flash", "materialized")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x: !!python/object/apply:os.system ['touch marker']", "aliases and tags are not allowed"),
        ("a: &a [1]\nb: *a", "aliases and tags are not allowed"),
        ("- 1\n- 2", "expected a mapping"),
        ("1: 2", "expected a mapping"),
        ("a: [1", "not a parameter file"),
        ("a: 1\n" + " " * (1 << 20), "at most 1 MiB"),
    ],
)
def test_parameter_files_are_data(tmp_path: Path, monkeypatch, text, reason):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(LabError, match=reason):
        load_parameters(path)
    assert not (tmp_path / "marker").exists()


def test_yaml_may_write_a_whole_number_as_2e12(tmp_path: Path):
    (tmp_path / "p.yaml").write_text("num_tokens: 2e12\nmodel: gpt2\n")
    config = CostConfig.from_parameters(load_parameters(tmp_path / "p.yaml"))
    assert config.num_tokens == 2 * 10**12


def test_saved_parameters_load_to_the_same_hash(tmp_path: Path):
    config = CostConfig.from_parameters({"model": "llama-3-8b", "mfu": 0.123, "num_tokens": 3e9})
    path = config.save_parameters(tmp_path / "params.yaml")
    assert CostConfig.from_parameters(load_parameters(path)).hash == config.hash


def test_a_field_that_holds_a_mapping_is_one_leaf_whatever_its_keys():
    class Mixture(Config):
        weights: dict[str, float] = field({}, "folder -> weight")

    class Outer(Config):
        mixture: Mixture = field(Mixture(), "what is mixed")

    changed = Outer().with_overrides({"mixture.weights": {"a.b/c": 0.5}})
    assert differences(Outer(), changed) == {"mixture.weights": {"a.b/c": 0.5}}
    assert Outer.from_parameters(changed.to_parameters()) == changed
