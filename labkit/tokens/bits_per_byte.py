"""Bits per byte: the one measure in which models with different tokenizers can be compared.

    bits per byte = (sum of -log2 p(token) + sum over UNKs of their spelling's bits) / UTF-8 bytes

The sum runs over all predicted tokens, the end of text among them, since a document that is
coded must also end; the bytes are those of the text, so special tokens add none. An UNK says
'some word I don't have': what remains to be said is its spelling, and a tokenizer that refuses
words pays for it here (`spelling.py`). A uniform model over the 256 bytes scores 8.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from labkit.core.errors import LabError
from labkit.tokens.spelling import SpellingModel
from labkit.tokens.tokenizer import Tokenizer


def bits_per_byte(token_nats: float, spelling_bits: float, num_bytes: int) -> float:
    """`token_nats`: sum of -ln p over all predicted tokens of `num_bytes` bytes of text.

    >>> bits_per_byte(token_nats=100 * math.log(256), spelling_bits=0.0, num_bytes=100)
    8.0

    Raises:
        LabError: no text.
    """
    if num_bytes <= 0:
        raise LabError("bits per byte of no text is not defined; give at least one byte")
    return (token_nats / math.log(2) + spelling_bits) / num_bytes


def unknown_spellings(tokenizer: Tokenizer, texts: Iterable[str]) -> list[bytes]:
    """The bytes of each UNK in the texts, in order."""
    if tokenizer.unknown is None:
        return []
    return [
        spelled.encode()
        for text in texts
        for token, spelled in tokenizer.pieces(text)
        if token == tokenizer.unknown
    ]


def spelling_bits(tokenizer: Tokenizer, texts: Iterable[str], model: SpellingModel) -> float:
    """What the UNKs of the texts cost beyond their tokens."""
    return sum(model.bits(spelling) for spelling in unknown_spellings(tokenizer, texts))
