"""Which training windows hold a document's tokens, with which of its bytes.

A window of length L with number w reads tokens w L .. (w + 1) L - 1 of its shards as inputs and
their successors as targets, so that each token is an input of one window at most; those after the
last whole window are in none. Every window's tokens are decoded and compared with the text: what
a model is trained on is what the curation kept, byte for byte, or it is said. Shards, tokenizers
and plans are other rooms': what is known of them comes as numbers and functions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class TokenSpan(NamedTuple):
    """Where the tokens of one document are among those of its shards."""

    first_token: int
    num_tokens: int
    """Without the end of text."""
    sequence_length: int
    num_windows: int
    decode: Callable[[int, int], bytes]
    """(first token, number of tokens) -> their bytes."""


class Window(NamedTuple):
    number: int
    num_tokens: int
    """Of this document among its inputs."""
    start: int
    stop: int
    """Bytes of the document that they are."""
    content: bytes


class Windows(NamedTuple):
    windows: list[Window]
    num_tokens_left: int
    """After the last whole window: inputs of none."""
    equals_text: bool
    """Whether the tokens decode to the document's bytes."""


def find_windows(text: bytes, span: TokenSpan) -> Windows:
    """The windows that have a token of the document among their inputs, in order."""
    length, end = span.sequence_length, span.first_token + span.num_tokens
    stop = min(end, span.num_windows * length)
    numbers = range(span.first_token // length, -(-stop // length))
    windows, place = [], 0
    for number in numbers:
        first = max(number * length, span.first_token)
        size = min((number + 1) * length, stop) - first
        content = span.decode(first, size)
        window = Window(number, size, place, place + len(content), content)
        place += len(content)
        windows.append(window)
    seen = max(stop, span.first_token)
    rest = span.decode(seen, end - seen) if end > seen else b""
    decoded = b"".join([*(window.content for window in windows), rest])
    return Windows(windows, end - seen, decoded == text)
