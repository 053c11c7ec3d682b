"""Where an item can begin: places found in one compiled pass over the bytes of a batch.

A pattern is matched at its own places alone, which most text has few of. A place is told by what
the body of a match looks like. It stays one while items are masked: a mask takes bytes from bodies
and gives none, and no item ends before a letter or digit, so that no letter or digit gets another
left border (the block of a private key may, and is masked before). What begins with another
character is a place whatever stands before it, but for IPv6 addresses, which are looked for last.
That every match begins at a place is tested against the patterns run over whole documents.
"""

from __future__ import annotations

import functools
import string
import sys
from collections.abc import Iterator

import numpy as np

from labkit.data.compiled import compile_together

_BITS = tuple(1 << n for n in range(14))
(TOKEN, ASSIGNED, EMAIL, IBAN, RESIDENT, CARD, SOCIAL, IPV4) = _BITS[:8]
(CHINESE, NORTH_AMERICAN, INTERNATIONAL, NATIONAL, IPV6) = _BITS[8:13]
"""What can begin at a place: a bit for each pattern, one for two of cards."""

MARGIN = b"<" * 8
"""Before and behind the documents, so that no look around leaves the array."""

(_DIGIT, _CAPITAL, _ALPHANUMERIC, _WORD, _TOKEN, _KEY, _HEX) = map(np.uint16, _BITS[:7])
(_SEPARATOR, _NAME, _LABEL, _ACCOUNT, _BLANK, _QUOTE, _BEGINS) = map(np.uint16, _BITS[7:])
_LETTERS = string.ascii_letters + string.digits
_MEMBERS = {
    _DIGIT: string.digits,
    _CAPITAL: string.ascii_uppercase,
    _ALPHANUMERIC: _LETTERS,
    _WORD: _LETTERS + "_",
    _TOKEN: _LETTERS + "_-",
    _KEY: _LETTERS + "_-+/=",
    _HEX: string.hexdigits + ":",
    _SEPARATOR: " .-()/",
    _NAME: _LETTERS + "._%+'-",
    _LABEL: _LETTERS + "-",
    _ACCOUNT: string.ascii_uppercase + string.digits + " ",
    _BLANK: " \t",
    _QUOTE: "\"'",
    _BEGINS: string.digits + "@:=Agsx",
}
CLASSES = np.array(
    [
        sum(kind for kind, members in _MEMBERS.items() if chr(code) in members)
        | (_NAME | _LABEL) * (code >= 128)
        for code in range(256)
    ],
    dtype=np.uint16,
)
_NAMES_OF_KEYS = tuple(ord(one) << 8 | ord(other) for one, other in "ap ac se to pa cr pr".split())
"""First two letters of what `assigned_key` takes for a name."""
_BLOCK = b"-----BEGIN "
_LONGEST = 200
"""Bytes of a run that are counted, so that each costs a bounded number of steps."""


def key_block_places(data: bytearray) -> Iterator[int]:
    place = data.find(_BLOCK)
    while place >= 0:
        yield place
        place = data.find(_BLOCK, place + 1)


