from __future__ import annotations

import hashlib
import random
import unicodedata

import numpy as np
import pyarrow as pa
import pytest

from labkit.data.columns import CLASSES, add_statistics, class_table, code_points
from labkit.data.readers import SCHEMA


def statistics(text: str) -> dict:
    row = {"id": "a", "text": text, "source": "s", "group": "g", "language": "en"}
    return add_statistics(pa.RecordBatch.from_pylist([row], schema=SCHEMA)).to_pylist()[0]


def test_by_hand():
    found = statistics("To be, 或 не 2b?\nYes")
    assert found["num_characters"] == 19
    assert found["num_bytes"] == 19 + 2 + 2  # 或 takes 3 bytes, н and е take 2 each
    assert found["num_words"] == 6
    assert found["num_lines"] == 2
    assert (found["num_latin"], found["num_han"], found["num_cyrillic"]) == (8, 1, 2)
    assert (found["num_digits"], found["num_punctuation"], found["num_space"]) == (1, 2, 5)
    assert found["mean_word_length"] == pytest.approx((19 - 5) / 6)
    assert found["script"] == "latin"


def count_classes(text: str) -> np.ndarray:
    """Characters per class, in the order of `CLASSES`."""
    return np.bincount(class_table()[code_points(text)], minlength=len(CLASSES))


def test_classes_partition_the_characters():
    rng = random.Random(0)
    for _ in range(50):
        text = "".join(
            chr(rng.choice([rng.randrange(0xD800), rng.randrange(0xE000, 0x110000)]))
            for _ in range(200)
        )
        counts = dict(zip(CLASSES, count_classes(text).tolist(), strict=True))
        assert sum(counts.values()) == 200
        assert counts["space"] == sum(character.isspace() for character in text)
        assert counts["digits"] == sum(unicodedata.category(c)[0] == "N" for c in text)


def test_empty_text():
    found = statistics("")
    assert (found["num_bytes"], found["num_words"], found["script"]) == (0, 0, "none")
    assert found["content_hash"] == hashlib.sha256(b"").hexdigest()


def test_equal_to_what_python_says_of_each_text():
    """Words as `str.split`, lines as `str.splitlines`, on texts of all that makes them hard."""
    rng = random.Random(1)
    pieces = [
        *"\n\v\f\r\x1c\x1d\x1e\x1f\x85\u2028\u2029\u00a0\u3000 \t\0",
        "\r\n",
        "a",
        "第",
        "é",
        "🙂",
        "ж",
    ]
    texts = ["".join(rng.choices(pieces, k=rng.randrange(12))) for _ in range(400)]
    rows = [
        {"id": "a", "text": text, "source": "s", "group": "g", "language": "en"} for text in texts
    ]
    batch = pa.RecordBatch.from_pylist(rows, schema=SCHEMA).slice(3)
    for text, found in zip(texts[3:], add_statistics(batch).to_pylist(), strict=True):
        assert found["num_words"] == len(text.split()), repr(text)
        assert found["num_lines"] == len(text.splitlines()), repr(text)
        assert found["num_characters"] == len(text)
        assert found["content_hash"] == hashlib.sha256(text.encode()).hexdigest()
        assert [found[f"num_{name.replace(' ', '_')}"] for name in CLASSES] == count_classes(
            text
        ).tolist()
        letters = "".join(character for character in text if character.isalpha())
        assert (found["script"] == "none") == (not letters)
