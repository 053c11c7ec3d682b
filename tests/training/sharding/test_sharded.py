"""Runs on two and four processes against the same run on one."""

from __future__ import annotations

import pytest

from labkit.core.records.run import RunRecord
from labkit.training.checkpoints.difference import first_difference
from labkit.training.run import run
from tests.training.disturbed_objective import BATCH, Disturbed
from tests.training.sampled_objective import Sampled
from tests.training.sharding.cases import (
    BLOCKS,
    CHANGES,
    RECIPES,
    STEPS,
    families,
    family_layouts,
    on_one_process,
)
from tests.training.sharding.records import (
    alone,
    end_of,
    farthest,
    losses,
    plan_in,
    record_of,
    samples_of,
)

pytestmark = [pytest.mark.xdist_group("sharded"), pytest.mark.usefixtures("_in_that_home")]
BIT_EQUAL = {"weights_kept", "recomputed", "recomputed_in_part"}
BF16 = 0.05
"""Nats: sharded, the residual stream is bf16 too, which autocast on one process leaves in fp32."""


def held(record: RunRecord) -> list[dict[str, int]]:
    return record.read("processes")


@pytest.mark.parametrize("optimizer", RECIPES)
@pytest.mark.parametrize("layout", ["ddp", "fsdp"])
def test_losses_and_weights_are_bit_equal_to_one_process(optimizer, layout, on_two):
    record = record_of(on_two, f"{optimizer}-{layout}")
    one = alone(on_two, plan_in(record))
    assert losses(record) == losses(one)
    assert losses(record)[-1] < losses(record)[0] - 0.3
    for component in ("weights", "optimizer"):
        states = [{**end_of(each), "progress": {}, "random": {}} for each in (record, one)]
        assert first_difference(*states) is None, component


@pytest.mark.parametrize("optimizer", RECIPES)
def test_tensor_parallel_is_within_rounding_of_one_process(optimizer, on_four):
    for layout in ("tp", "both"):
        record = record_of(on_four, f"{optimizer}-{layout}")
        one = alone(on_four, plan_in(record))
        assert farthest(record, one) < 1e-5
        assert samples_of(record) == samples_of(one)


def test_adamw_is_within_rounding_of_the_whole_batch(on_two):
    record = record_of(on_two, "adamw-fsdp")
    whole_batch = plan_in(record).with_overrides({"layout.data_parallel": 1})
    assert whole_batch.num_micro_batches == 1
    assert farthest(record, alone(on_two, whole_batch)) < 1e-5


@pytest.mark.parametrize("optimizer", RECIPES)
@pytest.mark.parametrize("change", CHANGES)
def test_whatever_else_a_plan_asks_for(change, optimizer, on_two):
    record = record_of(on_two, f"{optimizer}-{change}")
    one = alone(on_two, plan_in(record))
    assert farthest(record, one) < (BF16 if change == "bf16" else 1e-5)
    if change in BIT_EQUAL:
        assert losses(record) == losses(one)


@pytest.mark.parametrize("optimizer", RECIPES)
@pytest.mark.parametrize(
    ("layout", "share"), [("ddp", 1), ("fsdp", 1 / 2), ("tp", 1 / 2), ("both", 1 / 4)]
)
def test_each_process_holds_its_share(optimizer, layout, share, on_four):
    record = record_of(on_four, f"wide-{optimizer}-{layout}")
    one = alone(on_four, plan_in(record), until=2)
    [whole] = held(one)
    for own in held(record):
        for part in ("weights", "optimizer", "gradients"):
            assert own[part] == pytest.approx(share * whole[part], rel=0.02), part


@pytest.mark.parametrize("variant", BLOCKS)
def test_every_kind_of_block_is_cut_right(variant, on_two):
    record = record_of(on_two, variant)
    assert farthest(record, alone(on_two, plan_in(record))) < 1e-5


def test_what_fails_on_one_process_fails_on_all_and_the_next_run_starts(on_two):
    def refusals(name: str) -> list[str]:
        return [(on_two / "sharded" / name / f"refused-{n}.txt").read_text() for n in (0, 1)]

    for text in refusals("missing"):
        assert "nowhere: no such folder" in text
    for form in ("sharded", "consolidated"):
        for text in refusals(f"full-{form}"):
            assert "could not be written" in text
            assert "bytes free" in text
        assert not list((on_two / "sharded" / f"full-{form}" / "checkpoints").iterdir())


def test_every_family_of_presets_learns_sharded_and_cut_or_is_refused(on_two, data):
    names = family_layouts(data)
    for name in names:
        found = losses(record_of(on_two, name))
        assert found[-1] < found[0] - 0.3, name
        assert len(found) == STEPS
    uncut = {name for name in families(data) if f"{name}-tp" not in names}
    assert uncut == {
        *("bloom-560m", "mpt-7b", "gopher-280b"),  # biases of heads, keys by distance
        "olmo-2-1b",  # a norm over all heads
        *("mixtral-8x7b", "qwen3-30b-a3b"),
    }


def test_experts_of_which_processes_use_different_ones_learn_as_on_one(on_two):
    """Gradients of the stacks are bit-equal to one process', and so is what the routers lost."""
    record = record_of(on_two, "experts")
    plan = plan_in(record)
    assert plan.model.num_experts > plan.micro_batch * plan.sequence_length
    one = alone(on_two, plan)
    assert losses(record) == losses(one)
    states = [{**end_of(each), "progress": {}, "random": {}} for each in (record, one)]
    assert first_difference(*states) is None


def test_a_sampled_objective_is_that_of_one_process_and_resumes_between_two_updates(on_two):
    whole, resumed = record_of(on_two, "sampled"), record_of(on_two, "sampled-resumed")
    assert first_difference(end_of(whole, 6), end_of(resumed, 6)) is None
    folder = on_two / "alone" / "sampled"
    if not folder.exists():
        run(
            on_one_process(plan_in(whole)),
            folder,
            make_objective=Sampled,
            step_seconds=[0.01],
            say=lambda _: None,
        )
    assert losses(whole) == pytest.approx(losses(RunRecord(folder)), abs=1e-5)
    assert len(losses(whole)) == 6


@pytest.mark.parametrize("layout", ["ddp", "fsdp", "tp"])
def test_processes_agree_to_rewind_and_end_as_one_does(layout, on_two):
    record = record_of(on_two, f"disturbed-{layout}")
    folder = on_two / "alone" / "disturbed"
    if not folder.exists():
        run(
            on_one_process(plan_in(record)),
            folder,
            make_objective=Disturbed,
            step_seconds=[0.01],
            say=lambda _: None,
        )
    one = RunRecord(folder)
    assert record.read("result")["skipped_batches"] == [[BATCH - 8, BATCH]]
    assert record.read("skipped")[0]["documents"] == one.read("skipped")[0]["documents"]
    assert losses(record) == pytest.approx(losses(one), abs=1e-5)
    assert len(losses(record)) == 48


@pytest.mark.parametrize("layout", ["fsdp", "tp"])
def test_weights_to_start_from_are_those_of_one_process(layout, on_two):
    record = record_of(on_two, f"started-{layout}")
    one = alone(on_two, plan_in(record), until=3)
    assert losses(record) == pytest.approx(losses(one), abs=1e-5)
    fresh = losses(record_of(on_two, f"muon-{layout}"))
    assert losses(record)[0] < fresh[0] - 0.3
