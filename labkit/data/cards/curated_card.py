"""The card that comes with a curated dataset: what is known of its source, and what was done to it.

Licence and language are the source's where it has a card (a registered corpus, or what was curated
before), else as its records name them, else 'unknown' and 'und' (ISO 639-2: undetermined); fields
of `CurationConfig.card` replace both. Documents and bytes per step and rule are the funnel's. The
card is outside the dataset's manifest, so that text in it can be edited; another field writes it
anew.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labkit.core import artifacts, disk
from labkit.core.config import differences
from labkit.core.counted import counted
from labkit.core.errors import LabError
from labkit.data.cards.card import (
    README,
    STATISTICS,
    CardConfig,
    card_files,
    card_in,
    card_of_corpus,
    folder_of,
    languages_of,
    with_changes,
)
from labkit.data.cards.figures import figures_markdown, inert
from labkit.data.cards.front_matter import LICENCES, is_language
from labkit.data.cards.statistics import dataset_statistics
from labkit.data.corpora import CORPORA
from labkit.data.pipeline.curated import DROPPED, REJECTED, Curated
from labkit.data.readers import corpus_name
from labkit.data.reading.saved_datasets import PREFIX

if TYPE_CHECKING:
    from labkit.data.curation import CurationConfig

UNKNOWN = "unknown"
UNDETERMINED = "und"
NOBODY_SAYS = "Neither the source nor its records name a licence; find it out before you publish."
RECORDS_SAY = "As the records name it, in the column `licence`; counts are below."
SOME_DO_NOT = " Some name none."
NOT_PUBLISHED = (
    f"## Not to publish\n\n`{DROPPED}`, and `{REJECTED}` where there is one, hold what was taken "
    "out, personal data with it. The folder to publish is what `lab.write_card` makes of this one; "
    "give it as fields (`license=`, `description=`) what you would change: edits stay in this file."
)
ELSEWHERE = frozenset(
    ("corpus", "steps", "preset", "processes", "token_budget", "num_examples", "seed")
)
"""Settings that the card tells in other words, or that change nothing in the dataset."""


def card_of_source(corpus: str) -> CardConfig | None:
    """Of a registered corpus, or of a dataset that has its card beside it.

    Raises:
        LabError: that card can't be read.
    """
    if corpus in CORPORA:
        return card_of_corpus(corpus)
    folder = folder_of(corpus)
    return card_in(folder) if artifacts.exists(folder) else None


def keep_card(curated: Curated, config: CurationConfig, source: CardConfig | None) -> Path | None:
    """README.md and stats.json in the dataset's folder, where they are not what they should be;
    none where nothing was kept."""
    if not curated.result["kept"]["documents"]:
        return None
    folder = curated.folder
    figures = _counted_before(folder) or dataset_statistics(folder)
    card = with_changes(
        _card(curated, config, source, figures), differences(CardConfig(), config.card)
    )
    files = card_files(folder, card, figures, NOT_PUBLISHED)
    is_there = (folder / README).is_file() and (folder / STATISTICS).is_file()
    if not is_there or (folder / STATISTICS).read_bytes() != files[STATISTICS]:
        for name, content in files.items():  # by way of its neighbour, which is swept after a crash
            with disk.clear_errors(folder):
                disk.write_file(disk.temporary_beside(folder), content).replace(folder / name)
    return folder / README


def card_line(path: Path) -> str:
    """Where the card is, and how to say what it doesn't know."""
    card = card_in(path.parent)
    assert card is not None
    unknown = ["card.license"] * (card.license == UNKNOWN)
    unknown += ["card.language"] * (card.language == (UNDETERMINED,))
    advice = "set it" if len(unknown) == 1 else "set them"
    said = f"; nobody has said {' and '.join(unknown)}: {advice}" if unknown else ""
    return f"card: {path}{said}"


def _counted_before(folder: Path) -> dict[str, Any] | None:
    """The figures in its stats.json, where its README has them too and they are of the files that
    the manifest names."""
    try:
        stored = disk.read_json(folder / STATISTICS)
        files = artifacts.read_manifest(folder, verify=False).files
        stored.pop("card")
        said = {name: (file["sha256"], file["bytes"]) for name, file in stored["files"].items()}
        held = {name: (files[name].sha256, files[name].bytes) for name in said}
        is_told = figures_markdown(stored) in (folder / README).read_text("utf-8")
    except (LabError, OSError, AttributeError, KeyError, TypeError, ValueError):  # none, or edited
        return None
    return stored if is_told and said == held else None


