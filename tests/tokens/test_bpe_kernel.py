from __future__ import annotations

import random
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest
import tokenizers
from tokenizers import models, normalizers, pre_tokenizers

from labkit.tokens import bpe_kernel, unicode_classes
from labkit.tokens.bpe_kernel import BpeKernel
from labkit.tokens.kinds import train_bpe, train_words
from labkit.tokens.tokenizer import Tokenizer, byte_alphabet

NUM_FILES, VOCAB_SIZE = 300, 1000
FRAGMENTS = [
    *("a", "Z", "é", "ß", "漢字", "か", "한", "ǅ", "ª", "ʰ", "ا", "ש", "ไทย", "𝒜", "\U00020000"),
    *("0", "42", "٣", "۴", "१", "²", "½", "Ⅷ", "㊿", "𝟙", "〇"),
    *("'", "'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'LL", "\u2019s", "''"),
    *(" ", "  ", "     ", "\n", "\r\n", "\t", "\x0b", "\x0c", "\x85", "\xa0", "\u1680", "\u2028"),
    *("\u2029", "\u202f", "\u3000", "\x1c", "\x1d", "\x1e", "\x1f", "\u180e", "\u200b", "\ufeff"),
    *("\u0301", "\u0308", "\u200d", "\u200c", "\ufe0f", "👩‍👩‍👧‍👦", "🏳️‍🌈", "👍🏽", "\x00", "\x7f"),
    *(".", "!?", "_", "--", "…", "«", "€", "\ue000", "\ufffd", "\U0010ffff", "\U000e0001"),
    *("<|endoftext|>", "the", "self", "import", "return", "    ", "======", "\n    "),
]


@pytest.fixture(scope="module")
def files() -> list[str]:
    paths = sorted(Path(sysconfig.get_path("stdlib")).glob("*/*.py"))
    texts = [path.read_bytes().decode("utf-8", "replace") for path in paths]
    return [text for text in texts if text][:NUM_FILES]


@pytest.fixture(scope="module")
def trained(files: list[str]) -> Tokenizer:
    return train_bpe(files, VOCAB_SIZE)


@pytest.fixture(scope="module")
def kernel(trained: Tokenizer) -> BpeKernel:
    return _kernel(trained.backend)


def _kernel(backend: tokenizers.Tokenizer) -> BpeKernel:
    kernel = BpeKernel.from_tokenizer(backend)
    assert kernel is not None
    return kernel


def _by_hand(**changes) -> tokenizers.Tokenizer:
    """256 bytes as themselves; lo = 256, low = 257, ' low' = 258."""
    vocabulary = byte_alphabet() | {"lo": 256, "low": 257, "Ġlow": 258}
    merges = [("l", "o"), ("lo", "w"), ("Ġ", "low")]
    backend = tokenizers.Tokenizer(models.BPE(vocab=vocabulary, merges=merges, **changes))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return backend


def _assert_equal(kernel: BpeKernel, trained: Tokenizer, texts: list[str]) -> None:
    expected = trained.backend.encode_batch_fast(texts, add_special_tokens=False)
    for text, ours, theirs in zip(texts, kernel.encode_batch(texts), expected, strict=True):
        assert ours.dtype == np.uint32
        assert ours.tolist() == theirs.ids, ascii(text[:200])


def _adversarial(count: int, seed: int = 0) -> list[str]:
    rng = random.Random(seed)
    return ["".join(rng.choices(FRAGMENTS, k=rng.randint(0, 40))) for _ in range(count)]


def test_merges_by_hand():
    encoded = _kernel(_by_hand()).encode_batch(["low low lo", "", "llow's"])
    assert [ids.tolist() for ids in encoded] == [
        [257, 258, 32, 256],
        [],
        [ord("l"), 257, ord("'"), ord("s")],
    ]


def test_splits_by_hand(kernel: BpeKernel):
    data, pieces = np.frombuffer(b"I'll go  on", dtype=np.uint8), np.zeros(11, dtype=np.int64)
    unicode_classes.split_pieces(data, np.array([11]), kernel._classes, pieces)
    assert pieces.tolist() == [1, 4, 7, 8, 11, 0, 0, 0, 0, 0, 0]


