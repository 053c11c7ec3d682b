from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from labkit.core import provenance
from labkit.core.artifacts import DamagedArtifact
from labkit.core.errors import LabError
from labkit.data.quality.ngram_artifact import TABLES, build_ngram_model, load_ngram_model
from labkit.data.quality.ngram_model import (
    UNKNOWN_BITS,
    NgramConfig,
    estimate_discount,
    train_ngram_model,
)
from tests.data.quality.texts import paragraphs

SONG = ["the rain in spain stays", "the pain in the train", "a spy in the inn, in rain"] * 2


def probability(model, history: str, character: str) -> float:
    """p(character | history), from the bits of two texts."""
    bits, _ = model.bits(pa.array([history, history + character]))
    return float(2 ** (bits[0] - bits[1]))


def test_bigrams_by_hand():
    """'aab' twice: bigrams ^a 2, aa 2, ab 2; a comes after 2 different marks, b after 1."""
    model = train_ngram_model(pa.array(["aab", "aab"]), NgramConfig(order=2), discounts=[0.0, 0.5])
    assert probability(model, "", "a") == pytest.approx(1.5 / 2 + 0.5 / 2 * 2 / 3)
    assert probability(model, "a", "b") == pytest.approx(1.5 / 4 + 2 * 0.5 / 4 * 1 / 3)
    assert probability(model, "b", "a") == pytest.approx(2 / 3)  # nothing follows b
    assert estimate_discount(np.array([1, 1, 1, 2, 5])) == 3 / 5


@pytest.mark.parametrize("order", [1, 2, 4])
def test_probabilities_sum_to_one_after_any_history(order):
    model = train_ngram_model(pa.array([*SONG, "中文，中文"]), NgramConfig(order=order))
    alphabet = [chr(code) for code in model.characters]
    rng = random.Random(0)
    for size in (0, 1, 2, 3, 7):
        history = "".join(rng.choices([*alphabet, "Ω"], k=size))
        known = sum(probability(model, history, character) for character in alphabet)
        unknown = probability(model, history, "Ж") * 2**UNKNOWN_BITS
        assert known + unknown == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("order", [2, 3])
def test_probabilities_are_those_of_nltk(order):
    from nltk.lm import KneserNeyInterpolated, Vocabulary

    texts = [*SONG, *SONG[:2]]
    model = train_ngram_model(
        pa.array(texts), NgramConfig(order=order), discounts=[0.0, *[0.3] * (order - 1)]
    )
    peer = KneserNeyInterpolated(order, discount=0.3, vocabulary=Vocabulary(sorted("".join(texts))))
    marks = ["^"] * (order - 1)
    peer.fit(
        [tuple([*marks, *text][end - size : end]) for size in range(1, order + 1)]
        for text in texts
        for end in range(order, len(text) + order)
    )
    histories = ["the ", "in sp", "yyy", "a,", "", "n"]
    for history in histories:
        for character in "tain ,y":
            context = [*marks, *history][-(order - 1) :]
            expected = peer.score(character, context)
            assert probability(model, history, character) == pytest.approx(expected), history


def test_a_held_out_text_costs_less_with_longer_histories_and_nonsense_costs_more():
    texts = paragraphs(300)
    text = "".join(texts[250:])
    held_out, shuffled = (
        pa.array([one]) for one in (text, "".join(random.Random(0).sample(text, len(text))))
    )
    costs = []
    for order in (1, 2, 3, 5):
        model = train_ngram_model(pa.array(texts[:250]), NgramConfig(order=order))
        costs.append(model.bits_per_byte(held_out)[0])
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] < 2.6
    assert model.bits_per_byte(shuffled)[0] > 2 * costs[-1]


def test_bits_of_a_text_do_not_depend_on_its_neighbours():
    model = train_ngram_model(pa.array(SONG), NgramConfig(order=4))
    texts = pa.array(["the rain", "", "日本 in", "spain"])
    bits, lengths = model.bits(texts)
    assert lengths.tolist() == [8, 0, 5, 5]
    assert [model.bits(texts.slice(n, 1))[0][0] for n in range(4)] == bits.tolist()
    assert model.perplexity(texts)[0] == 2 ** (bits[0] / 8)
    assert np.isinf(model.perplexity(texts)[1])
    assert model.bits_per_byte(texts)[2] == bits[2] / 9


def test_saved_loaded_and_refused(tmp_path: Path, monkeypatch):
    folder = build_ngram_model("python-docs", "en", NgramConfig(order=3, max_characters=50_000))
    model = load_ngram_model(folder)
    texts = pa.array(paragraphs(5))
    again = load_ngram_model(
        build_ngram_model("python-docs", "en", NgramConfig(order=3, max_characters=50_000))
    )
    assert np.array_equal(model.bits(texts)[0], again.bits(texts)[0])
    with monkeypatch.context() as changed:  # tables of other code are not used
        changed.setattr(provenance, "source_hash", lambda room="": "other")
        config = NgramConfig(order=3, max_characters=50_000)
        assert folder != build_ngram_model("python-docs", "en", config)
    with pytest.raises(LabError, match="no text in 'zh'; it has en"):
        build_ngram_model("python-docs", "zh", NgramConfig())
    damaged = bytearray((folder / TABLES).read_bytes())
    damaged[-100] ^= 1
    (folder / TABLES).write_bytes(damaged)
    with pytest.raises(DamagedArtifact, match="SHA-256"):
        load_ngram_model(folder)
