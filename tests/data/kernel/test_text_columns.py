from __future__ import annotations

import random
import re

import numpy as np
import pyarrow as pa
import pytest

from labkit.data.kernel import text_columns
from labkit.data.kernel.definitions import COLUMNS, Definitions
from labkit.data.kernel.text_columns import count_columns
from tests.data.rules.texts import mixed_texts

CHARACTERS = Definitions(words="characters", stop_words=("的", "了"), terminators="。")


def counts(text: str, definitions: Definitions = Definitions()) -> dict[str, int]:  # noqa: B008
    return {k: int(v[0]) for k, v in count_columns(pa.array([text]), definitions, COLUMNS).items()}


def random_texts(num_texts: int) -> list[str]:
    rng = random.Random(3)
    alphabet = "aB1#.-•… \n\n\r\t\x0b\x85\u2028\xa0\u3000漢的了。，é½٣👍\x00"
    return ["".join(rng.choices(alphabet, k=rng.randint(0, 60))) for _ in range(num_texts)]


def test_by_hand():
    found = counts("- To be…\r\nor not ...\n\n# 12 END.\n漢字")
    assert (found["num_lines"], found["num_bullet_lines"], found["num_ellipsis_lines"]) == (5, 1, 2)
    assert (found["num_words"], found["num_letter_words"], found["num_plain_words"]) == (10, 6, 7)
    assert (found["num_ellipses"], found["num_hashes"], found["num_stop_words"]) == (2, 1, 0)
    assert (found["num_filled_lines"], found["num_terminated_lines"]) == (4, 2)
    assert (found["max_line_characters"], found["num_digits"], found["num_ideographs"]) == (
        10,
        2,
        2,
    )
    found = counts("我的书，is我的了", CHARACTERS)
    assert (found["num_words"], found["num_stop_words"]) == (7, 2)  # "，is" is one
    assert found["num_top_2_gram_characters"] == 2 * 2  # 我的 twice, no space between


def test_counts_are_those_of_python():
    for text in random_texts(400):
        found, lines, words = counts(text), text.splitlines(), text.split()
        assert found["num_characters"] == len(text)
        for name, method in (
            ("num_spaces", str.isspace),
            ("num_letters", str.isalpha),
            ("num_alphanumerics", str.isalnum),
            ("num_digits", str.isdigit),
            ("num_uppercase", str.isupper),
        ):
            assert found[name] == sum(map(method, text)), (name, text)
        assert found["num_words"] == len(words)
        assert found["num_lines"] == len(lines), text
        assert found["num_bullet_lines"] == sum(
            line.lstrip().startswith(("•", "-")) for line in lines
        )
        assert found["num_ellipsis_lines"] == sum(
            line.rstrip().endswith(("...", "…")) for line in lines
        ), text
        assert found["num_ellipses"] == text.count("...") + text.count("…")
        assert found["num_line_pieces"] == len(re.split("\n+", text))
        assert found["num_paragraphs"] == len(re.split("\n{2,}", text.strip()))
        assert found["max_line_characters"] == max(map(len, text.split("\n")))


def test_pieces_that_occurred_before_are_those_of_a_set_of_strings():
    found = counts("  a\n漢\n\n \n\na\n漢\n\na\n\na ")
    assert (found["num_paragraphs"], found["num_duplicate_paragraphs"]) == (5, 2)
    assert found["num_duplicate_paragraph_characters"] == len("a\n漢") + len("a")
    rng = random.Random(5)
    for _ in range(2000):
        text = "".join(rng.choices("a漢 \u3000\n\n\n", k=rng.randint(0, 40)))
        found = counts(text)
        for name, pieces in (
            ("line", re.split("\n+", text)),
            ("paragraph", re.split("\n{2,}", text.strip())),
        ):
            again = [piece for at, piece in enumerate(pieces) if piece in pieces[:at]]
            assert found[f"num_duplicate_{name}s"] == len(again), (name, text)
            assert found[f"num_duplicate_{name}_characters"] == len("".join(again)), (name, text)


@pytest.mark.parametrize("definitions", [Definitions(), CHARACTERS])
def test_a_text_counts_the_same_wherever_it_stands(definitions: Definitions, monkeypatch):
    texts = [*mixed_texts(), *random_texts(60), None]
    whole = count_columns(pa.array(texts), definitions, COLUMNS)
    large = pa.array(["before", *texts], pa.large_string())[1:]
    monkeypatch.setattr(text_columns, "CHUNK_BYTES", 300)
    cut = count_columns(large, definitions, COLUMNS)
    halves = [count_columns(half, definitions, COLUMNS) for half in (large[:50], large[50:])]
    for name in COLUMNS:
        assert (whole[name] == cut[name]).all(), name
        assert (whole[name] == np.concatenate([half[name] for half in halves])).all(), name


def test_n_grams_end_at_the_limit(monkeypatch):
    monkeypatch.setattr(text_columns, "MAX_GRAM_WORDS", 6)
    short, long = counts("a b c d e f"), counts("a b c d e f a b c d e f")
    assert short["num_top_2_gram_characters"] == long["num_top_2_gram_characters"] == 3
    assert long["num_duplicate_5_gram_characters"] == 0
    assert (long["num_words"], long["num_bytes_beyond_grams"]) == (12, len(" a b c d e f"))
    assert short["num_bytes_beyond_grams"] == 0


def test_a_word_of_thousands_of_bytes_has_a_hash_too():
    words = ["x" * 3000, "y", "z", "u", "v"]
    found = counts(" ".join([*words, "between", *words]))
    assert found["num_duplicate_5_gram_characters"] == 3004


def test_duplicate_n_grams_are_those_of_a_set_of_strings():
    """Also where words differ and their letters don't, below and above the bytes of a tail."""
    rng = random.Random(5)
    for _ in range(300):
        stems = rng.sample(
            ["a", "aa", "aab", "b", "ba", "或", "或b", "of the order of", "x" * 17], 4
        )
        words = "".join(rng.choice(stems) + rng.choice([" ", ""]) for _ in range(90)).split()
        found = counts(" ".join(words))
        for n in range(5, 11):
            seen, at, expected = set[str](), 0, 0
            while at + n <= len(words):
                gram = "".join(words[at : at + n])
                is_duplicate = gram in seen
                seen.add(gram)
                expected += len(gram) * is_duplicate
                at += n if is_duplicate else 1
            assert found[f"num_duplicate_{n}_gram_characters"] == expected
