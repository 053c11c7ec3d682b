"""A document stays when its licence is on a list of SPDX identifiers; an unknown one is dropped.

The column `licence` is an SPDX expression (ISO/IEC 5962, annex D), in any case, or one of a few
names in common use (`facts/licence_names.csv`). Of `A OR B` one must be allowed, of `A AND B` both;
an exception, `A WITH E`, only permits more, so that A will do; so will A for `A+`. Without the
column every licence is unknown. What a licence demands, such as naming authors, is not judged.
"""

from __future__ import annotations

import csv
import functools
from importlib import resources

import pyarrow as pa
from pydantic import field_validator

from labkit.core.config import Config, field
from labkit.data.pipeline.step import Outcome, Verdicts, split_by

PERMISSIVE = (
    *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC-BY-3.0", "CC-BY-4.0"),
    *("CC0-1.0", "ISC", "MIT", "MIT-0", "ODC-By-1.0", "PDDL-1.0", "PSF-2.0", "Python-2.0"),
    *("Unlicense", "Zlib"),
)
"""Own choice: licences that ask for a notice at most. No advice in law."""
UNKNOWN = "unknown"
_DEPRECATED = ("AGPL-", "GFDL-", "GPL-", "LGPL-")
"""Families whose bare versions SPDX deprecates: GPL-3.0 is GPL-3.0-only, GPL-3.0+ -or-later."""


class LicenceList(Config):
    """A `Step`; the rule that drops a document is `licence:` and the normalised expression."""

    allowed: tuple[str, ...] = field(PERMISSIVE, "SPDX identifiers; A WITH E allows that alone")

    @field_validator("allowed")
    @classmethod
    def _are_known(cls, allowed: tuple[str, ...]) -> tuple[str, ...]:
        if not allowed:
            raise ValueError("allows nothing; give one SPDX identifier or more")
        for licence in allowed:
            found = normalise_licence(licence)
            if found == UNKNOWN or " OR " in found or " AND " in found:
                raise ValueError(f"{licence!r} is no SPDX identifier, such as MIT or Apache-2.0")
        return tuple(dict.fromkeys(normalise_licence(licence) for licence in allowed))

    @property
    def name(self) -> str:
        return "licence"

    def apply(self, batch: pa.RecordBatch) -> Outcome:
        if "licence" in batch.schema.names:
            given = batch.column("licence").to_pylist()
        else:
            given = [None] * batch.num_rows
        allowed = frozenset(self.allowed)
        refused = [_refused(licence or UNKNOWN, allowed) for licence in given]
        rules = [licence and f"licence:{licence}" for licence in refused]
        return split_by(
            batch,
            Verdicts(
                pa.array(rules, type=pa.string()),
                pa.array([None if rule is None else 0.0 for rule in rules], type=pa.float64()),
                pa.array([None if rule is None else 1.0 for rule in rules], type=pa.float64()),
            ),
        )


@functools.lru_cache(maxsize=65536)
def _refused(licence: str, allowed: frozenset[str]) -> str | None:
    """The normalised expression if none of its alternatives is allowed, else None."""
    expression = normalise_licence(licence)
    return None if is_allowed(expression, allowed) else expression


@functools.lru_cache(maxsize=65536)
def normalise_licence(licence: str) -> str:
    """An SPDX expression as SPDX spells it, or "unknown".

    >>> normalise_licence("Apache 2.0"), normalise_licence("mit or gpl-3.0+")
    ('Apache-2.0', 'MIT OR GPL-3.0-or-later')
    >>> normalise_licence("all rights reserved")
    'unknown'
    """
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    name = " ".join(licence.replace(",", " ").split())
    try:
        found = canonicalize_license_expression(_names().get(name.lower(), name))
    except (InvalidLicenseExpression, RecursionError, MemoryError, ValueError):
        return UNKNOWN
    return " ".join(_current(token) for token in str(found).split(" "))


def is_allowed(expression: str, allowed: frozenset[str]) -> bool:
    """Of a normalised expression: OR needs one side, AND both; AND binds tighter.

    >>> is_allowed("MIT OR GPL-3.0-only", frozenset({"MIT"}))
    True
    >>> is_allowed("MIT AND GPL-3.0-only", frozenset({"MIT"}))
    False
    """
    tokens = expression.replace("(", "( ").replace(")", " )").split()
    stack: list[list[list[bool]]] = [[[]]]  # alternatives, each of what all must be allowed
    position = 0
    while position < len(tokens):
        token = tokens[position]
        if token == "(":
            stack.append([[]])
        elif token == ")":
            inner = stack.pop()
            stack[-1][-1].append(any(map(all, inner)))
        elif token == "OR":
            stack[-1].append([])
        elif token != "AND":
            is_in = token in allowed or token.removesuffix("+") in allowed
            if tokens[position + 1 : position + 2] == ["WITH"]:
                is_in = is_in or " ".join(tokens[position : position + 3]) in allowed
                position += 2
            stack[-1][-1].append(is_in)
        position += 1
    return any(map(all, stack[0]))


def _current(token: str) -> str:
    """
    >>> _current("LGPL-2.1+"), _current("(GPL-3.0"), _current("GPL-3.0-only")
    ('LGPL-2.1-or-later', '(GPL-3.0-only', 'GPL-3.0-only')
    """
    bare = token.strip("()")
    if not bare.startswith(_DEPRECATED) or not bare.removesuffix("+")[-1].isdigit():
        return token
    now = bare.removesuffix("+") + ("-or-later" if bare.endswith("+") else "-only")
    return token.replace(bare, now)


@functools.cache
def _names() -> dict[str, str]:
    """Name in lower case, without commas -> SPDX identifier."""
    text = resources.files("labkit.data").joinpath("facts/licence_names.csv").read_text("utf-8")
    return {row["name"]: row["spdx"] for row in csv.DictReader(text.splitlines())}
