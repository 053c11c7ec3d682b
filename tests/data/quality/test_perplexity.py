from __future__ import annotations

import pickle
import random

import numpy as np
import pyarrow as pa
import pytest

from labkit.core.config import ConfigError, validate
from labkit.data.pipeline.step import Step, Survey
from labkit.data.quality.ngram_model import NgramConfig, train_ngram_model
from labkit.data.quality.perplexity import PerplexityConfig, PerplexitySurvey
from tests.data.quality.texts import batch_of, paragraphs

CHINESE = (
    "话说天下大势，分久必合，合久必分。周末七国分争，并入于秦。及秦灭之后，楚汉分争，又并入于汉。"
)


@pytest.fixture(scope="module")
def models():
    config = NgramConfig(order=3)
    return {
        "en": train_ngram_model(pa.array(paragraphs(200)), config),
        "zh": train_ngram_model(pa.array([CHINESE] * 3), config),
    }


def corpus() -> pa.RecordBatch:
    rng = random.Random(0)
    english = paragraphs(230)[200:]
    noise = ["".join(rng.sample(text, len(text))) for text in english[:15]]
    chinese = [CHINESE[n : n + 20] for n in range(10)] + ["".join(rng.sample(CHINESE, 20))] * 2
    texts = [*english, *noise, *chinese, "ça va"]
    languages = ["en"] * 45 + ["zh"] * 12 + ["fr"]
    return batch_of(texts, languages)


def settled(models, config: PerplexityConfig, size: int):
    survey = pickle.loads(pickle.dumps(PerplexitySurvey(models, config)))
    assert isinstance(survey, Survey)
    batch = corpus()
    parts = [batch.slice(start, size) for start in range(0, batch.num_rows, size)]
    cut = survey.settle([survey.sketch(part) for part in parts], lambda rows: [])
    assert isinstance(cut, Step)
    return pickle.loads(pickle.dumps(cut)), parts


def test_each_language_is_cut_at_its_own_thirds(models):
    cut, parts = settled(models, PerplexityConfig(), size=100)
    assert [one.num_documents for one in cut.cuts.values()] == [45, 12]
    dropped = cut.apply(parts[0]).dropped.to_pylist()
    by_language = {"en": 0, "zh": 0, "fr": 0}
    for row in dropped:
        by_language[row["language"]] += 1
        assert row["rule"] == "perplexity_tail"
        assert row["value"] > row["threshold"] == cut.cuts[row["language"]].middle
    assert by_language == {"en": 15, "zh": 4, "fr": 0}
    assert {row["row"] for row in dropped if row["language"] == "en"} == set(range(30, 45))
    assert {55, 56} < {row["row"] for row in dropped}  # the shuffled Chinese


@pytest.mark.parametrize("size", [1, 7, 58])
def test_any_cut_into_batches_gives_the_same(models, size):
    config = PerplexityConfig(keep="head", without_model="drop")
    whole, [everything] = settled(models, config, size=58)
    cut, parts = settled(models, config, size)
    rows = [row for part in parts for row in cut.apply(part).kept["row"].to_pylist()]
    assert rows == whole.apply(everything).kept["row"].to_pylist()
    assert len(rows) == 15 + 4
    rules = [row["rule"] for part in parts for row in cut.apply(part).dropped.to_pylist()]
    assert (rules.count("perplexity_middle"), rules.count("perplexity_no_model")) == (19, 1)


def test_values_are_the_models(models):
    batch = corpus()
    sketch = PerplexitySurvey(models, PerplexityConfig()).sketch(batch)
    assert np.array_equal(
        sketch.perplexities[:45], models["en"].perplexity(batch.column("text").slice(0, 45))
    )
    assert np.isnan(sketch.perplexities[57])


def test_parts_larger_than_the_whole_are_refused():
    with pytest.raises(ConfigError, match="head_ratio=0.7 and tail_ratio=0.6: together at most 1"):
        validate(PerplexityConfig, {"head_ratio": 0.7, "tail_ratio": 0.6})
