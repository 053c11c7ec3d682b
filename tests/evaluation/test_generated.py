"""Overlap with references by the libraries, exact match and pass@k by hand."""

from __future__ import annotations

import itertools
import random

import pytest

from labkit.core.errors import LabError
from labkit.evaluation.generated import exact_match, overlap, pass_at_k


def test_overlap_is_that_of_the_libraries():
    sacrebleu = pytest.importorskip("sacrebleu", reason="needs labkit[eval]")
    rouge = pytest.importorskip("rouge_score.rouge_scorer", reason="needs labkit[eval]")
    rng = random.Random(0)
    words = "the cat sat on a mat and saw running dogs".split()
    texts, references = ([" ".join(rng.choices(words, k=9)) for _ in range(100)] for _ in range(2))
    found = overlap(texts, references)
    assert found.bleu == pytest.approx(sacrebleu.corpus_bleu(texts, [references]).score, abs=1e-9)
    scorer = rouge.RougeScorer(["rougeL"], use_stemmer=True)
    pairs = zip(references, texts, strict=True)
    each = [scorer.score(a, b)["rougeL"].fmeasure for a, b in pairs]
    assert found.rouge_l == pytest.approx(sum(each) / 100, abs=1e-9)
    chinese = overlap(["話說天下大勢"], ["話說天下大事"], "zh")
    assert chinese.rouge1 == pytest.approx(5 / 6)
    assert chinese.bleu > 50
    with pytest.raises(LabError, match="1 texts for 2 references"):
        overlap(["a"], ["a", "b"])


def test_pass_at_k_is_the_share_of_draws_with_a_right_one():
    outcomes = [True, True, False, False, False, False]
    for k in range(1, 7):
        draws = list(itertools.combinations(outcomes, k))
        assert pass_at_k(6, 2, k) == pytest.approx(sum(map(any, draws)) / len(draws))
    with pytest.raises(LabError, match="pass@7 of 6"):
        pass_at_k(6, 2, 7)


def test_answers_are_equal_but_for_their_dress():
    assert exact_match("The Answer, is: 42!", "answer is 42")
    assert not exact_match("43", "42")
