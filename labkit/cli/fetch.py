"""Corpora: which are registered, which are here, and bringing them here."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labkit.data.corpora import Corpus


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("corpora", nargs="*", metavar="CORPUS", help="names; none: list them")
    parser.add_argument("--all", action="store_true", help="every registered corpus")


def run(arguments: argparse.Namespace) -> int:
    from labkit.data.corpora import CORPORA, find_corpus
    from labkit.data.fetch import fetch, is_here

    names = list(CORPORA) if arguments.all else arguments.corpora
    for corpus in [find_corpus(name) for name in names]:
        already = is_here(corpus)
        folder = fetch(corpus)
        print(f"{corpus.name:<16} {'was here' if already else 'fetched'}: {folder}")
    if not names:
        for corpus in CORPORA.values():
            print(f"{corpus.name:<16} {_place(corpus):<19} {corpus.language:<7} {corpus.title}")
            print(f"{'':<44} licence: {corpus.licence}")
        print("\nlabkit fetch NAME... brings them here; data_cards/ describes them.")
    return 0


def _place(corpus: Corpus) -> str:
    from labkit.data.fetch import DOCUMENTS, corpus_folder, is_here

    if is_here(corpus):
        return f"here, {(corpus_folder(corpus) / DOCUMENTS).stat().st_size / 1e6:.1f} MB"
    if corpus.archive is None:
        return "built in"
    return f"download of {corpus.archive.num_bytes / 1e6:.1f} MB"
