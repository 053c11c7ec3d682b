from __future__ import annotations

import functools
import json
import pickle
import random

import numpy as np
import pytest

from labkit.core.errors import LabError
from labkit.data.benchmark_items import BenchmarkItem, as_documents, read_items
from labkit.data.contamination import Contamination, gather, report
from labkit.data.leaks import certify
from labkit.data.ngrams import UNITS
from tests.data.duplicates.planted import batch_of, words

QUESTION = "Which of the following planets of the solar system has the largest number of moons?"


@functools.cache
def grams(text: str, n: int) -> set[tuple[str, ...]]:
    units = UNITS.findall(text.lower())
    n = min(n, len(units))
    return {tuple(units[at : at + n]) for at in range(len(units) - n + 1)}


def test_a_question_quoted_in_training_is_found_with_its_row_and_share():
    items = [BenchmarkItem("a:1", QUESTION), BenchmarkItem("a:2", "Saturn, of course")]
    texts = [
        "nothing of it",
        f"Quiz: {QUESTION.upper()} Answer below",
        "of the following planets of the solar system has the largest number of",
    ]
    step = Contamination().against(items)
    outcome = step.apply(batch_of(texts, first_row=10))
    assert outcome.kept["row"].to_pylist() == [10]
    assert outcome.dropped["value"].to_pylist() == [3, 1]
    assert outcome.dropped["rule"].to_pylist() == ["contamination"] * 2
    found = report(step, [batch_of(texts, first_row=10)]).to_pylist()
    assert found[0] == {
        "item": "a:1",
        "num_ngrams": 3,
        "ngram_share": 1.0,
        "num_documents": 2,
        "rows": [11, 12],
    }
    assert (found[1]["num_ngrams"], found[1]["ngram_share"]) == (0, None)
    kept = Contamination(action="report").against(items).apply(batch_of(texts)).kept
    assert kept.num_rows == 3


def test_every_planted_hit_is_found_and_shares_are_those_of_string_ngrams():
    rng = random.Random(0)
    items = [
        BenchmarkItem(str(number), " ".join(words(rng, rng.randrange(8, 60), vocabulary=900)))
        for number in range(200)
    ]
    texts, planted = [], set()
    for row in range(400):
        text = words(rng, 150, vocabulary=900)
        if row % 3 == 0:
            item = rng.choice(items).text.split()
            length = min(13, len(item))
            start = rng.randrange(len(item) - length + 1)
            text[70:70] = [word.capitalize() + "," for word in item[start : start + length]]
            planted.add(row)
        texts.append("\n".join(text))
    step = pickle.loads(pickle.dumps(Contamination().against(items)))
    batches = [batch_of(texts[at : at + 37], at) for at in range(0, 400, 37)]
    dropped = {row for batch in batches for row in step.apply(batch).dropped["row"].to_pylist()}
    assert dropped == planted
    table = report(step, batches)
    assert table.equals(gather(step, [step.hits(batch_of(texts))]))
    seen = set().union(*(grams(text, n) for text in texts for n in range(8, 14)))
    for item, row in zip(items, table.to_pylist(), strict=True):
        units = UNITS.findall(item.text)
        n = min(13, len(units))
        wanted = [tuple(units[at : at + n]) for at in range(len(units) - n + 1)]
        assert row["ngram_share"] == pytest.approx(np.mean([gram in seen for gram in wanted]))
        rows = [at for at in sorted(planted) if grams(texts[at], n) & set(wanted)]
        assert row["rows"] == rows


def test_chinese_items_are_found_by_characters():
    item = "滚滚长江东逝水，浪花淘尽英雄。是非成败转头空"
    step = Contamination().against([BenchmarkItem("z", item)])
    texts = ["序曰：滚滚长江东逝水浪花淘尽英雄——", "滚滚长江东逝水，浪花"]
    assert step.apply(batch_of(texts)).dropped["row"].to_pylist() == [0]


def test_an_item_with_half_a_surrogate_pair_is_looked_for(tmp_path):
    (tmp_path / "archive.jsonl").mkdir()
    (tmp_path / "b.jsonl").write_text(json.dumps({"question": QUESTION + " \ud83d"}) + "\n")
    items = read_items(tmp_path)
    found = Contamination().against(items).apply(batch_of([f"Asked: {QUESTION}"]))
    assert found.dropped["row"].to_pylist() == [0]
    documents = as_documents(items)
    assert certify(documents, documents).ngram_share == 1.0


def test_a_benchmark_of_short_items_alone_is_refused():
    items = [BenchmarkItem("a:1", "Saturn, of course"), BenchmarkItem("a:2", "!")]
    with pytest.raises(LabError, match="none of 2 benchmark items has 8 words .* lower min_units"):
        Contamination().against(items)
    assert Contamination(min_units=3).against(items).index.lengths == (3,)


def test_items_are_read_from_files_folders_and_lists(tmp_path):
    (tmp_path / "a.jsonl").write_text(
        json.dumps({"question": "Q?", "choices": {"text": ["x", "y"]}, "answer": 1, "id": "7"})
        + "\n\n"
        + json.dumps({"text": "T"}),
        "utf-8",
    )
    (tmp_path / "b.jsonl").write_text('{"stem": "S"}\n', "utf-8")
    first = read_items(tmp_path / "a.jsonl")
    assert first == [(f"{tmp_path}/a.jsonl:1", "Q?\nx\ny"), (f"{tmp_path}/a.jsonl:3", "T")]
    both = read_items([tmp_path / "a.jsonl", str(tmp_path)], ["question", "text", "stem"])
    assert [item.text for item in both] == ["Q?", "T", "Q?", "T", "S"]
    with pytest.raises(LabError, match=r"b.jsonl:1: no text in the fields .*the item has stem"):
        read_items(tmp_path)
    (tmp_path / "b.jsonl").write_text("[1]\n", "utf-8")
    with pytest.raises(LabError, match="b.jsonl:1: a list; an item is an object"):
        read_items(tmp_path)
    with pytest.raises(LabError, match="no benchmark here"):
        read_items(tmp_path / "c.jsonl")


def test_a_benchmark_gets_a_leak_certificate():
    items = [BenchmarkItem("a:1", QUESTION), BenchmarkItem("a:2", "Which moon is not in this text")]
    train = as_documents([BenchmarkItem("t", f"Quiz: {QUESTION}"), BenchmarkItem("u", "alone")])
    certificate = certify(train, as_documents(items))
    assert certificate.ngram_share == 0.75
    assert (certificate.exact_document_share, certificate.num_shared_groups) == (0, 0)