def test_the_lowest_rank_goes_first_and_then_the_leftmost():
    vocabulary = byte_alphabet() | {"bc": 256, "ab": 257, "aa": 258}
    merges = [("b", "c"), ("a", "b"), ("a", "a")]
    backend = tokenizers.Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    encoded = _kernel(backend).encode_batch(["abc", "aaa"])
    assert [ids.tolist() for ids in encoded] == [[97, 256], [258, 97]]


def test_decoding_gives_back_any_text(kernel: BpeKernel, trained: Tokenizer):
    rng = random.Random(0)
    planes = [(0, 0x80), (0x80, 0xD800), (0xE000, 0x10000)]
    planes += [(plane << 16, plane + 1 << 16) for plane in range(1, 17)]
    texts = [
        "".join(chr(rng.randrange(*rng.choice(planes))) for _ in range(rng.randint(0, 60)))
        for _ in range(500)
    ]
    for text, ids in zip(texts, kernel.encode_batch(texts), strict=True):
        assert trained.decode(ids) == text
    _assert_equal(kernel, trained, texts)


def test_every_character_has_the_class_tokenizers_gives_it(kernel: BpeKernel, trained: Tokenizer):
    characters = [chr(code) for code in range(0x3400) if not 0xD800 <= code < 0xE000]
    _assert_equal(kernel, trained, [f"a{c}a 0{c}0 !{c}! {c}  {c}" for c in characters])


def test_source_files_as_tokenizers(kernel: BpeKernel, trained: Tokenizer, files: list[str]):
    assert len(files) == NUM_FILES
    assert sum(map(len, files)) > 2_000_000
    _assert_equal(kernel, trained, files)


def test_adversarial_texts_as_tokenizers(kernel: BpeKernel, trained: Tokenizer):
    _assert_equal(kernel, trained, _adversarial(2000))


def test_a_full_cache_changes_nothing(trained: Tokenizer, monkeypatch: pytest.MonkeyPatch):
    kernel = _kernel(trained.backend)
    letters = str.maketrans("0123456789", "abcdefghij")
    words = " ".join(str(number).translate(letters) for number in range(300_000))
    texts = [words, *_adversarial(300, seed=1), words[:300_000]]
    monkeypatch.setattr(bpe_kernel, "CHUNK_BYTES", 1000)
    _assert_equal(kernel, trained, texts)
    used = np.count_nonzero(kernel._cache[0][:, 3])
    assert 250_000 < used < 299_000, "some sets of four rows had to overflow"


@pytest.mark.parametrize("unit", [" ", "a", "=-"])
def test_a_million_characters_without_a_break(kernel: BpeKernel, trained: Tokenizer, unit: str):
    text = unit * (1_000_000 // len(unit)) + "b"
    _assert_equal(kernel, trained, [text])


def test_a_lone_surrogate_is_named(kernel: BpeKernel):
    with pytest.raises(ValueError, match="text 1 holds a lone surrogate at character 2"):
        kernel.encode_batch(["fine", "ab\ud800"])


def test_special_tokens_in_text_are_text(kernel: BpeKernel, trained: Tokenizer):
    (ids,) = kernel.encode_batch(["a<|endoftext|>b"])
    assert trained.end_of_text not in ids
    assert trained.decode(ids) == "a<|endoftext|>b"


def test_other_tokenizers_are_declined():
    words = train_words(["a b c"], 5).backend
    prefix = _by_hand()
    prefix.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    no_split = _by_hand()
    no_split.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    normalised = _by_hand()
    normalised.normalizer = normalizers.NFC()
    added = _by_hand()
    added.add_tokens(["plain"])
    cut = _by_hand()
    cut.enable_truncation(5)
    changed = [_by_hand(dropout=0.5), _by_hand(ignore_merges=True), _by_hand(byte_fallback=True)]
    bare = tokenizers.Tokenizer(models.BPE(vocab={"a": 0}, merges=[]))
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    for backend in (words, prefix, no_split, normalised, added, cut, bare, *changed):
        assert BpeKernel.from_tokenizer(backend) is None


def test_a_difference_is_raised(trained: Tokenizer, monkeypatch: pytest.MonkeyPatch):
    wrong = np.zeros(0x110000, dtype=np.uint8)
    monkeypatch.setattr(unicode_classes, "character_classes", lambda _: wrong)
    with pytest.raises(RuntimeError, match="splits or merges .* differently"):
        BpeKernel.from_tokenizer(trained.backend)


def test_importing_loads_no_compiler():
    code = "import sys, labkit.tokens.bpe_kernel; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
