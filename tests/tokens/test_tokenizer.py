from __future__ import annotations

import functools
import random

import numpy as np
import pytest
import tiktoken
import tokenizers

from labkit.core.errors import LabError
from labkit.tokens.kinds import KINDS, make_bytes, train_bpe, train_words
from labkit.tokens.tokenizer import END_OF_TEXT, Tokenizer, byte_alphabet
from labkit.tokens.vocabularies import load_vocabulary
from tests.corpora import SHARED_HOME

GPT2_SPLIT = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""
TEXTS = ["low low low low low lower lower newest newest newest newest newest newest"] * 3 + [
    "widest widest widest 第一回 naïve ½"
]


def random_text(rng: random.Random, size: int) -> str:
    ranges = [(32, 127), (0, 0x250), (0x370, 0x5FF), (0x3000, 0x9FFF), (0x1F300, 0x1FAFF)]
    ranges += [(0xE000, 0x10FFFF), (9, 14), (0x2000, 0x2070)]
    return "".join(chr(rng.randint(*rng.choice(ranges))) for _ in range(size))


@pytest.mark.parametrize("kind", ["bytes", "bpe"])
def test_byte_level_kinds_are_lossless_on_any_text(kind):
    tokenizer = KINDS[kind](TEXTS, 400)
    rng = random.Random(0)
    for _ in range(300):
        text = random_text(rng, rng.randrange(40))
        ids = tokenizer.encode(text)
        assert tokenizer.decode(ids) == text
        assert b"".join(tokenizer.token_bytes(int(i)) for i in ids) == text.encode()


def test_bytes_are_their_own_ids():
    tokenizer = make_bytes()
    assert tokenizer.encode("aé").tolist() == [97, 0xC3, 0xA9]
    assert tokenizer.vocab_size == 257
    every = bytes(range(256))
    assert b"".join(tokenizer.token_bytes(i) for i in range(256)) == every


def test_bpe_merges_the_worked_example_of_sennrich():
    """low 5, lower 2, newest 6, widest 3: the first merges are es, est and then lo, low."""
    words = ["low"] * 5 + ["lower"] * 2 + ["newest"] * 6 + ["widest"] * 3
    tokenizer = train_bpe(words, 257 + 4)
    merged = [tokenizer.token_bytes(i) for i in range(256, 260)]
    assert set(merged) == {b"es", b"est", b"lo", b"low"}
    assert merged.index(b"es") < merged.index(b"est")
    assert [tokenizer.token_bytes(int(i)) for i in tokenizer.encode("lowest")] == [b"low", b"est"]


def test_words_keep_the_frequent_and_forget_the_rest():
    tokenizer = train_words(TEXTS, 6)
    ids = tokenizer.encode("newest newest unheard").tolist()
    assert tokenizer.unknown in ids
    assert tokenizer.decode(ids[1:]) == " newest\ufffd"
    assert tokenizer.pieces("x unheard")[1] == (tokenizer.unknown, " unheard")
    assert tokenizer.vocab_size == 6


@pytest.mark.parametrize("kind", KINDS)
def test_special_tokens_are_made_only_when_allowed_and_stand_for_nothing(kind):
    tokenizer = KINDS[kind](TEXTS, 400)
    text = f"low{END_OF_TEXT}low"
    assert tokenizer.end_of_text not in tokenizer.encode(text)
    allowed = tokenizer.encode(text, allow_special=True).tolist()
    assert allowed.count(tokenizer.end_of_text) == 1
    assert tokenizer.end_of_text not in tokenizer.encode(text)
    assert tokenizer.token_bytes(tokenizer.end_of_text) == b""
    assert tokenizer.end_of_text in tokenizer.special_ids


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_tokenizer_is_a_standard_file_with_the_same_ids(kind, tmp_path):
    tokenizer = KINDS[kind](TEXTS, 400)
    path = tokenizer.save(tmp_path / "tokenizer.json")
    text = "lower than the lowest 第 " + END_OF_TEXT
    loaded = Tokenizer.load(path)
    assert loaded.encode(text).tolist() == tokenizer.encode(text).tolist()
    assert loaded.fingerprint == tokenizer.fingerprint
    plain = tokenizers.Tokenizer.from_file(str(path))
    plain.encode_special_tokens = True
    assert plain.encode(text).ids == tokenizer.encode(text).tolist()


def test_refusals(tmp_path):
    with pytest.raises(LabError, match="text 1 holds a lone surrogate at character 2"):
        make_bytes().encode_batch(["fine", "ab\ud800"])
    with pytest.raises(LabError, match="cannot read a tokenizer"):
        Tokenizer.load(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(LabError, match="not a tokenizer.json"):
        Tokenizer.load(tmp_path / "bad.json")
    with pytest.raises(LabError, match="unknown vocabulary 'gpt9'; known: gpt2, qwen3"):
        load_vocabulary("gpt9")


@functools.cache
def gpt2() -> Tokenizer:
    patch = pytest.MonkeyPatch()
    patch.setenv("LABKIT_HOME", str(SHARED_HOME))
    try:
        return load_vocabulary("gpt2")
    except LabError as error:
        pytest.skip(str(error))
    finally:
        patch.undo()


def test_gpt2_says_hello_as_published():
    tokenizer = gpt2()
    assert tokenizer.encode("Hello world").tolist() == [15496, 995]
    assert tokenizer.vocab_size == 50257
    assert tokenizer.end_of_text == 50256


def test_gpt2s_ids_are_tiktokens():
    tokenizer = gpt2()
    ranks = {tokenizer.token_bytes(i): i for i in range(50256)}
    peer = tiktoken.Encoding(
        "gpt2", pat_str=GPT2_SPLIT, mergeable_ranks=ranks, special_tokens={END_OF_TEXT: 50256}
    )
    rng = random.Random(1)
    texts = [random_text(rng, 60) for _ in range(300)]
    texts += ["I'll say it's  fine\n\n  \tdef f(x):\n    return x_1 + 2.5  ", END_OF_TEXT]
    for text, ids in zip(texts, tokenizer.encode_batch(texts), strict=True):
        assert ids.tolist() == peer.encode_ordinary(text)


def test_the_alphabet_of_bytes_is_a_bijection_that_prints():
    alphabet = byte_alphabet()
    assert sorted(alphabet.values()) == list(range(256))
    assert not any(character.isspace() for character in alphabet)
    assert alphabet["Ġ"] == 32
    assert np.all([alphabet[chr(b)] == b for b in range(33, 127)])


def test_a_file_that_truncates_pads_or_drops_merges_does_none_of_it_here(tmp_path):
    plain = train_bpe(TEXTS, 300)
    backend = tokenizers.Tokenizer.from_str(plain.backend.to_str())
    backend.enable_truncation(4)
    backend.enable_padding(length=50)
    backend.model.dropout = 0.5
    backend.save(str(tmp_path / "tokenizer.json"))
    loaded = Tokenizer.load(tmp_path / "tokenizer.json")
    for text in TEXTS:
        assert loaded.encode(text).tolist() == plain.encode(text).tolist()
    assert loaded.fingerprint == plain.fingerprint
