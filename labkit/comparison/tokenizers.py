"""Tokenizers compared on the same text: split first, train on the train side, measure outside it.

Nothing a tokenizer is trained on is measured: the corpus is split by content with works and
near-duplicates on one side, and a certificate says what overlap is left. Other corpora are only
measured. Everything is a function of the config, the corpora and the seed, but for speed.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

import pyarrow as pa
from pydantic import field_validator, model_validator

from labkit.core import artifacts, disk
from labkit.core.canonical_json import hash_json
from labkit.core.config import Config, field
from labkit.core.counted import counted
from labkit.core.errors import LabError
from labkit.core.records.certificate import LeakCertificate
from labkit.data.build import build_documents, load_columns
from labkit.data.decided_corpora import (
    check_choice,
    corpus_inputs,
    decisions_behind,
    with_corpus,
)
from labkit.data.leaks import certify
from labkit.data.ngrams import UNITS
from labkit.data.readers import check_corpus, corpus_name, fingerprint
from labkit.data.splits import Side, SplitConfig, SplitDocument, split_documents
from labkit.plan.plan import TrainingPlan
from labkit.tokens.kinds import KINDS
from labkit.tokens.measures import Counts, count
from labkit.tokens.shard_writing import write_shards
from labkit.tokens.shards import Shards
from labkit.tokens.tokenizer import Tokenizer
from labkit.tokens.vocabularies import VOCABULARIES, load_vocabulary

SIDES: tuple[Side, ...] = ("train", "validation", "test")


class TokenizerComparisonConfig(Config):
    """Which text, which tokenizers, and which of them is handed on."""

    corpus: str = field(
        "decision:11", "decision:11, registered corpus or path: trained on, split, measured"
    )
    compare_on: str = field(
        "sanguo, python-stdlib", "further corpora, only measured; comma-separated, or empty"
    )
    vocab_size: int = field(8192, "ids of `words` and `bpe`", unit="ids", ge=300, le=1 << 18)
    published: str = field(
        "gpt2, qwen3",
        f"vocabularies beside ours: {', '.join(VOCABULARIES)}, paths to tokenizer.json; or empty",
    )
    choice: Literal["bpe", "words", "bytes"] = field("bpe", "tokenizer that is handed on")
    train_budget: int = field(
        4_000_000,
        "characters of the train side that vocabularies are trained on",
        unit="characters",
        ge=10_000,
        le=10**10,
        scale="log",
    )
    measure_budget: int = field(
        500_000,
        "characters measured of each source",
        unit="characters",
        ge=1_000,
        le=10**9,
        scale="log",
    )
    seed: int = field(0, "seed of the intervals", ge=0, le=2**31 - 1)
    split: SplitConfig = field(SplitConfig(), "sizes and rule of the split")

    @field_validator("corpus")
    @classmethod
    def _is_readable(cls, corpus: str) -> str:
        return check_choice(corpus)

    @field_validator("compare_on")
    @classmethod
    def _are_readable(cls, corpora: str) -> str:
        return ", ".join(check_corpus(name) for name in names(corpora))

    @field_validator("published")
    @classmethod
    def _are_known(cls, published: str) -> str:
        unknown = [n for n in names(published) if n not in VOCABULARIES and not Path(n).is_file()]
        if unknown:
            raise ValueError(
                f"unknown {', '.join(unknown)}; known: {', '.join(VOCABULARIES)}, or a path"
            )
        return ", ".join(names(published))

    @model_validator(mode="after")
    def _are_different(self) -> Self:
        shown = [corpus_name(name) for name in (self.corpus, *names(self.compare_on))]
        if len(set(shown)) < len(shown):
            raise ValueError("compare_on: corpora must have different names, and not corpus' own")
        return self

    def inputs(self) -> dict[str, str]:
        others = {name: fingerprint(name) for name in names(self.compare_on)}
        files = [name for name in names(self.published) if name not in VOCABULARIES]
        return (
            corpus_inputs(self.corpus)
            | others
            | {name: disk.sha256_file(Path(name))[:16] for name in files}
        )


class Sample(NamedTuple):
    """Texts to measure on, from one source; `num_words` counts words, or Han characters."""

    corpus: str
    source: str
    language: str
    texts: list[str]
    num_words: list[int]


class TokenizerComparison:
    """One comparison, opened: tokenizers trained, samples drawn, lacks noted in `lacking`."""

    def __init__(self, config: TokenizerComparisonConfig):
        self.config = config = with_corpus(config)
        self.reads = decisions_behind(config.corpus)
        self.lacking: list[str] = []
        self._documents, self._rows = _read(config.corpus)
        self.sides = split_documents(self._documents, config.split)
        self.samples = [
            *_samples(config.corpus, self._rows, self.sides, config.measure_budget),
            *self._other_samples(),
        ]
        if not self.samples:
            raise LabError("nothing to measure: no held-out text and no other corpus")
        self.tokenizers = self._all_tokenizers()

    def texts(self, side: Side) -> list[str]:
        return [document.text for document in self.documents(side)]

    def documents(self, side: Side) -> list[SplitDocument]:
        return [d for d, s in zip(self._documents, self.sides, strict=True) if s == side]

    @functools.cached_property
    def certificates(self) -> dict[Side, LeakCertificate]:
        """Of validation and test, each against train."""
        train = self.documents("train")
        return {side: certify(train, self.documents(side)) for side in SIDES[1:]}

    @functools.cached_property
    def counts(self) -> dict[tuple[str, str, str], Counts]:
        """(tokenizer, corpus, source) -> counts per document."""
        return {
            (name, sample.corpus, sample.source): count(tokenizer, sample.texts, sample.num_words)
            for name, tokenizer in self.tokenizers.items()
            for sample in self.samples
        }

    def save_choice(self) -> tuple[Path, dict[Side, Path]]:
        """The chosen tokenizer's folder, and the shards of each side made with it."""
        tokenizer = self.tokenizers[self.config.choice]
        folder = artifacts.home() / "tokenizers" / f"{tokenizer.name}-{tokenizer.fingerprint}"
        with artifacts.write_artifact(folder, packages=("tokenizers",)) as temporary:
            tokenizer.save(temporary / "tokenizer.json")
        shards = {}
        for side in SIDES:
            if texts := self.texts(side):
                text = self.config.inputs()[self.config.corpus]
                name = hash_json([text, tokenizer.fingerprint])
                split = hash_json(self.config.split.model_dump())
                shards[side] = write_shards(
                    texts,
                    tokenizer,
                    artifacts.home() / "shards" / f"{name}-{split}" / side,
                    certificate=self.certificates.get(side),
                    corpus={self.config.corpus: text},
                )
        _warn_if_short(shards)
        return folder, shards

    def _all_tokenizers(self) -> dict[str, Tokenizer]:
        texts = within(self.texts("train"), self.config.train_budget)
        found = {name: make(texts, self.config.vocab_size) for name, make in KINDS.items()}
        for name in names(self.config.published):
            try:
                is_known = name in VOCABULARIES
                one = load_vocabulary(name) if is_known else Tokenizer.load(name, name)
                one.token_bytes(0)  # refuses one whose bytes are not known
                found[name] = one
            except LabError as error:
                self.lacking.append(str(error))
        return found

    def _other_samples(self) -> list[Sample]:
        samples = []
        for corpus in names(self.config.compare_on):
            try:
                _, rows = _read(corpus)
                samples += _samples(corpus, rows, None, self.config.measure_budget)
            except LabError as error:
                self.lacking.append(str(error))
        return samples


