from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from labkit.core.errors import LabError
from labkit.data.pipeline.row_numbers import RowNumbers

SIZES = [3, 0, 5, 1, 0, 0, 7, 2]


@pytest.mark.parametrize("seed", range(5))
def test_first_rows_follow_the_portions_whoever_comes_first(seed: int):
    rows, order = RowNumbers(), list(range(len(SIZES)))
    random.Random(seed).shuffle(order)
    with ThreadPoolExecutor(len(SIZES)) as pool:
        taken = {portion: pool.submit(rows.take, portion, SIZES[portion]) for portion in order}
    assert [taken[p].result() for p in range(len(SIZES))] == [0, 3, 3, 8, 9, 9, 9, 16]


def test_one_given_up_refuses_those_behind_it_alone():
    rows = RowNumbers()
    with ThreadPoolExecutor(4) as pool:
        given_up = pool.submit(rows.give_up, 2)
        behind = pool.submit(rows.take, 3, 1)
        before = [pool.submit(rows.take, portion, 4) for portion in (1, 0)]
    assert [one.result() for one in before] == [4, 0]
    assert given_up.result() is None
    with pytest.raises(LabError, match="could not be read"):
        behind.result()
