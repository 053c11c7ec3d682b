from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from labkit.core.errors import LabError
from labkit.training.data_order import BatchRamp, DataOrder, permute


@pytest.mark.parametrize("size", [1, 2, 3, 10, 64, 1000, 4097])
def test_a_keyed_permutation_is_a_permutation(size):
    for key in (0, 1, 2**63):
        assert sorted(permute(np.arange(size), size, key)) == list(range(size))


def test_permutations_of_different_keys_differ_and_look_random():
    one, other = (permute(np.arange(1000), 1000, key) for key in (1, 2))
    assert sum(a == b for a, b in zip(one, other, strict=True)) < 10
    assert abs(np.corrcoef(range(1000), one)[0, 1]) < 0.1


def test_one_source_is_seen_whole_once_an_epoch():
    order = DataOrder([37], [1.0], seed=3)
    samples = [order.sample(number) for number in range(3 * 37)]
    for epoch in range(3):
        windows = [s.window for s in samples[epoch * 37 : (epoch + 1) * 37]]
        assert sorted(windows) == list(range(37))
        assert {s.epoch for s in samples[epoch * 37 : (epoch + 1) * 37]} == {epoch}
    assert [s.window for s in samples[:37]] != [s.window for s in samples[37:74]]


@pytest.mark.parametrize(
    "weights", [[1.0], [0.5, 0.5], [0.5, 0.003, 0.497], [3, 1, 1, 1], [0.9, 0.05, 0.03, 0.02]]
)
def test_quotas_hold_at_every_blocks_end(weights):
    order = DataOrder([50] * len(weights), weights, seed=0)
    share = np.array(weights) / sum(weights)
    drawn: Counter[int] = Counter()
    for block in range(12):
        start = block * order.block_size
        drawn.update(order.sample(start + n).source for n in range(order.block_size))
        seen = start + order.block_size
        counts = np.array([drawn[source] for source in range(len(weights))])
        assert np.abs(counts - share * seen).max() < 1
        assert counts.tolist() == order.counts(seen).tolist()


def test_each_source_is_walked_without_replacement_however_it_is_mixed():
    order = DataOrder([40, 11], [0.7, 0.3], seed=5)
    seen: dict[tuple[int, int], list[int]] = {}
    for number in range(1000):
        sample = order.sample(number)
        seen.setdefault((sample.source, sample.epoch), []).append(sample.window)
    for (source, epoch), windows in seen.items():
        assert len(set(windows)) == len(windows)
        is_last = (source, epoch + 1) not in seen
        assert is_last or len(windows) == order.num_windows[source]


def test_any_step_can_be_the_first():
    ramp = BatchRamp(first=4, last=12, increment=4, steps_per_increment=3)
    order = DataOrder([100, 30], [0.6, 0.4], seed=9)
    whole = [order.batch(step, ramp).tolist() for step in range(20)]
    flat = [sample for batch in whole for sample in batch]
    assert flat == [list(order.sample(number)) for number in range(len(flat))]
    for step in (0, 7, 19):
        fresh = DataOrder([100, 30], [0.6, 0.4], seed=9)
        assert fresh.batch(step, ramp).tolist() == whole[step]


@pytest.mark.parametrize(
    "ramp",
    [BatchRamp(8, 8), BatchRamp(2, 6, 2, 3), BatchRamp(3, 10, 4, 5), BatchRamp(32, 3200, 32, 7)],
)
def test_the_closed_sum_of_a_ramp_is_the_sum(ramp):
    total = 0
    for step in range(900):
        assert ramp.first_sample(step) == total
        total += ramp.batch_size(step)
    assert ramp.batch_size(10**6) == ramp.last


@pytest.mark.parametrize(
    ("num_windows", "weights", "message"),
    [
        ([3], [], "1 sources but 0 weights"),
        ([3, 0], [1, 1], "source 1 has no window; use a shorter sequence"),
        ([3, 3], [1, 0], "weight 0 of source 1 should be above 0; leave it out"),
        ([3], [float("inf")], "weight inf of source 0"),
    ],
)
def test_refusals(num_windows, weights, message):
    with pytest.raises(LabError, match=message):
        DataOrder(num_windows, weights, seed=0)