def names(listing: str) -> list[str]:
    """The comma-separated names of a parameter.

    >>> names("gpt2, qwen3,")
    ['gpt2', 'qwen3']
    """
    return [name.strip() for name in listing.split(",") if name.strip()]


def _warn_if_short(shards: Mapping[Side, Path]) -> None:
    """Shards that the default plan cannot train on, or not evaluate on."""
    length = TrainingPlan().sequence_length
    windows: dict[Side, int] = {"train": 1, "validation": 2}
    for side, needed in windows.items():
        if side not in shards:
            continue
        found = Shards(shards[side], verify=False)
        if found.num_windows(length) < needed:
            warnings.warn(
                f"the {side} shards have {counted(found.facts.num_tokens, 'token')}: fewer than "
                f"{counted(needed, 'window')} of {length}, the default plan's data.sequence_length;"
                " give more text, or train with a shorter sequence",
                stacklevel=3,
            )


def _read(corpus: str) -> tuple[list[SplitDocument], list[dict[str, Any]]]:
    columns = ["source", "language", "content_hash", "group", "num_bytes", "text"]
    table: pa.Table = load_columns(build_documents(corpus), columns)
    rows = [row for row in table.to_pylist() if row["text"]]
    documents = [
        SplitDocument(row["content_hash"], row["group"], row["num_bytes"], row["text"])
        for row in rows
    ]
    return documents, rows


def _samples(
    corpus: str, rows: Sequence[dict[str, Any]], sides: Sequence[Side] | None, budget: int
) -> list[Sample]:
    """Held-out texts of each source (all texts where nothing was trained on the corpus)."""
    by_source: dict[str, list[dict[str, Any]]] = {}
    for position, row in enumerate(rows):
        if sides is None or sides[position] != "train":
            by_source.setdefault(row["source"], []).append(row)
    samples, title = [], corpus_name(corpus)
    for source, found in sorted(by_source.items()):
        texts = within([row["text"] for row in found], budget)
        num_words = [len(UNITS.findall(text)) for text in texts]
        samples.append(Sample(title, source, found[0]["language"], texts, num_words))
    return samples


def within(texts: Sequence[str], budget: int) -> list[str]:
    """Whole texts from the start until the budget is used up; the last one is cut to it."""
    kept = []
    for text in texts:
        if budget <= 0:
            break
        kept.append(text[:budget])
        budget -= len(text)
    return kept
