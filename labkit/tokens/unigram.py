"""The simplest model of tokens: each id by its frequency in training text.

Smoothed by adding 1/V to each of V ids. No context at all: what it scores in bits per byte says
how much of the text's redundancy the vocabulary alone has taken up, UNKs paying for their
spelling. A trained model is far below; the order of tokenizers may differ there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from labkit.tokens.bits_per_byte import bits_per_byte, spelling_bits, unknown_spellings
from labkit.tokens.spelling import SpellingModel
from labkit.tokens.tokenizer import Tokenizer


def unigram_bits_per_byte(
    tokenizer: Tokenizer, train: Sequence[str], heldout: Sequence[str]
) -> float:
    """Bits per byte of the held-out texts, each ended by one end-of-text token."""
    counts = _count_ids(tokenizer, train)
    nats = -np.log((counts + 1 / len(counts)) / (counts.sum() + 1))
    token_nats = float(nats @ _count_ids(tokenizer, heldout))
    spelling = SpellingModel.fit(unknown_spellings(tokenizer, train))
    return bits_per_byte(
        token_nats,
        spelling_bits(tokenizer, heldout, spelling),
        sum(len(text.encode()) for text in heldout),
    )


def _count_ids(tokenizer: Tokenizer, texts: Sequence[str]) -> np.ndarray:
    counts = np.zeros(tokenizer.vocab_size)
    for ids in tokenizer.encode_batch(texts):
        counts += np.bincount(ids, minlength=len(counts))
    if tokenizer.end_of_text is not None:
        counts[tokenizer.end_of_text] += len(texts)
    return counts
