from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from labkit.data.duplicates.lines import RepeatedLines
from labkit.data.duplicates.spans import cut
from tests.data.duplicates.planted import batch_of, settle

FOOTER = "Subscribe to our newsletter today"


def pieces_of(text: str, split) -> list[str]:
    found = cut(pa.array([text]), split)
    starts = np.r_[0, found.ends[:-1]]
    raw = text.encode()
    return [raw[a:b].decode() for a, b in zip(starts, found.ends, strict=True)]


def test_pieces_are_lines_or_sentences_and_together_the_text():
    text = "One. Two?  3.5 is\n\nno end… 第一回。第二！ok"
    assert pieces_of(text, "lines") == ["One. Two?  3.5 is\n", "\n", "no end… 第一回。第二！ok"]
    assert pieces_of(text, "sentences") == [
        *("One. ", "Two?  ", "3.5 is\n", "\n", "no end… 第一回。", "第二！", "ok")
    ]


def test_a_line_in_more_than_k_documents_leaves_all_of_them():
    texts = [f"story {number}\n  {FOOTER} \n\nend {number}" for number in range(3)]
    texts += [FOOTER, "}\n}", "}", "}", "}"]
    outcome = settle(RepeatedLines(max_documents=3), texts).apply(batch_of(texts))
    assert outcome.kept["text"].to_pylist()[:3] == [f"story {n}\n\nend {n}" for n in range(3)]
    assert outcome.kept["text"].to_pylist()[3:] == texts[4:]
    assert outcome.dropped.select(["row", "text", "rule", "value", "threshold"]).to_pylist() == [
        {"row": 3, "text": FOOTER, "rule": "repeated_lines", "value": 0.0, "threshold": 1.0}
    ]
    same = settle(RepeatedLines(max_documents=4), texts).apply(batch_of(texts))
    assert same.kept["text"].to_pylist() == texts


def test_c4_keeps_a_span_of_three_sentences_in_the_first_document_only():
    span = "The cat sat. It was warm! Was it?"
    texts = [f"Start here. {span} End.", f"Other. {span}  More.", "The cat sat. It was cold."]
    c4 = RepeatedLines(split="sentences", span=3, max_documents=1, min_bytes=1, keep="first")
    outcome = settle(c4, texts).apply(batch_of(texts))
    assert outcome.kept["text"].to_pylist() == [texts[0], "Other. More.", texts[2]]


@pytest.mark.parametrize("keep", ["none", "first"])
def test_bytes_are_conserved_and_lines_those_of_a_counter_on_any_cut(keep):
    rng = random.Random(0)
    texts = [
        "\n".join(rng.choice(["", " ", f"line {rng.randrange(40)} é", f"own {rng.random()}"])
                  for _ in range(rng.randrange(0, 9)))
        for _ in range(300)
    ]  # fmt: skip
    survey = RepeatedLines(max_documents=5, min_bytes=1, keep=keep)
    counts = Counter(line for text in texts for line in {part.strip() for part in text.split("\n")})
    first = {}
    for row, text in enumerate(texts):
        for line in text.split("\n"):
            first.setdefault(line.strip(), row)

    def is_kept(line: str, row: int) -> bool:
        line = line.strip()
        return not line or counts[line] <= 5 or (keep == "first" and first[line] == row)

    expected = [
        "".join(line for line in text.splitlines(keepends=True) if is_kept(line, row))
        for row, text in enumerate(texts)
    ]
    step = settle(survey, texts, sorted(rng.sample(range(300), 8)))
    batch = batch_of(texts)
    rewritten, num_removed, _ = step.rewrite(batch)
    assert rewritten.to_pylist() == expected
    bytes_in = sum(len(text.encode()) for text in texts)
    outcome = step.apply(batch)
    kept_rows = set(outcome.kept["row"].to_pylist())
    bytes_kept = sum(len(text.encode()) for text in outcome.kept["text"].to_pylist())
    bytes_removed = sum(size for row, size in enumerate(num_removed) if row in kept_rows)
    bytes_dropped = sum(len(text.encode()) for text in outcome.dropped["text"].to_pylist())
    assert bytes_in == bytes_kept + bytes_removed + bytes_dropped
    assert bytes_removed > 1000
    assert settle(survey, []).apply(batch).kept["text"].to_pylist() == texts
