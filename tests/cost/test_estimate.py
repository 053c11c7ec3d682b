from __future__ import annotations

import json
from pathlib import Path

import pytest

from labkit.core.config import ConfigError
from labkit.core.records.decision import current_decision
from labkit.cost.config import CostConfig
from labkit.cost.estimate import compare_gpus, estimate_cost
from labkit.cost.hardware import find_gpu, gpus
from labkit.questions.cost.decision import record_cost
from labkit.questions.cost.sentences import cost_sentences
from labkit.questions.cost.tables import flops_rows, gpu_rows, parameter_rows


def config(**parameters) -> CostConfig:
    return CostConfig.from_parameters(parameters)


def test_llama_2_7b_by_hand():
    estimate = estimate_cost(
        config(model="llama-2-7b", num_tokens=2e12, flops_convention="6N", mfu=0.391, goodput=1.0)
    )
    assert estimate.total_flops == 6 * 6_738_415_616 * 2e12
    assert estimate.gpu_hours == pytest.approx(184_320, rel=0.002)
    assert estimate.days == estimate.gpu_hours / 1024 / 24
    assert estimate.usd == estimate.gpu_hours * 1.3


def test_hours_scale_with_tokens_and_against_goodput():
    base = estimate_cost(config()).gpu_hours
    assert estimate_cost(config(num_tokens=4e12)).gpu_hours == pytest.approx(2 * base)
    assert estimate_cost(config(goodput=0.45)).gpu_hours == pytest.approx(2 * base)


def test_a_gpu_without_a_sourced_price_asks_for_one():
    unpriced = [name for name, gpu in gpus().items() if gpu.usd_per_hour_typical is None]
    assert len(unpriced) >= 10
    for name in unpriced:
        without = estimate_cost(config(gpu=name))
        assert f"no sourced price for {name}" in without.shown_usd
        assert (without.usd, without.usd_band) == (None, None)
        assert without.gpu_hours > 0
        assert without.gpu_memory_bytes == gpus()[name].memory_bytes
        assert f"no sourced price for {name}" in cost_sentences(config(gpu=name))["money"].markup
        assert any(row["GPU"].startswith(name) for row in gpu_rows(config(gpu=name)))
        assert estimate_cost(config(gpu=name, price_usd_per_gpu_hour=2)).price_source == "given"


def test_every_price_has_a_source_and_a_date():
    for gpu in gpus().values():
        if gpu.usd_per_hour_typical is not None:
            assert gpu.price_source
            assert gpu.price_as_of >= "2026-05"
            assert gpu.usd_per_hour_low <= gpu.usd_per_hour_typical <= gpu.usd_per_hour_high


def test_aliases_are_resolved_before_hashing():
    assert config(gpu="H100-80GB") == config(gpu="H100 SXM")
    with pytest.raises(ValueError, match="unknown GPU 'H100SXM'; known: H100 SXM"):
        find_gpu("H100SXM")


def test_learned_positions_bound_the_sequence():
    with pytest.raises(ConfigError, match="learned positions end at context_length=1024"):
        config(model="gpt2", sequence_length=2048)
    assert config(model="llama-2-7b", sequence_length=8192).training_sequence_length == 8192


def test_a_given_price_belongs_to_the_chosen_gpu_alone():
    found = compare_gpus(config(gpu="H100 SXM", price_usd_per_gpu_hour=2.0))
    assert found["H100 SXM"].price_usd_per_gpu_hour == 2.0
    assert found["A100-80GB SXM"].price_usd_per_gpu_hour == 1.3
    assert "MI300X" not in found


def test_tables_of_any_gpu_that_has_a_price():
    for name in gpus():
        chosen = config(gpu=name, price_usd_per_gpu_hour=2.0)
        rows = gpu_rows(chosen)
        assert next(r["price of"] for r in rows if r["GPU"].split(" (peak")[0] == name) == "given"
        assert len(rows) >= 4
    rows = {row["GPU"]: row for row in gpu_rows(config(gpu="MI300X", price_usd_per_gpu_hour=2))}
    assert rows["MI300X"]["rent seen"] == "no data"
    assert rows["H100 SXM"]["step MFU measured by others"] == "0.36 to 0.42"


def test_rows_agree_with_the_estimate():
    estimate = estimate_cost(config(model="gpt2"))
    rows = parameter_rows(estimate)
    assert sum(row["parameters"] for row in rows) == 124_439_808
    assert flops_rows(config(model="gpt2"))[0]["of 6N"] == 1.0


def test_recording_twice_gives_the_same_bytes_in_the_same_place(lab_home: Path):
    first = record_cost(config())
    content = (first / "result.json").read_bytes()
    assert record_cost(config()) == first
    decision, folder = current_decision("40_cost_and_scaling")
    assert (folder, decision.corpus_hash) == (first, "any")
    assert json.loads(content)["estimate"] == estimate_cost(config()).model_dump()
    assert lab_home in first.parents


@pytest.mark.parametrize(
    ("name", "gpu"),
    [
        ("NVIDIA A100-PCIE-40GB", "A100-40GB PCIe"),
        ("NVIDIA A100 80GB PCIe", "A100-80GB PCIe"),
        ("NVIDIA GH200 480GB", "GH200"),
        ("NVIDIA GB200", "GB200 (per GPU)"),
        ("AMD Instinct MI300X OAM", "MI300X"),
        ("NVIDIA A10", "A10"),
        ("NVIDIA A40", "A40"),
        ("NVIDIA L40", "L40"),
        ("NVIDIA RTX A6000", "RTX A6000"),
    ],
)
def test_a_device_is_found_by_the_name_that_its_driver_gives(name, gpu):
    assert find_gpu(name).name == gpu


def test_memory_is_what_the_driver_reports():
    """81,559 MiB of an H100, of which 80e9 bytes are 74.5 GiB."""
    assert find_gpu("H100 SXM").memory_bytes / 2**30 == pytest.approx(79.6, abs=0.05)
    for gpu in gpus().values():
        assert gpu.memory_bytes >= 15e9