def find_places(
    data: bytearray, marks: np.ndarray, begins: np.ndarray, ends: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Places (int64, ascending) in the ranges data[begin:end], and what can begin there.

    All but blocks of private keys; around each document are bytes that are in no item. `marks` is
    a zero for each byte, and is again afterwards.
    """
    _compile()
    raw = np.frombuffer(data, dtype=np.uint8)
    raw.flags.writeable = False
    _mark(raw, begins, ends, marks)
    return _collect(marks, begins, ends)


def _collect(marks, begins, ends):
    num_places = 0
    for number in range(len(begins)):
        num_places += np.count_nonzero(marks[begins[number] : ends[number]])
    places, kinds = np.empty(num_places, np.int64), np.empty(num_places, np.uint16)
    num_places = 0
    for number in range(len(begins)):
        for at in range(begins[number], ends[number]):
            if marks[np.uint64(at)] != 0:  # unsigned: no look for a negative index
                places[num_places], kinds[num_places] = at, marks[at]
                num_places += 1
                marks[at] = 0
    return places, kinds


def _mark(data, begins, ends, marks):
    for number in range(len(begins)):
        end = ends[number]
        group_end = colons_end = begins[number]
        is_enough = False
        at = _next(data, begins[number], end)
        while at < end:
            kind = CLASSES[data[at]]
            if kind & _DIGIT:
                if CLASSES[data[at - 1]] & _DIGIT == 0:
                    if at >= group_end:
                        group_end, is_enough = _measure_group(data, at)
                    _mark_account(data, at, marks)
                    if is_enough:
                        _mark_numbers(data, at, marks)
            elif kind & _ALPHANUMERIC:
                is_first = CLASSES[data[at - 1]] & _ALPHANUMERIC == 0
                if is_first and _run(data, at, _TOKEN) >= 17:
                    marks[at] |= TOKEN
            elif data[at] == ord("@"):
                _mark_emails(data, at, marks)
            else:
                _mark_assigned(data, at, marks)
                if data[at] == ord(":") and at >= colons_end:
                    colons_end = _mark_ipv6(data, at, marks)
            at = _next(data, at + 1, end)


def _next(data, at, end):
    while at < end and CLASSES[data[np.uint64(at)]] & _BEGINS == 0:
        at += 1
    return at


def _run(data, at, kind):
    """Bytes of a class from `at` on, counted up to `_LONGEST`."""
    size = 0
    while size < _LONGEST and CLASSES[data[at + size]] & kind:
        size += 1
    return size


def _run_before(data, at, kind):
    size = 0
    while size < _LONGEST and CLASSES[data[at - 1 - size]] & kind:
        size += 1
    return size


def _is_border(data, at):
    """Whether a number can begin; behind the escape of a line end (a backslash, n) it can."""
    return CLASSES[data[at - 1]] & _WORD == 0 or data[at - 2] == ord("\\")


def _measure_group(data, at):
    """The end of a row of digits with at most three separators between two; if it is long enough.

    Nine digits are, or three single dots: no number but an account's has less.
    """
    num_digits = num_dots = 0
    while True:
        size = _run(data, at, _DIGIT)
        num_digits += size
        at += size
        gap = _run(data, at, _SEPARATOR)
        if gap == 0 or gap > 3 or CLASSES[data[at + gap]] & _DIGIT == 0:
            return at, num_digits >= 9 or num_dots >= 3
        num_dots += gap == 1 and data[at] == ord(".")
        at += gap


def _mark_account(data, at, marks):
    """Two capitals, two digits, and what makes it 15 characters at least."""
    are_capitals = CLASSES[data[at - 1]] & CLASSES[data[at - 2]] & _CAPITAL
    are_digits = CLASSES[data[at + 1]] & _DIGIT
    if are_capitals and are_digits and _is_border(data, at - 2) and _run(data, at, _ACCOUNT) >= 12:
        marks[at - 2] |= IBAN


def _mark_numbers(data, at, marks):
    """What can begin with a run of digits, or with the + or ( before it."""
    before, first = data[at - 1], data[at]
    if before == ord("+"):
        marks[at - 1] |= CHINESE | NORTH_AMERICAN | INTERNATIONAL
    size = _run(data, at, _DIGIT)
    after = data[at + size]
    is_area = first == ord("0") and 3 <= size <= 5
    if before == ord("(") and size >= 3:
        marks[at - 1] |= CHINESE | NORTH_AMERICAN | (NATIONAL * is_area)
    if not _is_border(data, at):
        return
    is_joined = CLASSES[after] & _SEPARATOR > 0
    if 17 <= size <= 18:
        marks[at] |= RESIDENT
    if 13 <= size <= 19 or (size == 4 and is_joined):
        marks[at] |= CARD
    if size == 3 and after == ord("-"):
        marks[at] |= SOCIAL
    if size <= 3 and after == ord(".") and _are_octets(data, at):
        marks[at] |= IPV4
    is_mobile = first == ord("1") and (size == 11 or (is_joined and size == 3))
    is_coded = first == ord("0") or (first == ord("8") and data[at + 1] == ord("6"))
    if is_mobile or (is_coded and (is_joined or size >= 11)):
        marks[at] |= CHINESE
    if is_joined and (size == 3 or (first == ord("1") and (size == 1 or size == 4))):
        marks[at] |= NORTH_AMERICAN
    if is_area and (after == ord(" ") or after == ord("/")):
        marks[at] |= NATIONAL
    if is_area and data[at + 1] == ord("0"):
        marks[at] |= INTERNATIONAL


def _are_octets(data, at):
    """One to three digits, four times, with dots between."""
    for number in range(4):
        size = _run(data, at, _DIGIT)
        at += size
        if size == 0 or size > 3 or (number < 3 and data[at] != ord(".")):
            return False
        at += 1
    return True


def _mark_emails(data, at, marks):
    """A host of two labels behind the @; before it a name, at each of its borders."""
    size = _run(data, at + 1, _LABEL)
    dot = at + 1 + size
    if size == 0 or data[dot] != ord(".") or CLASSES[data[dot + 1]] & _LABEL == 0:
        return
    for place in range(at - _run_before(data, at, _NAME), at):
        byte, before = data[place], data[place - 1]
        if CLASSES[byte] & _ALPHANUMERIC:
            is_inside = CLASSES[before] & _TOKEN != 0 or before == ord("%") or before == ord("+")
            is_escaped = data[place - 2] == ord("\\") or data[place - 6] == ord("\\")
            if is_escaped or not is_inside:
                marks[place] |= EMAIL
        elif byte == ord("_") or 0xC3 <= byte <= 0xC9:
            marks[place] |= EMAIL


def _mark_assigned(data, at, marks):
    """A value of 15 characters and a digit at least behind = or :, a likely name before it."""
    value = at + 1 + (data[at + 1] == ord(">") or data[at + 1] == ord("="))
    value += _run(data, value, _BLANK)
    value += _run(data, value, _QUOTE)
    size = _run(data, value, _KEY)
    num_digits = 0
    for place in range(value, value + size):
        num_digits += CLASSES[data[place]] & _DIGIT
    if size < 15 or num_digits == 0:
        return
    end = at - _run_before(data, at, _BLANK)
    end -= _run_before(data, end, _QUOTE)
    for place in range(end - _run_before(data, end, _WORD), end - 4):
        if (data[place] | 32) << 8 | data[place + 1] | 32 in _NAMES_OF_KEYS:
            marks[place] |= ASSIGNED


def _mark_ipv6(data, at, marks):
    """A row of hexadecimal digits and colons with :: or six colons; returns its end."""
    start = at - _run_before(data, at, _HEX)
    num_colons, is_double, end = 0, False, at
    while CLASSES[data[end]] & _HEX:
        if data[end] == ord(":"):
            num_colons += 1
            is_double |= data[end + 1] == ord(":")
        end += 1
    is_inside = CLASSES[data[start - 1]] & _WORD != 0 or data[start - 1] == ord(".")
    if (is_double or num_colons >= 6) and not is_inside:
        marks[start] |= IPV6
    return end


@functools.cache
def _compile() -> None:
    """Numba is slow to import: functions are plain until now."""
    names = (
        *("_next", "_run", "_run_before", "_is_border", "_measure_group", "_are_octets"),
        *(
            "_mark_account",
            "_mark_numbers",
            "_mark_emails",
            "_mark_assigned",
            "_mark_ipv6",
            "_mark",
        ),
    )
    compile_together(sys.modules[__name__], names, borrowing=True)
    compile_together(sys.modules[__name__], ["_collect"])
