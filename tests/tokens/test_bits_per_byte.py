from __future__ import annotations

import math

import numpy as np
import pytest

from labkit.core.errors import LabError
from labkit.statistics.ratio import ratio_interval
from labkit.tokens.bits_per_byte import bits_per_byte, spelling_bits, unknown_spellings
from labkit.tokens.kinds import make_bytes, train_bpe, train_words
from labkit.tokens.measures import count, measure
from labkit.tokens.spelling import SpellingModel
from labkit.tokens.unigram import unigram_bits_per_byte

TEXTS = ["the cat sat on the mat and the dog sat on the log " * 5, "第一回 the cat " * 3]


def test_a_uniform_model_over_the_bytes_scores_eight():
    text = "naïve 第一回"
    num_bytes = len(text.encode())
    nats = len(make_bytes().encode(text)) * math.log(256)
    assert bits_per_byte(nats, 0.0, num_bytes) == pytest.approx(8.0, abs=1e-12)


def test_no_text_has_no_bits_per_byte():
    with pytest.raises(LabError, match="not defined"):
        bits_per_byte(1.0, 0.0, 0)


@pytest.mark.parametrize("spellings", [[], [b"a"], [b"the", b"then", b"\xff\x00", b""]])
def test_the_spelling_model_is_a_code(spellings):
    """The probabilities of all strings of at most two bytes sum to less than 1."""
    model = SpellingModel.fit(spellings)
    p_AB = 2.0**-model._bits_AB
    assert p_AB.sum(axis=1) == pytest.approx(np.ones(257))
    start, end = p_AB[256], p_AB[:, 256]
    upto_two = start[256] + start[:256] @ end[:256] + start[:256] @ p_AB[:256, :256] @ end[:256]
    assert upto_two < 1
    by_hand = sum(2 ** -model.bits(bytes([a, b])) for a in (0, 97, 255) for b in range(256))
    assert by_hand == pytest.approx(
        sum(start[a] * (p_AB[a, :256] @ end[:256]) for a in (0, 97, 255))
    )


def test_spelling_by_hand():
    """After 'a','b' once: P(a|start) = (1+1/257)/2, P(b|a) likewise, P(end|b) likewise."""
    model = SpellingModel.fit([b"ab"])
    assert model.bits(b"ab") == pytest.approx(-3 * math.log2((1 + 1 / 257) / 2))


def test_a_tokenizer_that_knows_nothing_scores_its_byte_model():
    """All pieces are UNK with certainty: what is left is the code length of their spellings."""
    tokenizer = train_words(["x"], 3)
    heldout = "the dog and the cat"
    spellings = unknown_spellings(tokenizer, [heldout])
    assert b"".join(spellings) == heldout.encode()
    model = SpellingModel.fit(unknown_spellings(tokenizer, TEXTS))
    found = bits_per_byte(0.0, spelling_bits(tokenizer, [heldout], model), len(heldout))
    assert found == pytest.approx(sum(map(model.bits, spellings)) / len(heldout))


def test_refusing_words_does_not_win():
    scores = {
        size: unigram_bits_per_byte(train_words(TEXTS, size), TEXTS, TEXTS) for size in (4, 30)
    }
    assert scores[30] < scores[4]


def test_unigram_of_bytes_is_the_entropy_of_their_frequencies():
    text = "aabb" * 500
    found = unigram_bits_per_byte(make_bytes(), [text], [text])
    assert found == pytest.approx(1.0, abs=0.02)  # one bit a byte, and one end of text


def test_lossless_tokenizers_have_no_unknown_spellings():
    assert unknown_spellings(train_bpe(TEXTS, 300), TEXTS) == []


def test_measures_by_hand():
    tokenizer = train_words(TEXTS, 40)
    counts = count(tokenizer, ["the cat", "第一回 zebra"], [2, 4])
    found = measure(tokenizer, counts, seed=0)
    assert found.bytes_per_token.estimate == pytest.approx((7 + 15) / 4)
    assert counts.num_tokens.tolist() == [2, 2]
    assert counts.num_unknown.tolist()[1] >= 1
    assert found.num_round_trip_failures >= 1
    assert 0 < found.vocabulary_use <= 1
    assert found.num_documents == 2


def test_token_bytes_account_for_every_byte():
    for tokenizer in (make_bytes(), train_bpe(TEXTS, 300)):
        for text in TEXTS:
            spelled = [len(tokenizer.token_bytes(int(i))) for i in tokenizer.encode(text)]
            assert sum(spelled) == len(text.encode())


def test_a_ratio_is_a_ratio_of_sums():
    found = ratio_interval(np.array([1, 9]), np.array([1, 1]), seed=0)
    assert found.estimate == 5.0
    assert found.low < 1
    assert found.high > 9  # two documents say little
