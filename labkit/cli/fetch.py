"""Corpora: which are registered, which are here, and bringing them here."""

from __future__ import annotations

import argparse

HELP = "list the registered corpora, or bring some here"


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
        print(f"{corpus.name:<14} {'was here' if already else 'fetched'}: {folder}")
    if not names:
        for corpus in CORPORA.values():
            place = "here" if is_here(corpus) else "-" if corpus.archive else "built in"
            print(f"{corpus.name:<14} {place:<9} {corpus.language:<7} {corpus.title}")
            print(f"{'':<32} licence: {corpus.licence}")
        print("\nlabkit fetch NAME... brings them here; data_cards/ describes them.")
    return 0
