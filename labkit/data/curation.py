"""Which steps a corpus goes through, in which order, with which values: one config, four faces.

`steps` is a line of names from `STEPS`. What depends on the language (words, stop words,
thresholds) is the preset's, and `thresholds` replaces some by rule. Usual order, after Rae et al.
2021 and Penedo et al. 2023 (RefinedWeb): what is cheap and certain first, near-duplicates after the
rules, personal data last, since it rewrites what stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import pyarrow as pa
from pydantic import field_validator, model_validator

from labkit.core import disk
from labkit.core.canonical_json import hash_json
from labkit.core.config import Config, differences, field
from labkit.data.benchmark_items import read_items
from labkit.data.cards.card import CardConfig
from labkit.data.cards.curated_card import card_line, card_of_source, keep_card
from labkit.data.cards.front_matter import refusals
from labkit.data.contamination import Contamination
from labkit.data.decided_corpora import check_choice, corpus_inputs, with_corpus
from labkit.data.duplicates.code import CodeDuplicates
from labkit.data.duplicates.exact import ExactDuplicates
from labkit.data.duplicates.lines import RepeatedLines
from labkit.data.duplicates.near import NearDuplicates
from labkit.data.personal_data.config import PersonalDataConfig
from labkit.data.personal_data.redact import RedactPersonalData
from labkit.data.pipeline.corpus import Corpus
from labkit.data.pipeline.curated import Curated
from labkit.data.pipeline.progress import Say, say_nothing
from labkit.data.pipeline.run import run_pipeline
from labkit.data.pipeline.step import Step, Survey
from labkit.data.quality.acceptance import AcceptanceConfig, QualityFilter
from labkit.data.quality.classifier import (
    ClassifierConfig,
    build_quality_classifier,
    load_classifier,
)
from labkit.data.quality.ngram_artifact import build_ngram_model, load_ngram_model
from labkit.data.quality.ngram_model import NgramConfig
from labkit.data.quality.perplexity import PerplexityConfig, PerplexitySurvey
from labkit.data.readers import ReadPolicy, check_corpus, fingerprint, read_documents
from labkit.data.rules.c4 import C4
from labkit.data.rules.language import LanguageList
from labkit.data.rules.licence import LicenceList
from labkit.data.rules.measured import with_changes
from labkit.data.rules.presets import PRESETS
from labkit.data.rules.rule import RuleSet
from labkit.data.rules.word_list import WordList


class CurationConfig(Config):
    """From raw text to clean text."""

    corpus: str = field(
        "decision:10", "what is curated: decision:10, a registered corpus or a path"
    )
    steps: str = field(
        "exact_duplicates, rules, near_duplicates, personal_data",
        "names of steps in the order they are taken, separated by commas",
    )
    preset: str = field(
        "english",
        "what the steps `rules` and `c4` take for words, stop words and thresholds",
        choices=lambda: tuple(PRESETS),
    )
    thresholds: dict[str, float | None] = field(
        {},
        "thresholds of rules where they are not the preset's, such as "
        '{"gopher_short_doc": 30}; null switches a rule off',
    )
    benchmarks: str = field("", "of the step `contamination`: a JSONL file or a folder of them")
    good_corpus: str = field(
        "", "of the steps `quality` and `perplexity`: a corpus of the text you want more of"
    )
    word_list: str = field("", "of the step `word_list`: a file of words, one a line")
    processes: int = field(1, "at work on this machine; no result depends on it", ge=1, le=256)
    token_budget: int = field(
        1_000_000,
        "what a model will be trained on: the mixture says how often each source is read for it",
        unit="tokens",
        ge=1,
        le=10**15,
        scale="log",
    )
    num_examples: int = field(6, "dropped documents shown to read", unit="documents", ge=0, le=100)
    seed: int = field(0, "seed of the examples", ge=0, le=2**31 - 1)
    reading: ReadPolicy = field(ReadPolicy(on_error="skip"), "what is done with broken records")
    language: LanguageList = field(LanguageList(), "which languages are kept")
    licence: LicenceList = field(LicenceList(), "which licences are kept")
    classifier: ClassifierConfig = field(ClassifierConfig(), "how good text is told from the rest")
    acceptance: AcceptanceConfig = field(AcceptanceConfig(), "which scores are kept")
    ngrams: NgramConfig = field(NgramConfig(), "the model that measures perplexity")
    perplexity: PerplexityConfig = field(PerplexityConfig(), "which perplexities are kept")
    near_duplicates: NearDuplicates = field(NearDuplicates(), "what a near-duplicate is")
    repeated_lines: RepeatedLines = field(RepeatedLines(), "which lines are boilerplate")
    code_duplicates: CodeDuplicates = field(CodeDuplicates(), "what a clone of a program is")
    contamination: Contamination = field(Contamination(), "what a hit is, and what follows")
    personal_data: PersonalDataConfig = field(PersonalDataConfig(), "what is replaced")
    card: CardConfig = field(CardConfig(), "what README.md says in place of what is known")

    @field_validator("corpus")
    @classmethod
    def _is_readable(cls, corpus: str) -> str:
        return check_choice(corpus)

    @field_validator("good_corpus")
    @classmethod
    def _is_readable_or_none(cls, corpus: str) -> str:
        return check_corpus(corpus) if corpus.strip() else ""

    @field_validator("thresholds", mode="before")
    @classmethod
    def _are_numbers(cls, thresholds: Any) -> Any:
        given = thresholds.items() if isinstance(thresholds, dict) else ()
        if wrong := [rule for rule, value in given if isinstance(value, bool)]:
            raise ValueError(f"{wrong[0]} should be a number, or null to switch it off")
        return thresholds

    @field_validator("benchmarks", "word_list")
    @classmethod
    def _is_there(cls, path: str) -> str:
        if path.strip() and not Path(path).expanduser().exists():
            raise ValueError("no such path")
        return path.strip()

    @field_validator("steps")
    @classmethod
    def _are_known(cls, steps: str) -> str:
        unknown = [name for name in names(steps) if name not in STEPS]
        if unknown or not names(steps):
            given = f"unknown {', '.join(unknown)}" if unknown else "no step"
            raise ValueError(f"{given}; steps: {', '.join(STEPS)}")
        return ", ".join(names(steps))

    @field_validator("preset")
    @classmethod
    def _is_a_preset(cls, preset: str) -> str:
        if preset not in PRESETS:
            raise ValueError(f"presets: {', '.join(PRESETS)}")
        return preset

    @field_validator("card")
    @classmethod
    def _is_publishable(cls, card: CardConfig) -> CardConfig:
        if wrong := refusals({name: value for name, value in card if value}):
            raise ValueError(f"card: {'; '.join(wrong)}")
        return card

    @model_validator(mode="after")
    def _has_what_its_steps_need(self) -> Self:
        for step in names(self.steps):
            needed = STEPS[step].needs
            if needed and not getattr(self, needed):
                raise ValueError(f"the step {step} needs {needed}: give it, or leave the step out")
        for field_name, readers in _readers().items():
            given = _changed(self, field_name)
            if given and not set(readers) & set(names(self.steps)):
                raise ValueError(
                    f"no step reads {', '.join(given)}: add {' or '.join(readers)} to steps, or "
                    "leave it out"
                )
        with_changes(PRESETS[self.preset](), self.thresholds)  # refuses a threshold of no rule
        return self

    @property
    def rules(self) -> RuleSet:
        return with_changes(PRESETS[self.preset](), self.thresholds)

    def make_steps(self) -> list[Step | Survey]:
        return [STEPS[name].make(self) for name in names(self.steps)]

    def inputs(self) -> dict[str, str]:
        given = corpus_inputs(self.corpus, self.reading, key="corpus")
        if self.good_corpus:
            given["good_corpus"] = fingerprint(self.good_corpus)
        files = {"benchmarks": self.benchmarks, "word_list": self.word_list}
        return given | {name: _hash_of_files(path) for name, path in files.items() if path}


def names(listing: str) -> list[str]:
    return [name.strip() for name in listing.split(",") if name.strip()]


def _readers() -> dict[str, list[str]]:
    """Field -> the steps that read it, of fields that not every curation reads."""
    found: dict[str, list[str]] = {}
    for name, step in STEPS.items():
        for field_name in filter(None, (step.needs, *step.reads)):
            found.setdefault(field_name, []).append(name)
    return found


def _changed(config: CurationConfig, name: str) -> list[str]:
    """The field, or its fields, whose values are not the default."""
    default, value = CurationConfig.model_fields[name].default, getattr(config, name)
    if isinstance(value, Config):
        return [f"{name}.{key}" for key in differences(default, value)]
    return [name] if value != default else []


def _hash_of_files(path: str) -> str:
    given = Path(path).expanduser()
    files = sorted(one for one in given.rglob("*") if one.is_file()) or [given]
    return hash_json([disk.sha256_file(file) for file in files])


def _quality_filter(config: CurationConfig) -> QualityFilter:
    built = build_quality_classifier(
        config.good_corpus, config.corpus, config.classifier, config.reading
    )
    return QualityFilter(load_classifier(built).classifier, config.acceptance)


def _perplexity_survey(config: CurationConfig) -> PerplexitySurvey:
    """A model of each language that the good corpus has."""
    languages = {
        language
        for batch in read_documents(config.good_corpus)
        for language in batch.column("language").unique().to_pylist()
    }
    models = {
        language: load_ngram_model(build_ngram_model(config.good_corpus, language, config.ngrams))
        for language in sorted(languages)
    }
    return PerplexitySurvey(models, config.perplexity)


class NamedStep(NamedTuple):
    make: Callable[[CurationConfig], Step | Survey]
    needs: str = ""
    """The field without which the step is refused."""
    reads: tuple[str, ...] = ()
    """Other fields that say nothing where no step reads them."""


STEPS = {
    "exact_duplicates": NamedStep(lambda _: ExactDuplicates()),
    "language": NamedStep(lambda config: config.language, reads=("language",)),
    "licence": NamedStep(lambda config: config.licence, reads=("licence",)),
    "word_list": NamedStep(lambda config: WordList.from_file(config.word_list), "word_list"),
    "rules": NamedStep(
        lambda config: config.rules.model_copy(update={"name": "rules"}),
        reads=("thresholds", "preset"),
    ),
    "c4": NamedStep(
        lambda config: C4.from_preset("chinese" if config.preset == "chinese" else "english"),
        reads=("preset",),
    ),
    "repeated_lines": NamedStep(lambda config: config.repeated_lines, reads=("repeated_lines",)),
    "near_duplicates": NamedStep(lambda config: config.near_duplicates, reads=("near_duplicates",)),
    "code_duplicates": NamedStep(lambda config: config.code_duplicates, reads=("code_duplicates",)),
    "contamination": NamedStep(
        lambda config: config.contamination.against(read_items(config.benchmarks)),
        needs="benchmarks",
        reads=("contamination",),
    ),
    "personal_data": NamedStep(
        lambda config: RedactPersonalData(config.personal_data), reads=("personal_data",)
    ),
    "quality": NamedStep(_quality_filter, "good_corpus", ("classifier", "acceptance")),
    "perplexity": NamedStep(_perplexity_survey, "good_corpus", ("ngrams", "perplexity")),
}
"""By the name that each calls itself: in `steps`, the funnel, and what is dropped."""


@dataclass(frozen=True)
class Curation:
    """A finished one: what was asked for and what came of it."""

    config: CurationConfig
    curated: Curated

    def raw(self) -> Iterator[pa.RecordBatch]:
        """The documents as they were before the first step, with `row`."""
        return Corpus(self.config.corpus, self.config.reading).read()


def curate(config: CurationConfig, say: Say = say_nothing) -> Curation:
    """The corpus through its steps, with its card; what is there already is used.

    Raises:
        LabError: as `run_pipeline`; the source's card can't be read.
    """
    config = with_corpus(config)
    source = card_of_source(config.corpus)
    curated = run_pipeline(
        config.corpus,
        config.make_steps(),
        processes=config.processes,
        policy=config.reading,
        config=config,
        say=say,
    )
    if card := keep_card(curated, config, source):
        say(card_line(card))
    return Curation(config, curated)
