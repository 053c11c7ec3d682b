"""Head, middle and tail of each language by perplexity, and a cut (CCNet, Wenzek et al. 2020).

Low perplexity means like the text the model was trained on. A document is judged by the model of
its language (the column `language`) and compared with documents of that language alone: characters
carry different amounts in different scripts, so that perplexities of two languages have no common
scale. The cuts are percentiles of what the corpus holds, a third each as published; a document at
a cut is in the better part.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Self

import numpy as np
import pyarrow as pa
from pydantic import model_validator

from labkit.core.config import Config, field
from labkit.data.pipeline.step import Outcome, Verdicts, split_by
from labkit.data.quality.ngram_model import NgramModel

TAIL, MIDDLE, UNMODELLED = "perplexity_tail", "perplexity_middle", "perplexity_no_model"


class PerplexityConfig(Config):
    """Where the parts end and which are kept."""

    head_ratio: float = field(
        1 / 3, "share of a language's documents in the head; Wenzek et al. 2020", gt=0, le=1
    )
    tail_ratio: float = field(
        1 / 3, "share of a language's documents in the tail; Wenzek et al. 2020", ge=0, le=1
    )
    keep: Literal["head", "head and middle"] = field("head and middle", "parts that are kept")
    without_model: Literal["keep", "drop"] = field(
        "keep", "documents in a language that no model was given for"
    )

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if self.head_ratio + self.tail_ratio > 1:
            raise ValueError(
                f"head_ratio={self.head_ratio:g} and tail_ratio={self.tail_ratio:g}: together at "
                "most 1"
            )
        return self


class Sketch(NamedTuple):
    rows: np.ndarray
    languages: list[str]
    perplexities: np.ndarray
    """NaN where the language has no model."""


class Cuts(NamedTuple):
    num_documents: int
    head: float
    """Highest perplexity of the head."""
    middle: float
    """Highest perplexity of the middle."""


@dataclass(frozen=True, eq=False)
class PerplexitySurvey:
    """Scores every document, then cuts each language at its own percentiles."""

    models: Mapping[str, NgramModel]
    config: PerplexityConfig
    name: str = "perplexity"

    def sketch(self, batch: pa.RecordBatch) -> Sketch:
        languages = [str(one) for one in batch.column("language").to_pylist()]
        perplexities = np.full(batch.num_rows, np.nan)
        for language in sorted(set(languages) & set(self.models)):
            chosen = np.array([one == language for one in languages])
            texts = batch.column("text").filter(pa.array(chosen))
            perplexities[chosen] = self.models[language].perplexity(texts)
        rows = batch.column("row").to_numpy().copy()  # a view would hold the texts of the batch
        return Sketch(rows, languages, perplexities)

    def settle(
        self, sketches: Iterable[Sketch], texts: Callable[[Sequence[int]], list[str]]
    ) -> PerplexityCut:
        parts = list(sketches)
        rows = np.concatenate([np.zeros(0, np.int64), *(part.rows for part in parts)])
        values = np.concatenate([np.zeros(0), *(part.perplexities for part in parts)])
        languages = np.array([one for part in parts for one in part.languages], dtype=object)
        cuts = {}
        for language in sorted({one for one in languages if one in self.models}):
            cuts[language] = _cuts(np.sort(values[languages == language]), self.config)
        order = np.argsort(rows, kind="stable")
        return PerplexityCut(rows[order], values[order], cuts, self.config, self.name)


@dataclass(frozen=True, eq=False)
class PerplexityCut:
    """A step. The value is the perplexity, the threshold the highest that is kept."""

    rows: np.ndarray
    perplexities: np.ndarray
    """Of each row: 16 bytes per document of the corpus."""
    cuts: Mapping[str, Cuts]
    config: PerplexityConfig
    name: str = "perplexity"

    def apply(self, batch: pa.RecordBatch) -> Outcome:
        places = np.searchsorted(self.rows, batch.column("row").to_numpy())
        values = self.perplexities[places]
        languages = (str(one) for one in batch.column("language").to_pylist())
        found = [self._judge(*one) for one in zip(values.tolist(), languages, strict=True)]
        rules, thresholds = zip(*found, strict=True) if found else ((), ())
        verdicts = Verdicts(
            pa.array(rules, pa.string()),
            pa.array(values, pa.float64(), mask=np.isnan(values)),
            pa.array(thresholds, pa.float64()),
        )
        return split_by(batch, verdicts)

    def _judge(self, value: float, language: str) -> tuple[str | None, float | None]:
        cuts = self.cuts.get(language)
        if cuts is None:
            return (UNMODELLED if self.config.without_model == "drop" else None), None
        limit = cuts.head if self.config.keep == "head" else cuts.middle
        if value <= limit:
            return None, limit
        return (TAIL if value > cuts.middle else MIDDLE), limit


def _cuts(ordered: np.ndarray, config: PerplexityConfig) -> Cuts:
    size, rounding = len(ordered), 1e-9  # thirds of 45 are 15
    num_head = math.ceil(size * config.head_ratio - rounding)
    num_kept = size - math.floor(size * config.tail_ratio + rounding)
    head, middle = (ordered[max(number, 1) - 1] for number in (num_head, num_kept))
    return Cuts(size, float(head), float(middle))
