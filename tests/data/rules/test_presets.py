from __future__ import annotations

import random

import pyarrow as pa
import pytest

from benchmarks import filter_thresholds
from benchmarks.filter_thresholds import Garbage, outwards, passages
from labkit.data.readers import read_documents
from labkit.data.rules.presets import PRESETS
from tests.data.rules.texts import CHINESE


def english_texts() -> list[str]:
    texts = [t for batch in read_documents("python-docs") for t in batch.column("text").to_pylist()]
    return [passage for text in texts for passage in passages(text, "english")]


def chinese_texts() -> list[str]:
    rng = random.Random(0)
    clauses = ["".join(rng.sample(CHINESE, 30)) + "。" for _ in range(400)]
    return ["\n".join(clauses[at : at + 20]) for at in range(0, 400, 20)]


@pytest.mark.parametrize(
    ("language", "texts"), [("english", english_texts), ("chinese", chinese_texts)]
)
def test_five_kinds_of_garbage_are_dropped_and_most_good_texts_kept(language, texts, monkeypatch):
    monkeypatch.setattr(filter_thresholds, "NUM_OF_KIND", 40)
    good, rules = texts(), PRESETS[language]()
    for kind, made in Garbage(language, good, seed=3).every_kind().items():
        num_kept = rules.decide(pa.array(made)).rule.null_count
        assert num_kept <= 2, f"{kind}: {num_kept} of 40 kept"
    assert rules.decide(pa.array(good)).rule.null_count >= 0.7 * len(good)


def test_presets_differ_only_where_they_say_so():
    published = {rule.id: rule for rule in PRESETS["published"]().rules}
    for rule in PRESETS["english"]().rules:
        is_moved = rule.threshold != published[rule.id].threshold
        assert is_moved == ("moved" in rule.source)
    for preset in PRESETS.values():
        for rule in preset().rules:
            assert rule.source, rule.id
            assert rule.threshold <= rule.highest, rule.id


def test_thresholds_are_rounded_outwards():
    assert outwards(0.1234, 1) == 0.13
    assert outwards(0.1234, -1) == 0.12
    assert outwards(0.13, 1) == 0.13
    assert outwards(0.0, -1) == 0.0
