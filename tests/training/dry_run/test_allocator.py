from __future__ import annotations

import random

import pytest

from labkit.training.dry_run.allocator import MIB, reserved_bytes
from labkit.training.dry_run.storages import Storage


def mib(*sizes: float) -> list[Storage]:
    return [Storage(int(size * MIB), "x") for size in sizes]


def test_a_block_is_used_again_by_what_fits_in_it():
    big, small = mib(30, 25)
    assert reserved_bytes([(big, True), (big, False), (small, True)]) == 30 * MIB
    assert reserved_bytes([(small, True), (small, False), (big, True)]) == (30 + 26) * MIB


def test_small_tensors_share_a_segment_of_2_mib_and_middling_ones_one_of_20():
    assert reserved_bytes([(one, True) for one in mib(0.5, 0.5, 0.5, 0.5)]) == 2 * MIB
    assert reserved_bytes([(one, True) for one in mib(4, 4, 4, 4, 4)]) == 20 * MIB
    assert reserved_bytes([(one, True) for one in mib(4, 4, 4, 4, 5)]) == 40 * MIB


def test_what_is_split_joins_again():
    whole, left, right = mib(40, 20, 20)
    changes = [(whole, True), (whole, False), (left, True), (right, True)]
    changes += [(left, False), (right, False), (whole, True)]
    assert reserved_bytes(changes) == 40 * MIB


def test_streams_do_not_share():
    one, other = mib(30, 30)
    other.stream = "gather"
    assert reserved_bytes([(one, True), (one, False), (other, True)]) == 60 * MIB


def test_an_expandable_segment_grows_at_its_end_where_a_new_one_would_be_asked_for():
    small, big = mib(20, 40)
    changes = [(small, True), (small, False), (big, True)]
    assert reserved_bytes(changes) == 60 * MIB
    assert reserved_bytes(changes, expandable_segments=True) == 40 * MIB


@pytest.mark.parametrize("expandable", [False, True])
def test_never_less_than_what_is_there(expandable):
    rng = random.Random(3)
    live, changes, now, most = [], [], 0, 0
    for _ in range(3000):
        if live and rng.random() < 0.48:
            gone = live.pop(rng.randrange(len(live)))
            changes.append((gone, False))
            now -= gone.num_bytes
        else:
            live.append(
                Storage(int(2 ** rng.uniform(5, 27)), "x", rng.choice(["compute", "gather"]))
            )
            changes.append((live[-1], True))
            now += live[-1].num_bytes
        most = max(most, now)
    found = reserved_bytes(changes, expandable_segments=expandable)
    assert most <= found <= 2 * most
