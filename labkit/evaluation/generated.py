"""Scores of generated text against references, by the libraries whose figures are published.

BLEU is sacrebleu's (Post 2018), with its tokenizer for the language; ROUGE is Google's rouge-score
(Lin 2004), F1. Both compare words in common and say nothing of sense; `exact_match` and pass@k do.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from labkit.core.errors import LabError

NOT_INSTALLED = "BLEU and ROUGE need labkit[eval]: pip install 'labkit[eval]'"
BLEU_TOKENIZERS = {"zh": "zh", "ja": "char", "ko": "char"}
"""Language -> sacrebleu's tokenizer; 13a for all others."""
ROUGE_KINDS = ("rouge1", "rouge2", "rougeL")
_ARTICLES = re.compile(r"\b(a|an|the)\b")


class Overlap(NamedTuple):
    """BLEU from 0 to 100 of all texts together; ROUGE F1 from 0 to 1, the mean over texts."""

    bleu: float
    rouge1: float
    rouge2: float
    rouge_l: float
    num_texts: int


def overlap(texts: Sequence[str], references: Sequence[str], language: str = "en") -> Overlap:
    """BLEU and ROUGE of texts against one reference each.

    Raises:
        LabError: no texts, not as many references, or the libraries are not installed.
    """
    if not texts or len(texts) != len(references):
        raise LabError(f"{len(texts)} texts for {len(references)} references; give one for each")
    try:
        from rouge_score.rouge_scorer import RougeScorer
        from sacrebleu.metrics.bleu import BLEU
    except ImportError as error:
        raise LabError(NOT_INSTALLED) from error
    bleu = BLEU(tokenize=BLEU_TOKENIZERS.get(language, "13a"))
    tokenizer = _Characters() if language in BLEU_TOKENIZERS else None
    scorer = RougeScorer(list(ROUGE_KINDS), use_stemmer=language == "en", tokenizer=tokenizer)
    pairs = zip(references, texts, strict=True)
    scores = [scorer.score(reference, text) for reference, text in pairs]
    one, two, longest = (
        sum(score[kind].fmeasure for score in scores) / len(scores) for kind in ROUGE_KINDS
    )
    score = bleu.corpus_score(list(texts), [list(references)]).score
    return Overlap(score, one, two, longest, len(texts))


def exact_match(text: str, reference: str) -> bool:
    """Whether two answers are equal but for case, punctuation, articles and spaces, as in SQuAD.

    >>> exact_match("The  cat.", "cat"), exact_match("cats", "cat")
    (True, False)
    """
    return _plain(text) == _plain(reference)


def pass_at_k(num_samples: int, num_right: int, k: int) -> float:
    """Chance that one of k samples is right: 1 - C(n - c, k) / C(n, k), unbiased (Chen 2021).

    >>> pass_at_k(num_samples=4, num_right=1, k=2)
    0.5

    Raises:
        LabError: k samples of fewer.
    """
    if not 0 <= num_right <= num_samples or not 1 <= k <= num_samples:
        raise LabError(f"pass@{k} of {num_samples} samples, {num_right} right: give 1 <= k <= n")
    return 1 - math.comb(num_samples - num_right, k) / math.comb(num_samples, k)


class _Characters:
    """ROUGE's own tokenizer drops all but Latin letters and digits."""

    def tokenize(self, text: str) -> list[str]:
        return [character for character in text if not character.isspace()]


def _plain(text: str) -> str:
    kept = "".join(one if one.isalnum() or one.isspace() else " " for one in text.lower())
    return " ".join(_ARTICLES.sub(" ", kept).split())
