from __future__ import annotations

import multiprocessing
import pickle
import random
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

from labkit.core.config import ConfigError, validate
from labkit.data.duplicates.bands import Bands, choose_bands
from labkit.data.duplicates.candidates import candidate_pairs
from labkit.data.duplicates.code import CodeDuplicates
from labkit.data.duplicates.near import NearDuplicates, join_sketches
from labkit.data.duplicates.signatures import estimate_jaccard, permutations, sign
from labkit.data.duplicates.verify import jaccard, shingles
from tests.data.duplicates.planted import (
    batch_of,
    near_pairs,
    settle,
    true_jaccard,
    words,
)


def test_minima_by_hand():
    """Two documents of one shingle each, two permutations: the minima are the values themselves."""
    hashes = np.array([3 << 32, 10 << 32], dtype=np.uint64)
    permutation = np.array([[1, 5], [0, 2**32 - 20]], dtype=np.uint32)
    signed = sign(hashes, np.array([1, 2, 2]), permutation)
    assert signed.tolist() == [[3, 2**32 - 5], [10, 30], [2**32 - 1, 2**32 - 1]]
    both = sign(hashes, np.array([2]), permutation)
    assert both.tolist() == [[3, 30]]


def test_the_estimate_is_within_three_hundredths_on_average():
    """Theory at 256 permutations: sqrt(2 J (1 - J) / (256 pi)), 0.025 at J = 0.5."""
    rng = np.random.default_rng(0)
    errors = []
    for number in range(200):
        pool = rng.integers(0, 2**64, 400, dtype=np.uint64)
        common = int(rng.integers(20, 190))
        one, other = pool[:200], np.r_[pool[:common], pool[200 : 400 - common]]
        signed = sign(np.r_[one, other], np.array([200, 400]), permutations(256, number))
        truth = common / (400 - common)
        errors.append(float(estimate_jaccard(signed[0], signed[1])) - truth)
    assert np.abs(errors).mean() <= 0.03
    assert abs(np.mean(errors)) < 0.006


@pytest.mark.parametrize("survey", [NearDuplicates(), CodeDuplicates()])
def test_no_document_is_left_to_compare(survey):
    """As when all were dropped by a step before."""
    assert len(survey.settle([], lambda rows: []).rows) == 0


def test_bands_follow_from_threshold_and_recall():
    assert choose_bands(0.8, 128, 0.999) == Bands(25, 5)
    for threshold in (0.5, 0.7, 0.8, 0.95):
        bands = choose_bands(threshold, 128, 0.995)
        assert bands.probability(threshold) >= 0.995
        one_more = bands.num_rows + 1
        assert Bands(128 // one_more, one_more).probability(threshold) < 0.995
    curve = Bands(25, 5).probability(np.linspace(0, 1, 101))
    assert (np.diff(curve) >= 0).all()
    assert (curve[0], curve[-1]) == (0, 1)
    with pytest.raises(ConfigError, match="raise num_permutations or the threshold"):
        validate(NearDuplicates, {"threshold": 0.3, "num_permutations": 16})


def test_the_s_curve_is_the_share_of_candidates_found():
    """Simulated: signatures that agree in each minimum with probability J."""
    rng = np.random.default_rng(1)
    bands, num = Bands(8, 4), 4000
    for similar in (0.5, 0.7):
        one = rng.integers(0, 2**32, (num, 32), dtype=np.uint32)
        other = np.where(
            rng.random(one.shape) < similar, one, rng.integers(0, 2**32, one.shape, np.uint32)
        )
        found = np.concatenate(
            [*candidate_pairs(np.concatenate([one, other]), bands, 0.3), np.zeros((0, 2), int)]
        )
        found = np.unique(found[found[:, 1] - found[:, 0] == num], axis=0)
        assert len(found) / num == pytest.approx(float(bands.probability(similar)), abs=0.025)


def test_all_pairs_of_near_duplicates_and_no_others_are_joined():
    texts = near_pairs(random.Random(0), 300)
    step = settle(NearDuplicates(), texts)
    kept_of = dict(zip(step.rows.tolist(), step.kept_rows.tolist(), strict=True))
    truth = {
        row + 1: row
        for row in range(0, len(texts), 2)
        if true_jaccard(texts[row], texts[row + 1]) >= 0.8
    }
    assert 50 < len(truth) < 290
    assert kept_of == truth
    outcome = step.apply(batch_of(texts))
    assert outcome.kept.num_rows + outcome.dropped.num_rows == len(texts)
    assert set(outcome.dropped["rule"].to_pylist()) == {"near_duplicates"}
    assert outcome.dropped["value"].to_pylist() == [truth[row] for row in sorted(truth)]
    assert set(outcome.dropped["threshold"].to_pylist()) == {0.8}


def test_jaccard_is_that_of_string_shingles():
    rng = random.Random(4)
    texts = near_pairs(rng, 20) + [" ".join(words(rng, 60, vocabulary=4)) for _ in range(20)]
    for one, other in zip(texts[::2], texts[1::2], strict=True):
        expected = true_jaccard(one, other)
        assert jaccard(shingles(one), shingles(other)) == pytest.approx(expected)


@pytest.mark.parametrize("keep", ["first", "longest"])
def test_large_interleaved_buckets_close_to_their_clusters(keep):
    """Three clusters of 150 that share most of their text fill buckets of up to 450."""
    rng = random.Random(5)
    common = words(rng, 150)
    tails = [words(rng, 60) for _ in range(3)]
    texts = []
    for number in range(450):
        text = [*common, *tails[number % 3]]
        text[149] = f"y{number}"
        texts.append(" ".join(text))
    step = settle(NearDuplicates(threshold=0.85, keep=keep), texts)
    assert len(step.rows) == 447
    kept_of = dict(zip(step.rows.tolist(), step.kept_rows.tolist(), strict=True))
    assert all(row % 3 == kept % 3 for row, kept in kept_of.items())


def test_any_cut_and_any_processes_give_the_same_bytes():
    texts = [*near_pairs(random.Random(1), 60, length=80), "", "short", "short", "，。"]
    survey = NearDuplicates()
    step = settle(survey, texts)
    rng = random.Random(2)
    for _ in range(5):
        cuts = sorted(rng.sample(range(len(texts)), 7))
        assert pickle.dumps(settle(survey, texts, cuts)) == pickle.dumps(step)
    batches = [batch_of(texts[first : first + 20], first) for first in range(0, len(texts), 20)]
    for method, num_processes in (("fork", 3), ("spawn", 2)):
        with ProcessPoolExecutor(num_processes, multiprocessing.get_context(method)) as pool:
            sketches = list(pool.map(survey.sketch, batches))
        again = survey.settle(sketches, lambda rows: [texts[row] for row in rows])
        assert pickle.dumps(again) == pickle.dumps(step)


def test_a_document_takes_at_most_the_bytes_predicted():
    survey = NearDuplicates()
    texts = near_pairs(random.Random(3), 50)
    sketch = join_sketches([survey.sketch(batch_of(texts))])
    held = sketch.signatures.nbytes + sum(array.nbytes for array in sketch.claims)
    assert held / len(texts) <= survey.predicted_bytes(1) <= 1000
    assert NearDuplicates(num_permutations=160).predicted_bytes(1) <= 1000
