"""The card of a built dataset: README.md for people and the hub, stats.json for programs.

Everything that can be counted is counted from the data (`statistics.py`), everything else is said
by who publishes it (`CardConfig`). The figures in the README stand between two markers: text
around them is yours to write, they are checked. Bytes depend on data and config alone. What a
pipeline dropped is counted by rule and never published: it may be somebody's personal data.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import field_validator

from labkit.core import artifacts, disk
from labkit.core.canonical_json import hash_json
from labkit.core.config import Config, field, flatten, validate
from labkit.core.errors import LabError
from labkit.data.cards.figures import BEGIN, END, figures_markdown
from labkit.data.cards.front_matter import (
    check_front_matter,
    faults,
    join_card,
    size_category,
    split_card,
)
from labkit.data.cards.library import find_card, known_problems
from labkit.data.cards.statistics import dataset_statistics
from labkit.data.corpora import find_corpus
from labkit.data.pipeline.curated import DOCUMENTS
from labkit.data.rules.language import primary_language

README, STATISTICS = artifacts.CARD
PROGRAMMING = frozenset({"python", "java", "javascript", "typescript", "rust", "go", "cpp", "c"})
"""Languages that the hub calls 'code'."""


class CardConfig(Config):
    """What can't be counted; empty fields that the hub needs are refused."""

    pretty_name: str = field("", "title of the dataset")
    license: str = field("", "the hub's identifier, such as cc-by-4.0, or other")
    license_name: str = field("", "of a licence that is 'other': lower case, digits, dot, dash")
    license_text: str = field("", "what the licence allows and whose texts they are")
    language: tuple[str, ...] = field((), "ISO 639 codes; empty: from the documents")
    task_categories: tuple[str, ...] = field(("text-generation",), "the hub's names")
    description: str = field("", "what is inside and how it was made")
    source: str = field("", "where its texts come from, with a link")
    known_problems: tuple[str, ...] = field((), "one sentence each")

    @field_validator("task_categories")
    @classmethod
    def _are_some(cls, categories: tuple[str, ...]) -> tuple[str, ...]:
        if not categories:
            raise ValueError('the hub asks for one or more, such as ["text-generation"]')
        return categories


def card_of_corpus(name: str) -> CardConfig:
    """What the registry knows of a corpus, and its card in `data_cards/` of its problems."""
    corpus = find_corpus(name)
    try:
        problems = known_problems(find_card(name))
    except LabError:  # installed without the repository
        problems = [f"They stand in data_cards/{name}.md of labkit's repository."]
    return CardConfig(
        pretty_name=corpus.title,
        license="other",
        license_name=disk.slug(corpus.licence.lower()),
        license_text=corpus.licence,
        description=f"{corpus.title}; corpus `{corpus.name}` of labkit.",
        source=corpus.origin,
        known_problems=tuple(problems),
    )


def folder_of(dataset: str | Path) -> Path:
    """Of a dataset, given by its folder or, as commands print it, by its documents."""
    path = Path(dataset).expanduser()
    return path.parent if path.name == DOCUMENTS else path


def card_in(folder: Path) -> CardConfig | None:
    """What the card in a folder was made of, where there is one.

    Raises:
        LabError: it can't be read.
    """
    stored = disk.read_json(Path(folder) / STATISTICS)
    card = stored.get("card") if isinstance(stored, dict) else None
    return validate(CardConfig, card) if isinstance(card, dict) else None


def with_changes(card: CardConfig, changes: Mapping[str, Any]) -> CardConfig:
    """With other fields; the words about one licence are not those about another."""
    words = dict.fromkeys(("license_name", "license_text"), "") if "license" in changes else {}
    return validate(CardConfig, card.model_dump() | words | dict(changes))


def card_files(
    folder: Path, card: CardConfig, figures: Mapping[str, Any] | None = None, note: str = ""
) -> dict[str, bytes]:
    """README.md and stats.json of the dataset in a folder, to be written beside its data.

    `figures` where they were counted before; `note` comes before them.

    Raises:
        LabError: no data, or a required field is missing or refused, with what to give.
    """
    figures = figures or dataset_statistics(folder)
    data = _front_matter(card, figures)
    check_front_matter(data, f"card of {Path(folder).name}")
    readme = join_card(data, _markdown(card, figures, note))
    stored = {"card": card.model_dump(mode="json")} | dict(figures)
    statistics = json.dumps(stored, indent=1, ensure_ascii=False) + "\n"
    return {README: readme.encode(), STATISTICS: statistics.encode()}


