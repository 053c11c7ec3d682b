from __future__ import annotations

import hashlib
import random

import pytest

from labkit.core.errors import LabError
from labkit.data.duplicates.exact import ExactDuplicates
from tests.data.duplicates.planted import batch_of, settle, words


def test_all_but_one_of_k_copies_are_dropped_and_name_the_one_kept():
    texts = ["a", "b", "a", "", "a ", "b", "a", ""]
    outcome = settle(ExactDuplicates(), texts).apply(batch_of(texts))
    assert outcome.kept["row"].to_pylist() == [0, 1, 3, 4]
    assert outcome.dropped["row"].to_pylist() == [2, 5, 6, 7]
    assert outcome.dropped["value"].to_pylist() == [0, 1, 0, 3]
    assert set(outcome.dropped["rule"].to_pylist()) == {"exact_duplicates"}


def test_groups_are_those_of_hashlib_in_any_order_and_any_cut():
    rng = random.Random(0)
    texts = [" ".join(words(rng, 2, vocabulary=9)) for _ in range(500)]
    for _ in range(3):
        rng.shuffle(texts)
        first = {}
        for row, text in enumerate(texts):
            first.setdefault(hashlib.sha256(text.encode()).digest(), row)
        step = settle(ExactDuplicates(), texts, sorted(rng.sample(range(500), 9)))
        assert sorted(set(range(500)) - set(step.rows.tolist())) == sorted(first.values())


def test_the_copy_with_the_highest_score_stays():
    scores = {"score": [1.0, None, 3.0, float("nan"), 3.0]}
    survey = ExactDuplicates(keep="highest", score_column="score")
    batch = batch_of(["a"] * 5, **scores)
    step = survey.settle([survey.sketch(batch)], lambda rows: [])
    assert step.apply(batch).kept["row"].to_pylist() == [2]
    with pytest.raises(LabError, match="score_column='id' is no column of numbers; there are row"):
        ExactDuplicates(keep="highest", score_column="id").sketch(batch)


def test_nothing_in_nothing_out():
    step = settle(ExactDuplicates(), [])
    assert step.apply(batch_of([])).kept.num_rows == 0
    assert step.apply(batch_of(["a"])).kept.num_rows == 1
