"""Published shapes: totals as published, and block by block against the classes of transformers."""

from __future__ import annotations

import pytest

from labkit.cost.parameters import count_parameters
from labkit.model.config import ModelConfig
from labkit.model.presets.published import PRESETS

PUBLISHED = {
    "gpt-j-6b": 6_050_882_784,
    "gpt-neox-20b": 20_554_567_680,
    "falcon-40b": 41_303_293_952,
    "falcon-180b": 178_557_088_768,
    "bloom-560m": 559_214_592,
    "bloom-176b": 176_247_271_424,
    "opt-350m": 331_196_416,
    "olmo-2-7b": 7_298_617_344,
    "gemma-2-9b": 9_241_705_984,
    "smollm2-135m": 134_515_008,
    "phi-1.5": 1_418_270_720,
    "phi-2": 2_779_683_840,
    "mixtral-8x7b": 46_702_792_704,
    "mixtral-8x22b": 140_620_634_112,
    "qwen3-30b-a3b": 30_532_122_624,
    "pythia-70m": 70_426_624,
    "pythia-2.8b": 2_775_208_960,
    "pythia-12b": 11_846_072_320,
}
ROUNDED_BILLIONS = {
    "gpt3-175b": 174.6,
    "palm-8b": 8.63,
    "palm-62b": 62.50,
    "palm-540b": 540.35,
    "gopher-280b": 280,
    "chinchilla-70b": 70,
    "llama-3.1-405b": 405.85,
    "gpt1": 0.117,
    "glm-130b": 128.7,
    "tinyllama-1.1b": 1.10,
}
WITHOUT_CLASS = ("gopher", "chinchilla", "gpt3", "palm", "glm", "nanochat")


@pytest.mark.parametrize(("name", "total"), PUBLISHED.items())
def test_totals_are_the_published_ones(name, total):
    assert count_parameters(ModelConfig.from_preset(name)) == total


@pytest.mark.parametrize(("name", "billions"), ROUNDED_BILLIONS.items())
def test_totals_of_papers_that_round(name, billions):
    total = count_parameters(ModelConfig.from_preset(name)) / 1e9
    assert total == pytest.approx(billions, rel=5e-3)


@pytest.mark.parametrize("name", PRESETS)
def test_two_blocks_have_as_many_parameters_as_transformers_class(name):
    """On the meta device; all blocks of a model are alike, so two tell of all."""
    torch = pytest.importorskip("torch", reason="needs labkit[train]")
    transformers = pytest.importorskip("transformers", reason="needs labkit[dev]")
    from labkit.exchange.huggingface_families import as_their_class_has_it, family_of, written

    config = ModelConfig.from_preset(name).model_copy(update={"num_layers": 2})
    kind = family_of(config)
    assert (kind is None) == name.startswith(WITHOUT_CLASS)
    if kind is None:
        return
    theirs = as_their_class_has_it(kind, config)
    their_config = transformers.AutoConfig.for_model(**written(kind, config))
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(their_config)
    model.tie_weights()
    assert sum(p.numel() for p in model.parameters()) == count_parameters(theirs)
    if name != "nanogpt-cpu":  # their class adds biases that are zero
        assert count_parameters(theirs) == count_parameters(config)


def test_what_papers_misprint_is_said():
    from labkit.model.presets import gpt

    assert "5140" in (gpt.__doc__ or "")
    assert ModelConfig.from_preset("gpt3-13b").d_model == 5120


@pytest.mark.parametrize(
    ("name", "hashed"),
    [
        ("gpt2", "fd45bcd0ac6a2676"),
        ("nanogpt-cpu", "2b2fb0731348b79a"),
        ("llama-2-7b", "bef7300ef5bc9b46"),
        ("llama-3.2-1b", "76ad0ced79e16cb4"),
    ],
)
def test_fields_that_came_later_leave_older_hashes_as_they_were(name, hashed):
    """Runs, batch jobs and exported folders are named by them."""
    config = ModelConfig.from_preset(name)
    assert config.hash == hashed
    assert "num_experts" not in config.model_dump()
    changed = config.with_overrides({"rope_ratio": 0.5})
    assert changed.hash != hashed
    assert changed.model_dump()["rope_ratio"] == 0.5
