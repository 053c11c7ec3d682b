from __future__ import annotations

import ipaddress
import random

from labkit.data.personal_data.checksums import luhn_is_valid, mod_11_2_is_valid, mod_97_is_valid
from labkit.data.personal_data.number_plans import is_ip_address
from tests.data.personal_data.planted import bank_account, card, resident_id


def test_numbers_made_by_their_issuers_rules_hold_and_no_other_check_digit_does():
    rng = random.Random(0)
    for _ in range(200):
        number = "".join(c for c in card(rng) if c.isdigit())
        valid = [digit for digit in "0123456789" if luhn_is_valid(number[:-1] + digit)]
        assert valid == [number[-1]]
        number = resident_id(rng)
        assert [c for c in "0123456789X" if mod_11_2_is_valid(number[:-1] + c)] == [number[-1]]
        account = bank_account(rng).replace(" ", "")
        assert mod_97_is_valid(account)
        assert not mod_97_is_valid(account[:-1] + str((int(account[-1]) + 1) % 10))


def test_global_addresses_are_those_of_the_standard_library():
    """Special ranges of v4, sampled; `is_global` also excludes none of multicast's, we do."""
    rng = random.Random(1)
    for _ in range(20_000):
        address = ipaddress.IPv4Address(rng.getrandbits(32))
        expected = address.is_global and not address.is_multicast
        assert is_ip_address(str(address), global_only=True) == expected, address
