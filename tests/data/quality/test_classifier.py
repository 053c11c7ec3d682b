from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from labkit.core import provenance
from labkit.core.artifacts import DamagedArtifact
from labkit.core.errors import LabError
from labkit.data.ngrams import batch_units, roll
from labkit.data.quality.classifier import (
    WEIGHTS,
    ClassifierConfig,
    QualityClassifier,
    area_under_curve,
    build_quality_classifier,
    load_classifier,
    train_quality_classifier,
)
from labkit.data.quality.features import feature_matrix, mean_weights
from tests.data.quality.texts import paragraphs, spam

CONFIG = ClassifierConfig(log2_num_features=14)


def test_features_by_hand():
    """Two words and their pair are a third of the text's grams each."""
    row = feature_matrix(pa.array(["To be"]), 1 << 14)
    assert row.sum() == pytest.approx(100)
    assert sorted(row.toarray()[0][row.toarray()[0] > 0]) == pytest.approx([100 / 3] * 3)
    again = feature_matrix(pa.array(["be  TO!"]), 1 << 14)
    assert (row.toarray() > 0).astype(int).ravel() @ (again.toarray() > 0).ravel() == 2
    assert feature_matrix(pa.array(["中文"]), 1 << 14).nnz == 3


def test_features_are_those_of_the_grams():
    """A feature per gram of `ngrams`, summing to 100 per text, equal in any batch."""
    texts = pa.array([*paragraphs(50), "", "one", *spam(20, seed=0)])
    matrix = feature_matrix(texts, 1 << 14)
    units, ends = batch_units(texts)
    num_grams = np.diff(ends, prepend=0) + np.diff(roll(units, ends, 2)[1], prepend=0)
    sums = np.asarray(matrix.sum(axis=1)).ravel()
    assert sums == pytest.approx(np.where(num_grams > 0, 100.0, 0.0))
    weights = np.random.default_rng(0).normal(size=1 << 14)
    assert mean_weights(texts, weights) == pytest.approx(matrix @ weights, abs=1e-9)
    alone = [mean_weights(texts.slice(n, 1), weights)[0] for n in range(len(texts))]
    assert np.array_equal(mean_weights(texts, weights), alone)


def test_good_texts_are_told_from_planted_poor_ones():
    training = train_quality_classifier(paragraphs(400), spam(400, seed=1), CONFIG)
    assert training.auc.low > 0.9
    fresh = training.classifier.score(pa.array(spam(50, seed=2)))
    assert fresh.max() < 0.5


def test_nothing_is_learned_where_there_is_nothing():
    """Both sides of one kind: one half is the interval."""
    texts = spam(800, seed=3)
    auc = train_quality_classifier(texts[:400], texts[400:], CONFIG).auc
    assert auc.low <= 0.5 <= auc.high


def test_a_raw_text_is_judged_alike_whether_it_was_trained_on_or_not():
    texts = spam(900, seed=8)
    classifier = train_quality_classifier(texts[:300], texts[300:600], CONFIG).classifier
    trained, fresh = (classifier.score(pa.array(part)) for part in (texts[300:600], texts[600:]))
    spread = np.sqrt(trained.var() / 300 + fresh.var() / 300)
    assert abs(trained.mean() - fresh.mean()) < 4 * spread


def test_scores_and_area_are_those_of_scikit_learn():
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    texts = pa.array([*paragraphs(100), *spam(100, seed=4)])
    labels = np.arange(200) < 100
    model = LogisticRegression(max_iter=1000).fit(feature_matrix(texts, 1 << 14), labels)
    both = np.stack([model.coef_[0]] * 2), np.repeat(model.intercept_, 2)
    ours = QualityClassifier(*both, seed=0).score(texts)
    theirs = model.predict_proba(feature_matrix(texts, 1 << 14))[:, 1]
    assert ours == pytest.approx(theirs)
    scores = np.random.default_rng(0).integers(0, 30, 200) / 30
    pairs = np.column_stack([scores, labels])
    assert area_under_curve(pairs) == pytest.approx(roc_auc_score(labels, scores))


def test_saved_loaded_and_refused(tmp_path: Path, monkeypatch):
    for name, texts in (("good", paragraphs(60)), ("raw", spam(60, seed=5))):
        lines = (json.dumps({"text": text}) + "\n" for text in texts)
        (tmp_path / f"{name}.jsonl").write_text("".join(lines))
    sides = str(tmp_path / "good.jsonl"), str(tmp_path / "raw.jsonl")
    folder = build_quality_classifier(*sides, CONFIG)
    assert folder == build_quality_classifier(*sides, CONFIG)
    with monkeypatch.context() as changed:  # weights of other code are not used
        changed.setattr(provenance, "source_hash", lambda room="": "other")
        assert folder != build_quality_classifier(*sides, CONFIG)
    loaded = load_classifier(folder)
    direct = train_quality_classifier(paragraphs(60), spam(60, seed=5), CONFIG)
    texts = pa.array(spam(5, seed=6))
    assert np.array_equal(loaded.classifier.score(texts), direct.classifier.score(texts))
    assert loaded.auc == direct.auc
    damaged = bytearray((folder / WEIGHTS).read_bytes())
    damaged[1000] ^= 1
    (folder / WEIGHTS).write_bytes(damaged)
    with pytest.raises(DamagedArtifact, match="SHA-256"):
        load_classifier(folder)


def test_too_few_texts_are_refused():
    with pytest.raises(LabError, match="3 good texts; give 10 or more"):
        train_quality_classifier(["a", "b", "c"], spam(20, seed=7), CONFIG)
