"""A program as numbers in which the names of its variables don't count.

Comments and layout are left out. A name is replaced by the distance, in names, to where it stood
before, 0 at first: equal for programs whose variables were renamed one to one, and changed only
nearby by an edit (Baker 1996, parameterized duplication). Keywords, built-ins, attributes after a
dot, operators and literals stay themselves. What Python parses is cut by its tokenizer, and so by
its version's grammar; anything else, and text of over a million characters, by a regular
expression, with the keywords of C, Java, JavaScript, Go, Rust and Python.
"""

from __future__ import annotations

import ast
import builtins
import functools
import hashlib
import io
import keyword
import re
import tokenize
import warnings
from collections.abc import Iterator

import numpy as np

_OTHER_KEYWORDS = """
    auto bool boolean break case catch char chan class const constexpr continue default defer delete
    do double else enum export extends extern fallthrough final finally float fn for func function
    go goto if impl implements import in inline instanceof int interface let long loop map match mod
    move mut namespace new null nullptr package private protected pub public range ref register
    return select self short signed sizeof static string struct super switch template this throw
    throws trait true false try type typedef typename typeof union unsafe unsigned use using var
    virtual void volatile where while yield
"""
_PYTHON_WORDS = frozenset([*keyword.kwlist, *keyword.softkwlist, *dir(builtins), "self", "cls"])
_ALL_KEYWORDS = frozenset([*keyword.kwlist, *_OTHER_KEYWORDS.split()])
MAX_PARSED_CHARACTERS = 1_000_000
"""A syntax tree takes some 100 bytes per character."""
_NO_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.ENCODING, tokenize.ENDMARKER}
_LAYOUT = {tokenize.NEWLINE: "\n", tokenize.INDENT: "->", tokenize.DEDENT: "<-"}
_UNCLOSED = {quote: re.compile(rf"{quote}(?:\\.|[^{quote}\\\n])*", re.DOTALL) for quote in "\"'"}
"""A string up to where its last quote should be."""


def normal_tokens(text: str) -> np.ndarray:
    """uint64 array, one number per token.

    >>> one, other = normal_tokens("total = price * 2"), normal_tokens("t = p * 2  # twice")
    >>> bool((one == other).all())
    True
    """
    numbers, last_seen, num_names, before = [], dict[str, int](), 0, ""
    for token, is_name in _tokens(text):
        if is_name and before != ".":
            seen = last_seen.get(token)
            numbers.append(0 if seen is None else num_names - seen)
            last_seen[token] = num_names
            num_names += 1
        else:
            numbers.append(_token_hash(token))
        before = token
    return np.array(numbers, dtype=np.uint64)


def _tokens(text: str) -> Iterator[tuple[str, bool]]:
    """(token, whether it is a name that may be renamed)"""
    found = python_tokens(text)
    if found is not None:
        yield from found
        return
    for match in _cut(text):
        if match.lastgroup != "comment":
            token = match.group()
            yield token, match.lastgroup == "name" and token not in _ALL_KEYWORDS


def _cut(text: str) -> Iterator[re.Match[str]]:
    """As `_pattern(True, quotes).finditer`, in linear time: what was seen to have no end, a comment
    or a string, isn't looked for again. Within an unclosed string no later quote closes one."""
    last_close, at, every = text.rfind("*/"), 0, "".join(_UNCLOSED)
    unclosed, last_unclosed = dict.fromkeys(every, 0), 0
    while True:
        quotes = every
        if at < last_unclosed:
            quotes = "".join(quote for quote, end in unclosed.items() if at >= end)
        match = _pattern(at <= last_close, quotes).search(text, at)
        if match is None:
            return
        at = match.start()
        if quotes != every and any(at >= unclosed[q] for q in every if q not in quotes):
            continue  # white space led out of an unclosed string: again, with its quote
        if match[0] in quotes and (found := _UNCLOSED[match[0]].match(text, at)):
            unclosed[match[0]] = found.end()
            last_unclosed = max(unclosed.values())
        at = match.end()
        yield match


@functools.cache
def _pattern(has_comments: bool, quotes: str) -> re.Pattern[str]:
    comments = r"/\*.*?\*/|" if has_comments else ""
    strings = "".join(f"{_UNCLOSED[quote].pattern}{quote}|" for quote in quotes)
    return re.compile(
        rf"(?P<comment>//[^\n]*|{comments}\#[^\n]*)"
        rf"|(?P<literal>{strings}\d[\w.]*)"
        r"|(?P<name>[^\W\d]\w*)"
        r"|(?P<sign>[^\w\s])",
        re.DOTALL,
    )


def python_tokens(text: str) -> list[tuple[str, bool]] | None:
    """None where Python refuses the text."""
    if len(text) > MAX_PARSED_CHARACTERS:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the program, such as an invalid escape
            ast.parse(text)
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (tokenize.TokenError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return [
        (_LAYOUT.get(token.type, token.string), _is_renamable(token))
        for token in tokens
        if token.type not in _NO_CODE
    ]


def _is_renamable(token: tokenize.TokenInfo) -> bool:
    return token.type == tokenize.NAME and token.string not in _PYTHON_WORDS


@functools.lru_cache(maxsize=1 << 18)
def _token_hash(token: str) -> int:
    """Above 2^32, where no distance lies."""
    digest = hashlib.blake2b(token.encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "little") | 1 << 40
