"""What a reader does with a record it can't take, and how much it takes in one piece.

With `on_error="stop"` the first such record ends the reading with file, line and reason; with
"skip" it is counted under its rule and the reading goes on, where the format allows it: after a
damaged block nothing can be found again, so that what is left of a compressed file, a WARC file or
a Parquet file is one rejection.
"""

from __future__ import annotations

from typing import Literal

from pydantic import field_validator

from labkit.core.config import Config, field

MEBIBYTE = 1 << 20
HARMLESS_BYTES = 64 * MEBIBYTE
"""What a compressed file may always unpack to, however small it is."""


class ReadPolicy(Config):
    on_error: Literal["stop", "skip"] = field(
        "stop", "a record that cannot be read: stop there, or count it under its rule and go on"
    )
    max_record_bytes: int = field(
        128 * MEBIBYTE,
        "longer lines and documents are rejected without being held in memory",
        unit="bytes",
        ge=1,
        le=1 << 30,
        scale="log",
    )
    max_expansion_ratio: float = field(
        200.0,
        "a compressed file may unpack to so many times its size (gzip's own limit is 1,032); "
        "64 MiB are always allowed",
        gt=1,
    )
    text_suffixes: str = field(
        ".txt", "files of these suffixes are one document each, separated by commas: .txt, .md, .py"
    )

    @field_validator("text_suffixes")
    @classmethod
    def _are_suffixes(cls, value: str) -> str:
        for suffix in suffixes_of(value):
            if not suffix.startswith(".") or len(suffix) < 2 or "/" in suffix:
                raise ValueError(f"text_suffixes={value!r}: give suffixes like .txt, .md")
        return value


def suffixes_of(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
