"""What is looked for, what is written instead, and when a document is dropped for it."""

from __future__ import annotations

from typing import Literal

from labkit.core.config import Config, field

KINDS = ("EMAIL", "PHONE", "ID_NUMBER", "BANK_ACCOUNT", "CARD", "IP_ADDRESS", "KEY")
PLACEHOLDERS = {"angle": "<{}>", "square": "[{}]"}
"""How a kind is written in place of an item; the brackets are in no item, so nothing is found
again in a redacted text."""


class PersonalDataConfig(Config):
    emails: bool = field(True, "e-mail addresses")
    phones: bool = field(
        True,
        "phone numbers: Chinese, North American, international with + or 00, and national with a "
        "leading 0 if an area of 3 to 5 digits is set off by a space, a slash or brackets and 6 to "
        "8 digits follow (030 1234567), after a space also as two groups (020 7946 0018); not "
        "looked for: 015123456789 and 01 23 45 67 89, which are like any other digits, 040-7654321 "
        "with a dash (part numbers) unless Chinese (010-62345678: none there begins with 0 or 1)",
    )
    id_numbers: bool = field(
        True, "Chinese resident identity numbers (GB 11643-1999) and US social security numbers"
    )
    bank_accounts: bool = field(True, "international bank account numbers (ISO 13616)")
    cards: bool = field(True, "payment card numbers (ISO/IEC 7812: issuer, length, Luhn)")
    ip_addresses: bool = field(True, "IPv4 and IPv6 addresses")
    keys: bool = field(
        True, "private key blocks, AWS, GitHub, GitLab, Google, Slack and other keys"
    )
    ip_ranges: Literal["global", "all"] = field(
        "global",
        "global: leaves private, loopback, documentation and other special ranges (RFC 6890)",
    )
    min_largest_octet: int = field(
        32,
        "an IPv4 address is left for a version or a section (2.4.1.3) if none of its four numbers "
        "is as large; so is 8.8.8.8: 0 takes all for addresses; own choice: 1 in 4,096 random "
        "addresses is missed for it",
        ge=0,
        le=255,
    )
    placeholder: Literal["angle", "square"] = field("angle", "<EMAIL> or [EMAIL]")
    min_key_transitions: float = field(
        0.25,
        "share of neighbouring characters of different class (lower, upper, digit) from which a "
        "value assigned to a name like `api_key` is random; own choice: random hexadecimal has "
        "0.47, random letters and digits 0.62, snake_case_v2 below 0.1",
        ge=0,
        le=1,
    )
    max_items_per_kb: float | None = field(
        None,
        "documents with more are dropped; none: nothing is",
        unit="items per 1,000 bytes",
        gt=0,
    )

    @property
    def kinds(self) -> tuple[str, ...]:
        chosen = (
            *(self.emails, self.phones, self.id_numbers, self.bank_accounts),
            *(self.cards, self.ip_addresses, self.keys),
        )
        return tuple(kind for kind, is_chosen in zip(KINDS, chosen, strict=True) if is_chosen)
