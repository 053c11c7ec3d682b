"""How likely is a text one of the good ones? Logistic regression on hashed words.

Trained to tell texts the user calls good from raw ones, as GPT-3's filter was trained on WebText,
books and Wikipedia against Common Crawl (Brown et al. 2020, appendix A). It learns whatever tells
the two sides apart, source and topic as well as quality: look at what is left of each source.

The raw side is often the very corpus that is then judged, and a model thinks worse of texts that
it was told were raw. So there are two models, each of one half of the texts, halved by content so
that copies are together, and a text is scored by the model that hasn't seen it; the area under the
ROC curve is of these scores. Saved as numbers and JSON, loaded only when its manifest agrees.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from labkit.core import artifacts, disk, provenance
from labkit.core.canonical_json import hash_json
from labkit.core.config import Config, field
from labkit.core.errors import LabError
from labkit.data.quality.features import feature_matrix, mean_weights
from labkit.data.quality.stored_arrays import load_arrays
from labkit.data.readers import ReadPolicy, fingerprint, read_corpus
from labkit.statistics.bootstrap import Interval, bootstrap_interval

WEIGHTS, FACTS = "weights.npz", "classifier.json"
MIN_TEXTS = 10


class ClassifierConfig(Config):
    """How the classifier is trained."""

    log2_num_features: int = field(18, "log2 of the number of hashed features", ge=8, le=24)
    inverse_regularisation: float = field(
        1.0, "C of scikit-learn's logistic regression, its default", gt=0, le=1e6, scale="log"
    )
    max_texts: int = field(
        20_000, "first texts read of each side", unit="texts", ge=20, le=10**7, scale="log"
    )
    seed: int = field(0, "seed of the halves and of the interval", ge=0, le=2**31 - 1)


@dataclass(frozen=True, eq=False)
class QualityClassifier:
    weights: np.ndarray
    """float64[half, feature], of the model that scores the texts of a half."""
    biases: np.ndarray
    """float64[half]"""
    seed: int

    def score(self, texts: pa.Array) -> np.ndarray:
        """0..1 per text, the probability of being good with sides of equal size."""
        halves = halves_of(texts, self.seed)
        scores = np.empty(len(texts))
        for half, (weights, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            own = halves == half
            logits = mean_weights(texts.filter(pa.array(own)), weights) + bias
            scores[own] = 1 / (1 + np.exp(-logits))
        return scores


class Training(NamedTuple):
    classifier: QualityClassifier
    auc: Interval
    """Area under the ROC curve, each text scored unseen, with its bootstrap interval."""
    num_good: int
    num_raw: int


def train_quality_classifier(
    good: Sequence[str], raw: Sequence[str], config: ClassifierConfig
) -> Training:
    """A classifier of good texts against raw ones.

    Raises:
        LabError: a side has too few texts to train and to measure on.
    """
    for name, side in (("good", good), ("raw", raw)):
        if len(side) < MIN_TEXTS:
            raise LabError(f"{len(side)} {name} texts; give {MIN_TEXTS} or more, or shorter ones")
    texts = pa.array([*good, *raw])
    is_good = np.arange(len(texts)) < len(good)
    halves = halves_of(texts, config.seed)
    models = [_fit(texts, is_good, halves != half, config) for half in (0, 1)]
    weights, biases = (np.array(part) for part in zip(*models, strict=True))
    classifier = QualityClassifier(weights, biases, config.seed)
    pairs = np.column_stack([classifier.score(texts), is_good])
    auc = bootstrap_interval(pairs, area_under_curve, seed=config.seed, num_resamples=500)
    return Training(classifier, auc, len(good), len(raw))


def _fit(
    texts: pa.Array, is_good: np.ndarray, is_seen: np.ndarray, config: ClassifierConfig
) -> tuple[np.ndarray, float]:
    from sklearn.linear_model import LogisticRegression

    if len(np.unique(is_good[is_seen])) < 2:
        raise LabError("one half of the texts is of one side only; give more texts")
    matrix = feature_matrix(texts.filter(pa.array(is_seen)), 1 << config.log2_num_features)
    model = LogisticRegression(
        C=config.inverse_regularisation,
        class_weight="balanced",
        solver="newton-cg",  # 10 steps where the default takes 100
        max_iter=1000,
    ).fit(matrix, is_good[is_seen])
    return model.coef_[0].astype(np.float64), float(model.intercept_[0])


def build_quality_classifier(
    good: str, raw: str, config: ClassifierConfig, policy: ReadPolicy | None = None
) -> Path:
    """The artefact of a classifier of two corpora (paths or registered names), built once.

    `policy` is how the raw one is read.
    """
    inputs = {
        "good": fingerprint(good),
        "raw": fingerprint(raw, policy),
        "code": provenance.source_hash("data"),
    }
    identity = hash_json([inputs, config.model_dump()])
    folder = artifacts.home() / "quality" / f"classifier-{identity}"
    if not artifacts.exists(folder):
        sides = [
            _first_texts(corpus, config.max_texts, policy_of)
            for corpus, policy_of in ((good, None), (raw, policy))
        ]
        training = train_quality_classifier(sides[0], sides[1], config)
        save_classifier(training, folder, config, inputs)
    return folder


def save_classifier(
    training: Training, folder: Path, config: ClassifierConfig, inputs: dict[str, str]
) -> None:
    with artifacts.write_artifact(
        folder, config=config, inputs=inputs, seed=config.seed, packages=("scikit-learn",)
    ) as temporary:
        model = training.classifier
        np.savez(temporary / WEIGHTS, weights=model.weights, biases=model.biases)
        facts = training._asdict() | {"classifier": None, "auc": training.auc._asdict()}
        disk.write_json(temporary / FACTS, facts | {"seed": model.seed})


def load_classifier(folder: Path) -> Training:
    """What was saved.

    Raises:
        LabError: the folder is damaged or holds something else.
    """
    manifest = artifacts.read_manifest(folder)
    if not {WEIGHTS, FACTS} <= set(manifest.files):
        raise LabError(f"{folder}: no quality classifier; build one with build_quality_classifier")
    facts = disk.read_json(folder / FACTS)
    weights, biases = load_arrays(folder / WEIGHTS, ["weights", "biases"])
    classifier = QualityClassifier(weights, biases, facts.pop("seed"))
    return Training(**(facts | {"classifier": classifier, "auc": Interval(**facts["auc"])}))


def area_under_curve(scores_and_labels: np.ndarray) -> float:
    """Chance that a good text scores above a raw one, ties for half (Mann and Whitney 1947).

    >>> area_under_curve(np.array([[0.9, 1], [0.2, 1], [0.2, 0], [0.1, 0]]))
    0.875
    """
    from scipy.stats import rankdata

    scores, is_good = scores_and_labels[:, 0], scores_and_labels[:, 1] > 0
    num_good, num_raw = int(is_good.sum()), int((~is_good).sum())
    if not num_good or not num_raw:
        return 0.5  # a resample with one side only says nothing
    ranks = rankdata(scores)[is_good].sum()
    return float((ranks - num_good * (num_good + 1) / 2) / (num_good * num_raw))


def halves_of(texts: pa.Array, seed: int) -> np.ndarray:
    """0 or 1 per text, by its content."""
    key = seed.to_bytes(8, "little")
    digests = (
        hashlib.blake2b(text.encode(), digest_size=1, key=key).digest()
        for text in texts.to_pylist()
    )
    return np.array([digest[0] & 1 for digest in digests], dtype=np.int8)


def _first_texts(corpus: str, max_texts: int, policy: ReadPolicy | None) -> list[str]:
    texts: list[str] = []
    for portion in read_corpus(corpus, policy):
        texts += portion.kept.column("text").to_pylist()
        if len(texts) >= max_texts:
            break
    return texts[:max_texts]
