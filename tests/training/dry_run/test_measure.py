from __future__ import annotations

import json
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch.testing._internal.distributed.fake_pg import FakeStore

from labkit.core.config import validate
from labkit.core.errors import LabError
from labkit.cost.memory import PARTS, training_memory
from labkit.cost.plan_cost import memory_config
from labkit.model.config import ModelConfig
from labkit.model.objective import next_token_nats
from labkit.plan.plan import TrainingPlan
from labkit.training.dry_run.__main__ import main
from labkit.training.dry_run.measure import dry_run, measure
from labkit.training.dry_run.table import dry_run_table
from labkit.training.state import make_state

SHAPE = {"vocab_size": 600, "num_layers": 2, "d_model": 256, "d_ff": 768, "context_length": 512}
GPT = SHAPE | {"num_heads": 4, "num_kv_heads": 4, "head_dim": 64}
LLAMA = GPT | {"num_kv_heads": 2}


def plan_of(
    *, preset: str = "llama-3-8b", samples: int = 8, length: int = 512, **changes: Any
) -> TrainingPlan:
    """`samples` in a process' forward pass; keys of the layout and of the rest in one."""
    layout = {name: changes.pop(name) for name in [*changes] if name in LAYOUT}
    size = samples * layout.get("data_parallel", 1) * changes.pop("num_micro_batches", 1)
    shape = (GPT if preset == "gpt2" else LLAMA) | changes.pop("model", {})
    return validate(
        TrainingPlan,
        {
            "model": ModelConfig.from_preset(preset).model_dump() | shape,
            "data": {"batch_size": size, "micro_batch": samples, "sequence_length": length},
            "layout": layout,
            "compute": {"precision": "bf16", "attention": "fused"} | changes.pop("compute", {}),
        }
        | changes,
    )


LAYOUT = {*validate(TrainingPlan, {}).layout.model_dump()}


def closed_form(plan: TrainingPlan) -> dict[str, int]:
    num = plan.layout.num_processes
    return training_memory(plan.model, memory_config(plan), plan.sequence_length, num)


def test_a_small_gpt_by_hand():
    """fp32, one process, in the loss of a second micro-batch: 16 bytes a parameter, the logits'
    log-softmax and two gradients; of each token and block in numbers of 4 bytes: stream and norms'
    results 4 d, q, k, v and attention 4 d, feed-forward 2 f, log-sum-exp one a head; final norm and
    head 2 d; and two statistics of each norm."""
    found = measure(plan_of(preset="gpt2", compute={"precision": "fp32"}, num_micro_batches=2))
    d, f, tokens = 256, 768, 8 * 512
    block = 4 * (4 * d + 4 * d + 2 * f + 4)
    attention, feed_forward, norms = 4 * d * d + 4 * d, 2 * d * f + f + d, 4 * d
    parameters = 2 * (attention + feed_forward + norms) + 600 * d + 512 * d + 2 * d
    assert found.parts["weights"] == found.parts["gradients"] == 4 * parameters
    assert found.parts["optimizer"] == pytest.approx(8 * parameters, abs=1000)
    assert found.parts["logits"] == tokens * 600 * 12
    statistics = tokens * 8 * 5
    assert found.parts["activations"] == pytest.approx(
        tokens * (2 * block + 8 * d) + statistics, rel=0.003
    )
    assert sum(found.parts.values()) == found.peak_bytes


def test_states_are_those_of_a_real_run_in_bytes():
    plan = plan_of(samples=1, length=32, num_micro_batches=2)
    state = make_state(
        plan.model_copy(
            update={
                "compute": plan.compute.model_copy(update={"device": "cpu", "precision": "fp32"})
            }
        )
    )
    ids_BT = torch.zeros(1, 32, dtype=torch.long)
    next_token_nats(state.model(ids_BT), ids_BT).sum().backward()
    state.optimizer.step()
    real = {
        "weights": state.weights,
        "gradients": [p.grad for p in state.weights],
        "optimizer": [one for values in state.optimizer.state.values() for one in values.values()],
    }
    found = measure(plan).parts
    for part, tensors in real.items():
        assert found[part] == sum(one.untyped_storage().nbytes() for one in tensors), part


@pytest.mark.parametrize("tensor_parallel", [1, 2])
@pytest.mark.parametrize("recompute", ["none", "selective", "full"])
def test_the_closed_form_says_the_same_of_a_sharded_plan(recompute, tensor_parallel):
    plan = plan_of(data_parallel=4, tensor_parallel=tensor_parallel, recompute=recompute)
    found, ours = measure(plan), closed_form(plan)
    assert sum(ours.values()) == pytest.approx(found.peak_bytes, rel=0.03)
    for part in PARTS:
        assert ours[part] == pytest.approx(found.parts[part], abs=0.03 * found.peak_bytes), part


