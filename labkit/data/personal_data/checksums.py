"""Check digits of numbers that carry them; arguments are ASCII digits (and X, letters) alone.

Luhn: ISO/IEC 7812-1. MOD 11-2 and MOD 97-10: ISO/IEC 7064.
"""

from __future__ import annotations

_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def luhn_is_valid(digits: str) -> bool:
    """From the right, every second digit doubled, tens and units added: a multiple of ten.

    >>> luhn_is_valid("79927398713"), luhn_is_valid("79927398710")
    (True, False)
    """
    numbers = [int(digit) for digit in reversed(digits)]
    return (sum(numbers[::2]) + sum(_DOUBLED[number] for number in numbers[1::2])) % 10 == 0


def mod_11_2_is_valid(characters: str) -> bool:
    """Sum of digit x 2^position from the right, X for ten: 1 modulo 11.

    >>> mod_11_2_is_valid("11010519491231002X"), mod_11_2_is_valid("110105194912310021")
    (True, False)
    """
    total = 0
    for character in characters.upper():
        total = total * 2 + (10 if character == "X" else int(character))
    return total % 11 == 1


def mod_97_is_valid(account: str) -> bool:
    """The first four characters moved to the end, letters as 10..35: 1 modulo 97.

    >>> mod_97_is_valid("GB82WEST12345698765432"), mod_97_is_valid("GB82WEST12345698765433")
    (True, False)
    """
    turned = account[4:] + account[:4]
    return int("".join(str(int(character, 36)) for character in turned)) % 97 == 1
