"""The counted figures of a dataset as Markdown tables between two markers.

Names come from the data, so they are escaped for Markdown and HTML both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from labkit.core.counted import counted
from labkit.core.display import MAX_LABEL_CHARACTERS, plain_label

BEGIN, END = "<!-- figures: counted, don't edit -->", "<!-- end of figures -->"
MAX_TABLE_ROWS = 30
_EFFECTIVE = re.compile(r"[\\`*_\[\]|~!#$@]|:(?=//)|(?<=www)\.")
"""Addresses of the web and of mail become links by themselves."""


def figures_markdown(figures: Mapping[str, Any]) -> str:
    """The counted part of a README, from its first marker to its last."""
    parts = [
        f"{counted(figures['documents'], 'document')}, "
        f"{counted(figures['bytes'], 'byte')} of text.",
        _table("source", figures["sources"]),
        _table("language", figures["languages"]),
        _table("licence", figures["licences"]),
        _rows(
            ["share of documents", "bytes at most"],
            [[q, f"{size:,}"] for q, size in figures["bytes_of_a_document"].items()],
        ),
    ]
    if steps := figures.get("steps"):
        parts.append(
            _rows(
                ["step", "documents in", "kept", "bytes in", "out"],
                [
                    [inert(name), *(f"{amount:,}" for amount in amounts.values())]
                    for name, amounts in steps.items()
                ],
            )
        )
        parts.append(_table("dropped by step and rule", figures["rules"]))
    parts.append(
        _rows(
            ["file", "bytes", "SHA-256"],
            [
                [inert(name), f"{file['bytes']:,}", f"`{file['sha256']}`"]
                for name, file in figures["files"].items()
            ],
        )
    )
    return "\n\n".join([BEGIN, *(part for part in parts if part), END])


def _table(what: str, counts: Mapping[str, Mapping[str, int]]) -> str:
    order = sorted(counts, key=lambda name: (-counts[name]["bytes"], name))
    rows = [
        [inert(name), f"{counts[name]['documents']:,}", f"{counts[name]['bytes']:,}"]
        for name in order[:MAX_TABLE_ROWS]
    ]
    left = order[MAX_TABLE_ROWS:]
    if left:
        documents = sum(counts[name]["documents"] for name in left)
        num_bytes = sum(counts[name]["bytes"] for name in left)
        rows.append([f"{len(left):,} more", f"{documents:,}", f"{num_bytes:,}"])
    return _rows([what, "documents", "bytes"], rows) if rows else ""


def _rows(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def inert(text: str, limit: int | None = MAX_LABEL_CHARACTERS) -> str:
    """A name from the data within a line, without effect in Markdown, HTML or the hub's formulas.

    >>> print(inert("_a_ <b> https://c"))
    \\_a\\_ &lt;b&gt; https\\://c
    """
    return _EFFECTIVE.sub(r"\\\g<0>", plain_label(text, limit or len(text)))