@pytest.mark.parametrize(
    "changes",
    [
        {"recompute": "none"},
        {"recompute": "selective"},
        {"recompute": "full"},
        {"data_parallel": 4, "sharding": "none"},
        {"data_parallel": 4, "compute": {"precision": "fp32"}},
        {"data_parallel": 4, "samples": 1, "reshard_after_forward": False},
        {"data_parallel": 4, "num_micro_batches": 3},
        {"data_parallel": 4, "num_micro_batches": 3, "reduce_every_micro_batch": False},
        {"preset": "gpt2", "data_parallel": 4, "model": {"dropout": 0.1, "token_shift": True}},
        {"preset": "gpt2", "model": {"block": "parallel", "qk_norm": True}},
        {"preset": "gpt2", "data_parallel": 4, "model": {"feed_forward": "relu_squared"}},
        {"preset": "gpt2", "model": {"block": "parallel_two_norms", "positions": "rope"}},
        {"preset": "gpt2", "model": {"embedding_norm": True, "embedding_width": 128}},
        {"model": {"feed_forward": "glu", "logit_soft_cap": 30.0, "window": 100}},
        {"model": {"num_experts": 8}},
    ],
    ids=str,
)
def test_the_closed_form_says_the_same_of_other_plans(changes):
    plan = plan_of(**changes)
    assert sum(closed_form(plan).values()) == pytest.approx(measure(plan).peak_bytes, rel=0.04)


def test_a_process_holds_its_share_of_states():
    """Norms are whole on both processes of a group."""
    parts = {
        (dp, tp): measure(plan_of(samples=1, data_parallel=dp, tensor_parallel=tp)).parts
        for dp, tp in ((1, 1), (2, 1), (8, 1), (4, 2))
    }
    for part in ("weights", "optimizer"):
        assert parts[8, 1][part] == pytest.approx(parts[1, 1][part] / 8, rel=0.001)
        assert parts[8, 1][part] == pytest.approx(parts[2, 1][part] / 4, rel=0.001)
        assert parts[4, 2][part] == pytest.approx(parts[8, 1][part], rel=0.01)


def test_scores_are_stored_where_they_are_written_out_and_there_alone():
    written_out = plan_of(compute={"attention": "written_out"}, length=512)
    more = measure(written_out).parts["activations"] - measure(plan_of()).parts["activations"]
    assert more > 2 * 8 * 4 * 512 * 512 * 6 * 0.9  # blocks, samples, heads, fp32 and cast


def test_muon_keeps_half_of_adamws_states_for_matrices():
    plans = [
        plan_of(data_parallel=2, optimizer={"preset": name, "matrices": name})
        for name in ("adamw", "muon")
    ]
    adamw, muon = (measure(plan).parts["optimizer"] for plan in plans)
    root = 2 * 600 * 256
    matrices = measure(plans[0]).parts["weights"] // 4 - root // 2
    assert adamw - muon == pytest.approx(4 * matrices, rel=0.02)


def test_the_allocator_holds_more_than_tensors():
    found = measure(plan_of(data_parallel=4))
    assert found.peak_bytes < found.reserved_expandable_bytes <= found.reserved_bytes
    assert found.reserved_bytes < 2 * found.peak_bytes


def test_in_a_process_of_its_own_it_finds_the_same_and_says_what_it_ignored():
    plan = plan_of(data_parallel=2, compile_blocks=True, recompute="full")
    found = dry_run(plan)
    assert found.ignored == ("compile_blocks",)
    assert found.parts == measure(plan).parts
    table = dry_run_table(plan, found)
    assert [row["part"] for row in table] == [*PARTS, "all"]
    assert table[-1]["dry run, GB"] == pytest.approx(found.peak_bytes / 1e9, abs=0.001)


def test_the_command_prints_a_report_or_one_line_of_json(tmp_path, monkeypatch, capsys):
    path = plan_of(samples=1).save_parameters(tmp_path / "plan.yaml")
    for flags in ([], ["--json"]):
        monkeypatch.setattr("sys.argv", ["dry_run", str(path), *flags])
        assert main() == 0
    report, line = capsys.readouterr().out.rsplit("\n{", 1)
    found = json.loads("{" + line)
    assert sum(found["parts"].values()) == found["peak_bytes"]
    assert f"all{found['peak_bytes'] / 1e9:>25.3f}" in report
    monkeypatch.setattr("sys.argv", ["dry_run", str(tmp_path / "none.json")])
    assert main() == 2


def test_a_process_of_a_group_is_sent_to_one_of_its_own():
    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=2)
    try:
        with pytest.raises(LabError, match="call dry_run"):
            measure(plan_of())
    finally:
        dist.destroy_process_group()


def test_a_failure_is_one_line(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(LabError, match="dry run: ended without a word"):
        dry_run(plan_of())


def test_one_that_takes_too_long_is_told_with_the_command_that_may(monkeypatch):
    monkeypatch.setattr("labkit.training.dry_run.measure.TIMEOUT_SECONDS", 0.01)
    with pytest.raises(LabError, match=r"not done after 0.01 s; `python -m labkit.training.dry"):
        dry_run(plan_of())
