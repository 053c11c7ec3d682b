from __future__ import annotations

import math

import pytest
import torch

from labkit.core.records.run import RunRecord
from labkit.cost.hardware import find_gpu
from labkit.model.objective import next_token_nats
from labkit.plan.recipes import with_recipe
from labkit.training.recording.predictions import predict, score, utilization
from labkit.training.run import run
from labkit.training.state import make_state
from tests.training.tiny import tiny_plan, write_tiny_corpus

NO_DATA = {"batch_size": 4}


def test_nats_of_the_next_token_by_hand():
    logits = torch.log(torch.tensor([[[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]]]))
    found = next_token_nats(logits, torch.tensor([[1, 1]]))
    assert found.tolist()[0] == pytest.approx([math.log(4), -math.log(0.8)])


def test_shared_parameters_of_two_recipes_start_equal():
    plan = tiny_plan(NO_DATA)
    one, other = (
        dict(
            make_state(
                with_recipe(plan, recipe).with_overrides({"model.initialization": "gpt2"})
            ).model.named_parameters()
        )
        for recipe in ("gpt2", "modern")
    )
    shared = [name for name in one if name in other and one[name].shape == other[name].shape]
    assert len(shared) > 10
    assert all(torch.equal(one[name], other[name]) for name in shared)


def test_bf16_trains_like_fp32(lab_home):
    data = write_tiny_corpus(lab_home)
    losses = {}
    for precision in ("fp32", "bf16"):
        plan = tiny_plan(data, 30).with_overrides({"compute.precision": precision})
        record = RunRecord(lab_home / precision)
        run(plan, record.folder, say=lambda _: None)
        losses[precision] = [row["loss"] for row in record.rows("step")]
    assert losses["bf16"] != losses["fp32"]
    assert losses["bf16"] == pytest.approx(losses["fp32"], abs=0.02)


def test_weights_and_optimizer_stay_fp32_under_bf16():
    plan = tiny_plan(NO_DATA).with_overrides({"compute.precision": "bf16"})
    assert {weight.dtype for weight in make_state(plan).weights} == {torch.float32}


def test_predictions_by_hand():
    plan = tiny_plan(NO_DATA, 100).with_overrides(
        {"budget.usd_per_hour": 36.0, "compute.precision": "bf16"}
    )
    found = predict(plan, [0.5, 0.1, 0.2, 0.2], "NVIDIA H100 80GB HBM3")
    matrices = 2 * (4 * 32 * 32 + 2 * 32 * 64)
    parameters = 257 * 32 + 16 * 32 + matrices + 5 * 32
    assert found["parameters"] == parameters
    assert found["flops"] == 100 * 64 * (6 * parameters + 12 * 2 * 32 * 16)
    assert found["seconds_of_steps"] == pytest.approx(20)
    assert found["usd"] == pytest.approx(0.2)
    rate = 0.25 * 989e12 / (found["flops"] / 6400)
    assert utilization(found, 6400, rate) == pytest.approx(0.25, rel=0.01)
    assert utilization(found | {"peak_flops_per_s": None}, 6400, rate) is None
    scores = score(found, {"seconds_of_steps": 25.0, "usd": None, "parameters": parameters})
    assert scores["seconds_of_steps"]["measured_to_predicted"] == pytest.approx(1.25)
    assert set(scores) == {"seconds_of_steps", "parameters"}


def test_an_fp32_run_has_no_utilization_of_a_16_bit_peak():
    plan = tiny_plan({"batch_size": 4})
    peaks = [
        predict(plan.with_overrides({"compute.precision": one}), [0.1], "NVIDIA H200")[
            "peak_flops_per_s"
        ]
        for one in ("bf16", "fp32")
    ]
    assert peaks == [find_gpu("NVIDIA H200").peak_flops_per_s, None]
