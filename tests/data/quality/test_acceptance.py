from __future__ import annotations

import pickle

import numpy as np
import pyarrow as pa
import pytest

from labkit.data.pipeline.step import Step
from labkit.data.quality.acceptance import (
    AcceptanceConfig,
    QualityFilter,
    keep_probability,
    thresholds,
)
from labkit.data.quality.classifier import ClassifierConfig, train_quality_classifier
from tests.data.quality.texts import batch_of, paragraphs, spam

CONFIG = AcceptanceConfig(seed=3)


@pytest.fixture(scope="module")
def classifier():
    config = ClassifierConfig(log2_num_features=14)
    return train_quality_classifier(paragraphs(100), spam(100, seed=1), config).classifier


@pytest.mark.parametrize("score", [0.0, 0.3, 0.9])
def test_kept_as_often_as_numpys_pareto_says(score):
    size = 200_000
    drawn = np.random.default_rng(0).pareto(9, size) > 1 - score
    [expected] = keep_probability(np.array([score]), CONFIG)
    error = np.sqrt(expected * (1 - expected) / size)
    assert abs(drawn.mean() - expected) < 4 * error
    ours = thresholds(pa.array([f"text {n}" for n in range(40_000)]), CONFIG) <= score
    assert abs(ours.mean() - expected) < 4 * np.sqrt(expected * (1 - expected) / 40_000)


def test_draws_depend_on_the_text_and_the_seed_alone():
    texts = pa.array(["a", "b", "a", "", "中"])
    whole = thresholds(texts, CONFIG)
    assert whole[0] == whole[2]
    assert len(set(whole)) == 4
    assert [thresholds(texts.slice(n, 1), CONFIG)[0] for n in range(5)] == whole.tolist()
    assert (thresholds(texts, AcceptanceConfig(seed=4)) != whole).all()


def test_a_step_says_score_and_drawn_threshold(classifier):
    batch = batch_of([*paragraphs(40), *spam(40, seed=2)])
    step = pickle.loads(pickle.dumps(QualityFilter(classifier, CONFIG)))
    assert isinstance(step, Step)
    outcome = step.apply(batch)
    assert outcome.kept.num_rows + outcome.dropped.num_rows == 80
    scores = classifier.score(batch.column("text"))
    for row in outcome.dropped.to_pylist():
        assert row["rule"] == "quality_pareto"
        assert row["value"] == scores[row["row"]] < row["threshold"]
    parts = [step.apply(batch.slice(n, 16)).kept["row"].to_pylist() for n in range(0, 80, 16)]
    assert [row for part in parts for row in part] == outcome.kept["row"].to_pylist()

    hard = QualityFilter(classifier, AcceptanceConfig(rule="threshold", min_score=0.5))
    assert hard.apply(batch).kept["row"].to_pylist() == np.flatnonzero(scores >= 0.5).tolist()
