"""Three kinds of tokenizer, trained or made: bytes, words and byte-level BPE.

- `bytes`: 256 ids, id = byte. Never unknown, long sequences.
- `words`: the most frequent pieces of GPT-2's split (a word with the space before it); every other
  piece is one UNK. Short sequences that forget.
- `bpe`: pieces of the same split, merged from bytes by frequency (Sennrich et al. 2016; byte level
  as in GPT-2). Lossless.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

from labkit.tokens.tokenizer import END_OF_TEXT, UNKNOWN, Tokenizer, byte_alphabet


def make_bytes(_texts: Iterable[str] = (), _vocab_size: int = 0) -> Tokenizer:
    """Ids 0..255 are the bytes, 256 the end of text; nothing is trained."""
    vocabulary = byte_alphabet()
    backend = tokenizers.Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    return _finish(backend, "bytes")


def train_words(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """The `vocab_size` - 2 most frequent pieces, UNK and the end of text."""
    backend = tokenizers.Tokenizer(models.WordLevel(vocab={UNKNOWN: 0}, unk_token=UNKNOWN))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.WordLevelTrainer(
        vocab_size=vocab_size - 1, special_tokens=[UNKNOWN], show_progress=False
    )
    backend.train_from_iterator(texts, trainer)
    return _finish(backend, "words")


def train_bpe(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """256 bytes, merges, and the end of text: `vocab_size` ids where the text has that many."""
    backend = tokenizers.Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - 1,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=[],
        show_progress=False,
    )
    backend.train_from_iterator(texts, trainer)
    return _finish(backend, "bpe")


KINDS: dict[str, Callable[[Iterable[str], int], Tokenizer]] = {
    "bytes": make_bytes,
    "words": train_words,
    "bpe": train_bpe,
}


def _finish(backend: tokenizers.Tokenizer, name: str) -> Tokenizer:
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([END_OF_TEXT])
    return Tokenizer(backend, name)