def _card(
    curated: Curated, config: CurationConfig, source: CardConfig | None, figures: Mapping[str, Any]
) -> CardConfig:
    label = inert(corpus_name(config.corpus))
    of_source = f"\n\nOf its source: {source.description}" if source else ""
    title = source.pretty_name if source else re.sub("-curated-.{16}$", "", curated.folder.name)
    known = source or CardConfig(source=_link(config.corpus) or f"Without a card: {label}.")
    problems = (*_problems(curated, config), *_of_source(known.known_problems))
    is_said = known.license and not known.license_text.startswith((NOBODY_SAYS, RECORDS_SAY))
    return known.model_copy(
        update={
            "pretty_name": f"{title.removesuffix(', curated')}, curated",
            "language": _languages(known.language, figures),
            "description": f"{_history(curated, config, label)}{of_source}",
            "known_problems": tuple(dict.fromkeys(problems)),
        }
        | ({} if is_said else _licence(figures["licences"]))
    )


def _history(curated: Curated, config: CurationConfig, label: str) -> str:
    read, kept = curated.result["read"], curated.result["kept"]
    settings = {
        name: corpus_name(value) if name in ("benchmarks", "good_corpus", "word_list") else value
        for name, value in differences(type(config)(corpus=config.corpus), config).items()
        if name not in ELSEWHERE and not name.startswith("card.")
    }
    told = [
        f"{name}={inert(json.dumps(value, ensure_ascii=False), limit=None)}"
        for name, value in settings.items()
    ]
    others = f", with {', '.join(told)}" if told else ""
    has_preset = {"rules", "c4"} & {*config.steps.split(", ")}
    preset = f" (preset {config.preset})" if has_preset else ""
    return (
        f"Curated by labkit from {label} in these steps: {config.steps}{preset}{others}. "
        f"Kept: {kept['documents']:,} of {counted(read['documents'], 'document')}, "
        f"{kept['bytes']:,} of {counted(read['bytes'], 'byte')} of text."
    )


def _problems(curated: Curated, config: CurationConfig) -> list[str]:
    rejected = curated.result["rejected"]
    unread = f"{counted(rejected, 'record')} of the source could not be read."
    looked = (
        "Personal data was replaced where it was found by its shape; names of persons were not."
    )
    return [
        *([unread] if rejected else []),
        looked if "personal_data" in config.steps else "Personal data was not looked for.",
    ]


def _of_source(problems: Iterable[str]) -> list[str]:
    """What it said before the steps, which may have cured it."""
    start = "Of the source: "
    return [f"{start}{problem.removeprefix(start)}" for problem in problems]


def _languages(known: Iterable[str], figures: Mapping[str, Any]) -> tuple[str, ...]:
    """The source's as far as they are left, which is told where every record names its own."""
    found = tuple(filter(is_language, languages_of(figures)))
    known = tuple(code for code in known if code != UNDETERMINED)
    left = tuple(code for code in known if code in found or UNKNOWN in figures["languages"])
    return left or known or found or (UNDETERMINED,)


def _licence(counts: Mapping[str, Any]) -> dict[str, str]:
    """As the records name it: the hub's identifier where all have the same."""
    found = sorted({name.strip().lower() or UNKNOWN for name in counts})
    if found == [UNKNOWN]:
        return {"license": UNKNOWN, "license_name": "", "license_text": NOBODY_SAYS}
    text = RECORDS_SAY + (SOME_DO_NOT if UNKNOWN in found else "")
    said = {"license_name": "", "license_text": text}
    if len(found) == 1 and found[0] in LICENCES - {"other"}:
        return said | {"license": found[0]}
    name = re.sub("[^a-z0-9.-]+", "-", found[0])[:80].strip("-.") if len(found) == 1 else "several"
    return said | {"license": "other", "license_name": name or "unnamed"}


def _link(corpus: str) -> str:
    """To a dataset of the hub at its commit."""
    name, _, commit = corpus.removeprefix(PREFIX).partition("@")
    is_of_hub = corpus.startswith(PREFIX) and commit and not Path(corpus[len(PREFIX) :]).is_dir()
    link = f"https://huggingface.co/datasets/{name}/tree/{commit}"
    return f"[{name}]({link}) of the Hugging Face hub, at that commit." if is_of_hub else ""