def write_card(folder: Path, card: CardConfig) -> Path:
    """A folder below `cards/` with the card and links to its data: what an upload takes."""
    folder = Path(folder).resolve()
    files = card_files(folder, card)
    name = f"{folder.name}-{hash_json({name: text.decode() for name, text in files.items()})}"
    target = artifacts.home() / "cards" / name
    with artifacts.write_artifact(target, config=card) as temporary:
        for file, content in files.items():
            disk.write_file(temporary / file, content)
        for file in json.loads(files[STATISTICS])["files"]:
            (temporary / file).symlink_to(os.path.relpath(folder / file, target))
    return target


def check_card(folder: Path) -> list[str]:
    """What the card in a folder says that its data no longer does; empty: it holds.

    Raises:
        LabError: no card there, or one that can't be read.
    """
    folder = Path(folder)
    stored = disk.read_json(folder / STATISTICS)
    if not isinstance(stored, dict) or not (folder / README).is_file():
        raise LabError(f"{folder}: no card; it has a {README} and a {STATISTICS}")
    card = stored.pop("card", None)
    if not isinstance(card, dict):
        raise LabError(f"{folder / STATISTICS}: it doesn't say whose card it is; write it anew")
    card = validate(CardConfig, card)
    data, markdown = split_card((folder / README).read_text("utf-8"), str(folder / README))
    figures = dataset_statistics(folder)
    expected = _front_matter(card, figures)
    differences = _differing(STATISTICS, stored, figures)
    counted = {name: expected[name] for name in ("size_categories", "configs")}
    differences += _differing(README, {name: data.get(name) for name in counted}, counted)
    differences += [f"{README}: {fault}" for fault in faults(data)]
    return differences + _differing_lines(markdown, figures_markdown(figures))


def _front_matter(card: CardConfig, figures: Mapping[str, Any]) -> dict[str, Any]:
    data: dict[str, Any] = {
        "pretty_name": card.pretty_name,
        "license": card.license,
        "license_name": card.license_name,
        "language": list(card.language) or languages_of(figures),
        "task_categories": list(card.task_categories),
        "size_categories": [size_category(figures["documents"])],
        "configs": [
            {"config_name": "default", "data_files": [{"split": "train", "path": DOCUMENTS}]}
        ],
    }
    return {name: value for name, value in data.items() if value}


def languages_of(figures: Mapping[str, Any]) -> list[str]:
    """Codes of the documents' languages; those of unknown language say nothing."""
    found = {primary_language(name) for name in figures["languages"]} - {"unknown"}
    return sorted({"code" if name in PROGRAMMING else name for name in found})


def _markdown(card: CardConfig, figures: Mapping[str, Any], note: str) -> str:
    problems = [f"- {problem}" for problem in card.known_problems] or ["None was given."]
    return "\n".join(
        [
            f"# {card.pretty_name}",
            *("", card.description or "No description was given."),
            *(("", "## Source", "", card.source) if card.source else ()),
            *("", "## Licence", "", card.license_text or f"{card.license}."),
            *("", "## Known problems", "", *problems),
            *(("", note) if note else ()),
            *("", "## Figures", "", figures_markdown(figures), ""),
        ]
    )


def _differing(file: str, said: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    old, new = flatten(dict(said)), flatten(dict(found))
    return [
        f"{file}: {name} is {old.get(name, 'not there')!r}, the data has {new.get(name, 'none')!r}"
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]


def _differing_lines(markdown: str, expected: str) -> list[str]:
    if expected in markdown:
        return []
    begin, end = markdown.find(BEGIN), markdown.find(END)
    if begin < 0 or end < 0:
        return [f"{README}: no figures between {BEGIN!r} and {END!r}"]
    said = markdown[begin : end + len(END)].splitlines()
    found = expected.splitlines()
    for line, other in zip(said, found, strict=False):
        if line != other:
            return [f"{README}: says {line!r}, the data {other!r}"]
    return [f"{README}: has {len(said)} lines of figures, the data {len(found)}"]
