from __future__ import annotations

import random

import pyarrow as pa
import pytest

pytest.importorskip("datatrove")

from labkit.data.kernel.definitions import Definitions
from labkit.data.readers import read_documents
from labkit.data.rules.presets import chinese
from tests.data.rules.datatrove_filters import (
    expected_reasons,
    found_reasons,
    random_text,
    random_thresholds,
    rule_set,
)

FAMILIES = ("gopher_quality", "gopher_repetition", "fineweb")
DEFINITIONS = {"whitespace": Definitions(), "characters": chinese().definitions}


def real_texts(num_texts: int) -> list[str]:
    texts: list[str] = []
    for corpus in ("python-docs", "python-stdlib"):
        for batch in read_documents(corpus):
            texts += [text for text in batch.column("text").to_pylist() if len(text) < 40_000]
            if len(texts) > 400:
                break
    return random.Random(0).sample(texts, num_texts)


@pytest.mark.parametrize("family", FAMILIES)
def test_same_first_reasons_as_datatrove_on_real_texts(family: str):
    texts = real_texts(250)
    rules = rule_set(family)
    expected = expected_reasons(family, rules, texts)
    assert found_reasons(rules, texts) == expected
    assert len(set(expected)) >= 3


@pytest.mark.parametrize("words", DEFINITIONS)
@pytest.mark.parametrize("family", FAMILIES)
def test_same_first_reasons_as_datatrove_on_random_texts(family: str, words: str):
    rng = random.Random(family + words)
    expected, found = [], []
    for _ in range(20):
        rules = random_thresholds(rule_set(family, DEFINITIONS[words]), rng)
        texts = [random_text(rng) for _ in range(30)]
        expected += expected_reasons(family, rules, texts)
        found += found_reasons(rules, texts)
    assert found == expected
    assert len(set(expected)) >= {"fineweb": 4}.get(family, 6)


def test_repetition_by_hand():
    text = "a b a b c\n\nx\n\nx"
    rules = rule_set("gopher_repetition")
    columns = rules.columns(pa.array([text]))
    values = dict(zip(rules.ids, rules.values(columns)[:, 0], strict=True))
    assert values["dup_para_frac"] == pytest.approx(1 / 3)
    assert values["dup_line_char_frac"] == pytest.approx(1 / len(text))
    assert values["top_2_gram"] == pytest.approx(2 * len("a b") / len(text))
    assert values["top_3_gram"] == pytest.approx(len("a b a") / len(text))  # though only once
    assert values["duplicated_5_n_grams"] == 0


def test_duplicate_grams_are_of_letters_whatever_the_words():
    text = "ab c d e f a bc d e f"
    columns = rule_set("gopher_repetition").columns(pa.array([text]))
    assert columns["num_duplicate_5_gram_characters"].tolist() == [6]
    assert columns["num_top_2_gram_characters"].tolist() == [2 * len("d e")]
