from __future__ import annotations

import pytest

from labkit.comparison.token_spans import token_spans
from labkit.core.errors import LabError
from labkit.data.readers import read_documents
from labkit.data.training_windows import TokenSpan, find_windows
from labkit.tokens.kinds import make_bytes, train_bpe
from labkit.tokens.shard_writing import write_shards
from labkit.tokens.shards import Shards
from labkit.tokens.tokenizer import Tokenizer

LENGTH = 64


def span_of(shards: Shards, tokenizer: Tokenizer, number: int) -> TokenSpan:
    rows = range(100, 100 + shards.facts.num_documents)
    span = token_spans(shards, tokenizer, rows, LENGTH)(100 + number)
    assert span is not None
    return span


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Real texts in several shards, with documents shorter than a window and than nothing."""
    batch = next(iter(read_documents("python-docs")))
    texts = [text[: 200 + 97 * n] for n, text in enumerate(batch.column("text").to_pylist()[:40])]
    texts[3:3] = ["", "short", "第一回 宴桃園豪傑三結義"]
    tokenizer = train_bpe(texts[:5], 400)
    folder = write_shards(
        texts,
        tokenizer,
        tmp_path_factory.mktemp("s") / "train",
        piece_characters=4000,
        shard_bytes=9000,
    )
    shards = Shards(folder)
    assert len(shards.facts.shard_tokens) > 3
    return texts, tokenizer, shards


def test_decoded_windows_of_each_document_are_its_bytes(corpus):
    texts, tokenizer, shards = corpus
    for number, text in enumerate(texts):
        found = find_windows(text.encode(), span_of(shards, tokenizer, number))
        content = b"".join(window.content for window in found.windows)
        assert found.equals_text
        assert text.encode().startswith(content)
        assert len(content) == len(text.encode()) or found.num_tokens_left
        assert [window.start for window in found.windows[1:]] == [
            window.stop for window in found.windows[:-1]
        ]


def test_a_windows_ids_are_those_that_training_reads(corpus):
    texts, tokenizer, shards = corpus
    found = find_windows(texts[20].encode(), span_of(shards, tokenizer, 20))
    middle = found.windows[1]
    inputs = shards.window(middle.number, LENGTH)[:-1]
    assert middle.num_tokens == LENGTH
    assert middle.content == b"".join(map(tokenizer.token_bytes, inputs.tolist()))


def test_each_token_is_in_one_window_or_left_over(corpus):
    texts, tokenizer, shards = corpus
    seen = {}
    for number, text in enumerate(texts):
        found = find_windows(text.encode(), span_of(shards, tokenizer, number))
        for window in found.windows:
            seen[window.number] = seen.get(window.number, 0) + window.num_tokens
    assert sorted(seen) == list(range(shards.num_windows(LENGTH)))
    assert sum(seen.values()) + len(texts) >= shards.facts.num_tokens - LENGTH
    assert max(seen.values()) == LENGTH


def test_what_lies_behind_the_last_window_is_counted():
    decode = lambda first, size: b"abcdefghij"[first - 5 : first - 5 + size]  # noqa: E731
    found = find_windows(b"abcdefghij", TokenSpan(5, 10, 4, 3, decode))
    assert [(one.number, one.content) for one in found.windows] == [(1, b"abc"), (2, b"defg")]
    assert (found.num_tokens_left, found.equals_text) == (3, True)
    assert not find_windows(b"abcdefghiX", TokenSpan(5, 10, 4, 3, decode)).equals_text
    assert find_windows(b"", TokenSpan(13, 0, 4, 3, decode)).windows == []


def test_rows_that_are_not_those_of_the_shards_are_refused(corpus):
    texts, tokenizer, shards = corpus
    assert token_spans(shards, tokenizer, range(len(texts)), LENGTH)(len(texts)) is None
    with pytest.raises(LabError, match="3 rows for shards of 43 documents"):
        token_spans(shards, tokenizer, range(3), LENGTH)
    with pytest.raises(LabError, match="another tokenizer than bytes"):
        token_spans(shards, make_bytes(), range(len(texts)), LENGTH)
