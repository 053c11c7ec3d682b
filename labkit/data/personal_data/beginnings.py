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
    column = pa.array([text[: characters + MARGIN] for text in texts], pa.large_string())
    config = PersonalDataConfig()
    shown = replace_items(column, find_personal_data(column, config), config.placeholder)
    return [text[:characters] for text in shown.to_pylist()]
