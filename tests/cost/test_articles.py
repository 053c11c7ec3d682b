"""Figures that articles and model cards print; those that are wrong are shown to be wrong."""

from __future__ import annotations

from statistics import median

import pytest

from labkit.cost.config import CostConfig
from labkit.cost.estimate import estimate_cost
from labkit.cost.flops import training_flops_per_token
from labkit.cost.hardware import find_gpu
from labkit.cost.measured_steps import measured_steps, mfu_quartiles
from labkit.cost.money import affordable_tokens, break_even_hours, energy_mwh, gpu_hours
from labkit.cost.parameters import count_parameters
from labkit.cost.published_runs import hours_band, predicted_hours, published_runs
from labkit.model.config import ModelConfig

A100 = find_gpu("A100-80GB SXM").peak_flops_per_s


@pytest.mark.parametrize(
    ("name", "hours", "convention", "percent"),
    [
        ("llama-2-7b", 184_320, "6N", 39.1),
        ("llama-2-7b", 184_320, "6N+12LHQT", 45.3),
        ("llama-2-70b", 1_720_320, "6N", 42.8),
        ("llama-2-70b", 1_720_320, "6N+12LHQT", 46.2),
    ],
)
def test_mfu_of_llama_2_from_its_billed_hours(name, hours, convention, percent):
    model = ModelConfig.from_preset(name)
    flops = training_flops_per_token(model, 4096, convention) * 2e12
    mfu = flops / (hours * 3600 * A100)
    assert round(100 * mfu, 1) == percent
    assert gpu_hours(flops, A100, mfu) == pytest.approx(hours)


def test_mfu_of_all_172_published_steps():
    steps = measured_steps()
    assert len(steps) == 172
    assert max(abs(step.mfu / step.reported_mfu - 1) for step in steps) < 0.003


def test_mfu_quartiles_are_ordered_and_known_only_where_measured():
    low, middle, high = mfu_quartiles("H100 SXM") or (0, 0, 0)
    assert 0.1 < low < middle < high < 0.7
    assert mfu_quartiles("MI300X") is None


@pytest.mark.parametrize(("price", "usd"), [(1.0, 100_000), (2.0, 200_000)])
def test_renting_100k_hours_costs_100_to_200_thousand(price, usd):
    per_token = training_flops_per_token(ModelConfig.from_preset("llama-2-13b"), 4096, "6N")
    config = CostConfig.from_parameters(
        {
            "model": "llama-2-13b",
            "num_tokens": round(affordable_tokens(100_000, per_token, A100, 0.40, 0.9)),
            "gpu": "A100-80GB SXM",
            "flops_convention": "6N",
            "price_usd_per_gpu_hour": price,
        }
    )
    assert estimate_cost(config).usd == pytest.approx(usd)


def test_buying_at_ten_thousand_dollars_breaks_even_after_ten_thousand_hours_at_one():
    assert break_even_hours(10_000, rent_usd_per_gpu_hour=1.0) == 10_000
    assert break_even_hours(10_000, 2.0, running_usd_per_gpu_hour=1.0) == 10_000
    with pytest.raises(ValueError, match="buying never pays"):
        break_even_hours(10_000, 1.0, running_usd_per_gpu_hour=1.0)


def test_a_thousand_mwh_are_two_million_hours_of_a_400_watt_gpu():
    assert energy_mwh(2_272_727, power_w=400, pue=1.1) == pytest.approx(1000, rel=1e-6)


def test_ten_and_hundred_billion_parameters_hide_a_tenfold_change_in_tokens():
    for num_parameters, hours, per_parameter in [(10e9, 1e5, 75), (100e9, 1e6, 7.5)]:
        tokens = affordable_tokens(hours, 6 * num_parameters, A100, 0.40)
        assert tokens / num_parameters == pytest.approx(per_parameter, rel=0.002)
    assert gpu_hours(6 * 10e9 * 2e12, A100, 0.40) == pytest.approx(267_000, rel=0.001)


def test_memory_of_70b_is_138_gb_and_not_120():
    llama_70b = count_parameters(ModelConfig.from_preset("llama-2-70b"))
    assert round(llama_70b * 2 / 1e9, 1) == 138.0
    assert round(llama_70b * 2 / 2**30, 1) == 128.5
    llama_7b = count_parameters(ModelConfig.from_preset("llama-2-7b"))
    assert round(llama_7b * 4 / 1e9, 2) == 26.95
    assert round(llama_7b / 2 / 1e9, 1) == 3.4  # 4 bits: "about 4 GB", not the article's 9


def test_published_runs_are_predicted_without_their_own_family():
    run = next(run for run in published_runs() if run.model == "GPT-3 175B")
    others = {r.family: r for r in published_runs() if r.family != run.family}
    assert run.family not in others
    implied = run.total_flops / (predicted_hours(run) * 3600 * run.peak_flops_per_s)
    assert min(r.utilization for r in published_runs()) < implied < 0.5


def test_the_band_holds_the_middle_families():
    """Ten families: 80% leaves out the lowest and the highest, and interpolates towards them."""
    families: dict[str, list[float]] = {}
    for run in published_runs():
        families.setdefault(run.family, []).append(run.gpu_hours / predicted_hours(run))
    ratios = sorted(median(found) for found in families.values())
    assert len(ratios) == 10
    low, high = hours_band()
    assert low == pytest.approx(ratios[0] + 0.9 * (ratios[1] - ratios[0]))
    assert high == pytest.approx(ratios[8] + 0.1 * (ratios[9] - ratios[8]))
    assert hours_band(0.5)[1] < high
