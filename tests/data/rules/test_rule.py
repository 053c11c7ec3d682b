from __future__ import annotations

import pickle
import random

import numpy as np
import pyarrow as pa
import pytest

from labkit.core.errors import LabError
from labkit.data.pipeline.step import Step
from labkit.data.rules.presets import PRESETS, code, english
from labkit.data.rules.rule import Rule, RuleSet
from tests.data.rules.texts import batch_of, mixed_texts


def test_a_rule_of_ones_own_in_three_lines():
    shouting = Rule(
        id="shouting", value="num_uppercase / num_letters", refuse="above", threshold=0.3
    )
    rules = RuleSet(name="mine", rules=(shouting,))
    outcome = rules.apply(batch_of(["Quiet words.", "LOUD words", "", "123"]))
    assert outcome.kept.column("text").to_pylist() == ["Quiet words.", "", "123"]  # over nothing: 0
    assert outcome.dropped.select(["rule", "value", "threshold"]).to_pylist() == [
        {"rule": "shouting", "value": pytest.approx(4 / 9), "threshold": 0.3}
    ]
    assert english().with_rules(shouting).ids[-1] == "shouting"


def test_the_first_rule_in_order_is_the_reason_and_thresholds_are_kept():
    few = Rule(id="few", value="num_words", refuse="below", threshold=2)
    many = Rule(id="many", value="num_words", refuse="above", threshold=1)
    texts = pa.array(["one", "one two", ""])
    assert RuleSet(name="a", rules=(few, many)).decide(texts).rule.to_pylist() == [
        "few",
        "many",
        "few",
    ]
    assert RuleSet(name="b", rules=(many,)).decide(texts).rule.to_pylist() == [None, "many", None]


@pytest.mark.parametrize("name", PRESETS)
def test_moved_thresholds_decide_as_the_step_does(name: str):
    """Counted from values alone, or read from the text again with the thresholds in the rules."""
    rng = np.random.default_rng(0)
    rules, texts = PRESETS[name](), pa.array(mixed_texts())
    values = rules.values(rules.columns(texts))
    for _ in range(10):
        thresholds = rules.thresholds * rng.choice([0, 0.3, 1, 3], len(rules.ids))
        moved = rules.with_thresholds(dict(zip(rules.ids, thresholds.tolist(), strict=True)))
        decided, counted = moved.decide(texts), rules.verdicts(values, thresholds)
        assert decided == counted
        first = rules.first_refusing(values, thresholds)
        assert [None if at < 0 else rules.ids[at] for at in first] == decided.rule.to_pylist()


def test_documents_are_conserved_in_their_order_whatever_the_batches():
    texts = mixed_texts()
    rules, batch = pickle.loads(pickle.dumps(english())), batch_of(texts)
    assert isinstance(rules, Step)
    whole = rules.apply(batch)
    rows = whole.kept.column("row").to_pylist() + whole.dropped.column("row").to_pylist()
    assert sorted(rows) == list(range(len(texts)))
    cuts = sorted(random.Random(1).sample(range(len(texts)), 5))
    parts = [
        rules.apply(batch.slice(first, last - first))
        for first, last in zip([0, *cuts], [*cuts, len(texts)], strict=True)
    ]
    assert pa.Table.from_batches([part.kept for part in parts]).to_pylist() == (
        whole.kept.to_pylist()
    )
    assert pa.Table.from_batches([part.dropped for part in parts]).to_pylist() == (
        whole.dropped.to_pylist()
    )


def test_the_code_preset_keeps_code_and_refuses_data():
    table, minified = "12, 34.5, 0x0\n" * 100, "var a=b;" * 200
    texts = pa.array(["def f(x):\n    return x + 1\n", table, minified, "\n" * 100_001, ""])
    assert code().decide(texts).rule.to_pylist() == [
        None,
        "too_few_letters",
        "long_lines",
        "too_many_lines",
        "empty",
    ]


def test_refusals():
    with pytest.raises(ValueError, match=r"give one column.*did you mean num_hashes"):
        Rule(id="a", value="num_hash / num_words", refuse="above", threshold=0.1)
    rule = Rule(id="a", value="num_words", refuse="above", threshold=1)
    with pytest.raises(ValueError, match="different ids"):
        RuleSet(name="twice", rules=(rule, rule))
    with pytest.raises(LabError, match=r"no rule 'top_5_gram'; rules: top_4_gram"):
        english().with_thresholds({"top_5_gram": 0.1})
