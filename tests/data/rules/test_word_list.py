from __future__ import annotations

import pickle
import random
import re
from pathlib import Path

import pyarrow as pa
import pytest

from labkit.core.config import ConfigError
from labkit.core.errors import LabError
from labkit.data.rules.automaton import build_automaton
from labkit.data.rules.word_list import WordList


def count(step: WordList, texts: list[str]) -> list[int]:
    return step.count(pa.array(texts))[0].tolist()


def test_by_hand():
    step = WordList(words=("Moby Dick", "whale", "鲸鱼"))
    texts = [
        *("A WHALE, a whale!", "whales", "narwhale", "whale_bone", "大鲸鱼的", "moby dick", ""),
        *("白whale是", "moby  dick", "(whale)", "ÉWHALE"),
    ]
    assert count(step, texts) == [2, 0, 0, 0, 1, 1, 0, 1, 0, 1, 0]
    assert step.count(pa.array(["no", "Moby Dick and the whale"]))[1] == [None, "Moby Dick"]
    batch = pa.RecordBatch.from_pydict({"text": texts[:3]})
    outcome = pickle.loads(pickle.dumps(step)).apply(batch)
    assert outcome.kept.column("text").to_pylist() == texts[1:3]
    assert outcome.dropped.to_pylist() == [
        {"text": texts[0], "rule": "listed_word", "value": 2.0, "threshold": 0.0}
    ]
    assert WordList(words=("whale",), max_occurrences=2).apply(batch).dropped.num_rows == 0


@pytest.mark.parametrize("boundaries", ["c4", "none"])
def test_documents_with_a_word_are_those_that_c4s_patterns_find(boundaries: str):
    rng = random.Random(0)
    alphabet = "aab .é鲸_1"
    words = {"".join(rng.choices(alphabet, k=rng.randrange(1, 5))).strip() for _ in range(30)}
    words = tuple(sorted(words - {""}))
    texts = ["".join(rng.choices(alphabet + "A\n", k=rng.randrange(12))) for _ in range(2000)]
    joined = "|".join(map(re.escape, words[:12]))
    pattern = {"c4": rf"(?:\W|^)({joined})(?:\W|$)", "none": joined}[boundaries]
    expected = [bool(re.search(pattern, text.lower())) for text in texts]
    found = count(WordList(words=words[:12], boundaries=boundaries), texts)
    assert 0 < sum(expected) < len(texts)
    assert [bool(number) for number in found] == expected


def test_ten_thousand_words_take_the_steps_of_one():
    """One state a byte, whatever the list: nothing is looked at twice."""
    rng = random.Random(0)
    words = {"".join(rng.choices("abcdefgh", k=rng.randrange(4, 9))) for _ in range(11_000)}
    words = tuple(sorted(words))[:10_000]
    assert len(words) == 10_000
    texts = [" ".join(rng.choices(words, k=5)) + " " + "xyz" * rng.randrange(9) for _ in range(500)]
    listed = set(words)
    expected = [sum(word in listed for word in text.split()) for text in texts]
    assert count(WordList(words=words), texts) == expected
    automaton = build_automaton([word.encode() for word in words])
    beginnings = {word[:end] for word in words for end in range(len(word) + 1)}
    assert automaton.next_states.shape == (len(beginnings), 1 + 8)


def test_the_share_that_stays_is_of_the_seed_and_the_text_alone():
    texts = [f"word {number}" for number in range(2000)]
    batch = pa.RecordBatch.from_pydict({"text": texts})
    step = WordList(words=("word",), keep_ratio=0.25)
    kept = step.apply(batch).kept.column("text").to_pylist()
    assert 430 < len(kept) < 570  # 500 and four standard deviations
    alone = [step.apply(batch.slice(row, 1)).kept.num_rows for row in range(200)]
    assert [text for text, stays in zip(texts, alone, strict=False) if stays] == [
        text for text in kept if text in texts[:200]
    ]
    other = WordList(words=("word",), keep_ratio=0.25, seed=1).apply(batch).kept
    assert other.column("text").to_pylist() != kept
    everything = WordList(words=("word",), keep_ratio=1.0).apply(batch).kept
    assert everything.num_rows == 2000


def test_files(tmp_path: Path):
    path = tmp_path / "words.txt"
    path.write_bytes("\ufeff# own list\r\nwhale\r\n\r\n鲸鱼\nwhale".encode())
    step = WordList.from_file(path, keep_ratio=0.5)
    assert (step.words, step.keep_ratio) == (("whale", "鲸鱼"), 0.5)
    path.write_bytes(b"good\nb\xe9d\n")
    with pytest.raises(LabError, match=r"words.txt:2: not UTF-8 at byte 1 \(0xe9\); convert it"):
        WordList.from_file(path)
    path.write_bytes(b"good\n" + b"x" * 1001)
    with pytest.raises(LabError, match=r"words.txt:2: 1,001 bytes; a word or phrase has at most"):
        WordList.from_file(path)
    path.write_bytes(b"# nothing\n")
    with pytest.raises(LabError, match=r"words.txt: no words; give one word or phrase a line"):
        WordList.from_file(path)
    with pytest.raises(LabError, match="cannot be read"):
        WordList.from_file(tmp_path)
    with pytest.raises(ConfigError, match="an empty list drops nothing"):
        WordList(words=("a",)).with_overrides({"words": ()})
