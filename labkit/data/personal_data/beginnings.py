"""Texts as a page may show them: their beginnings, with personal data replaced."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from labkit.data.personal_data.config import PersonalDataConfig
from labkit.data.personal_data.find import find_personal_data
from labkit.data.personal_data.redact import replace_items

MARGIN = 500
"""Characters looked through beyond those shown, so that no item is cut before it is found."""


def beginnings(texts: Sequence[str], characters: int) -> list[str]:
    """Each text's first `characters`, less where items were longer than their placeholders."""
    config = PersonalDataConfig()
    seen = [text[: characters + MARGIN] for text in texts]
    ends = [len(text[:characters].encode()) for text in texts]
    found = find_personal_data(pa.array(seen, pa.large_string()), config)
    shown = [item for item in found if item.start < ends[item.document]]
    for item in shown:
        ends[item.document] = max(ends[item.document], item.end)
    cut = [text.encode()[:end].decode() for text, end in zip(seen, ends, strict=True)]
    written = replace_items(pa.array(cut, pa.large_string()), shown, config.placeholder)
    return [text[:characters] for text in written.to_pylist()]
