from __future__ import annotations

import random
import sys

import numpy as np
import pyarrow as pa

from labkit.data.ngrams import UNITS, batch_ngrams, batch_units, unit_hashes


def ngram_hashes(text: str, n: int) -> np.ndarray:
    return batch_ngrams(pa.array([text], pa.large_string()), n)[0]


def test_units_of_any_text_are_those_of_the_regular_expression():
    """Hashes are equal exactly where the lower-cased strings are; İ and final sigma apart."""
    rng = random.Random(0)
    ranges = [(32, 127), (0xC0, 0x250), (0x370, 0x3C2), (0x3C3, 0x500), (0x3000, 0x3100)]
    ranges += [(0x4E00, 0x4E40), (0xF900, 0xF940), (0xAC00, 0xAC40), (0x1D400, 0x1D500)]
    ranges += [(0x20000, 0x20020), (0xE000, sys.maxunicode)]
    texts = [
        "".join(
            chr(rng.randrange(*rng.choice(ranges))) if rng.random() < 0.8 else " "
            for _ in range(rng.randrange(60))
        )
        .replace("İ", "")
        .replace("Σ", "")
        for _ in range(1500)
    ]
    hashes, ends = batch_units(pa.array(texts))
    known: dict[str, int] = {}
    for text, found in zip(texts, np.split(hashes, ends[:-1]), strict=True):
        units = UNITS.findall("".join(letter.lower() for letter in text))
        assert len(units) == len(found)
        for unit, value in zip(units, found.tolist(), strict=True):
            assert known.setdefault(unit, value) == value
    assert len(set(known.values())) == len(known) > 5_000


def test_case_of_one_letter_is_one_letter():
    assert unit_hashes("ΟΔΟΣ İ").tolist() == unit_hashes("οδος i").tolist()


def test_a_batch_a_slice_of_it_and_each_text_alone_have_the_same_grams():
    texts = ["a b c d e f", "", "一二 三", None, "x", "A, b! C"] * 3
    for kind in (pa.string(), pa.large_string()):
        whole = pa.array(texts, kind)
        for part in (whole, whole.slice(2, 9), whole.slice(4, 0)):
            grams, ends = batch_ngrams(part, 3)
            for text, found in zip(part.to_pylist(), np.split(grams, ends[:-1]), strict=False):
                assert found.tolist() == ngram_hashes(text or "", 3).tolist()
    assert ngram_hashes("a b c d", 3)[0] == ngram_hashes("A, b! C", 3)[0]
