"""The corpus that an earlier notebook decided on: said, and decided by defaults where none has."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from labkit.core.config import Config

C = TypeVar("C", bound="Config")


def open_corpus(config: C) -> C:
    """The config with its corpus in place of the decision that names it; says what is read."""
    from labkit.data import decided_corpora

    config = choose_corpus(config)
    print(decided_corpora.corpus_line(config.corpus))  # pyright: ignore[reportAttributeAccessIssue]
    return config


def choose_corpus(config: C) -> C:
    """As `open_corpus`, for the notebooks before curation."""
    from labkit.data import decided_corpora
    from labkit.data.readers import corpus_name, files_line

    named: str = config.corpus  # pyright: ignore[reportAttributeAccessIssue]
    _need_decision(named)
    config = decided_corpora.with_corpus(config)
    chosen: str = config.corpus  # pyright: ignore[reportAttributeAccessIssue]
    if chosen != named:
        print(f"{named}: {corpus_name(chosen)}")
    if line := files_line(chosen):
        print(line)
    return config


def _need_decision(corpus: str) -> None:
    """Make the defaults of the notebook that names a corpus, where it has decided nothing yet."""
    from labkit.data.decided_corpora import EXPLORED, is_decided

    if is_decided(corpus):
        return
    print(f"no {corpus} yet: making the defaults of that notebook (10 s)")
    if corpus == EXPLORED:
        from labkit.lab.exploration import explore, record_corpus

        record_corpus(explore())
    else:
        from labkit.lab.curation import curate, record_curation

        record_curation(curate())
