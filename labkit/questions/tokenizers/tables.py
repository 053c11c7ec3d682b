"""The questions of notebook 20, each answered by one table."""

from __future__ import annotations

import pyarrow as pa

from labkit.comparison.tokenizers import SIDES, TokenizerComparison, within
from labkit.statistics.bootstrap import Interval
from labkit.statistics.ratio import ratio_interval
from labkit.tokens.measures import Measures, measure
from labkit.tokens.unigram import unigram_bits_per_byte

FEWEST_DOCUMENTS = 10
"""Resampling fewer gives an interval that is too narrow to be shown."""


def split_table(comparison: TokenizerComparison) -> pa.Table:
    """Documents, works and bytes of each side, with its leak check."""
    rows = []
    for side in SIDES:
        documents = comparison.documents(side)
        certificate = comparison.certificates.get(side)
        rows.append(
            {
                "side": side,
                "documents": len(documents),
                "works": len({document.group for document in documents}),
                "bytes": sum(document.num_bytes for document in documents),
                "leak check": certificate.summary if certificate else "",
            }
        )
    return pa.Table.from_pylist(rows)


def measure_table(comparison: TokenizerComparison) -> pa.Table:
    """Each tokenizer on each source, with 95% intervals over documents."""
    languages = {(s.corpus, s.source): s.language for s in comparison.samples}
    rows = []
    for (name, corpus, source), found in all_measures(comparison).items():
        rows.append(
            {
                "tokenizer": name,
                "text": f"{corpus}: {source}",
                "language": languages[corpus, source],
                "bytes per token": round(found.bytes_per_token.estimate, 3),
                "95% interval": _shown(found.bytes_per_token, found),
                "tokens per word": round(found.tokens_per_word.estimate, 3),
                "UNK": f"{found.unknown_rate.estimate:.1%}",
                "texts not given back": found.num_round_trip_failures,
                "of documents": found.num_documents,
                "vocabulary used": f"{found.vocabulary_use:.1%}",
                "MB/s": round(found.megabytes_per_s, 1),
            }
        )
    return pa.Table.from_pylist(rows)


def all_measures(comparison: TokenizerComparison) -> dict[tuple[str, str, str], Measures]:
    return {
        key: measure(comparison.tokenizers[key[0]], counts, comparison.config.seed)
        for key, counts in comparison.counts.items()
    }


def tokens_per_million(comparison: TokenizerComparison) -> list[tuple[str, str, Interval]]:
    """(tokenizer, text, tokens that a million characters cost), no interval for few documents."""
    found = []
    for (name, corpus, source), counts in comparison.counts.items():
        ratio = ratio_interval(counts.num_tokens, counts.num_characters, comparison.config.seed)
        if len(counts.num_tokens) < FEWEST_DOCUMENTS:
            ratio = Interval(ratio.estimate, ratio.estimate, ratio.estimate)
        found.append((name, f"{corpus}: {source}", Interval(*(1e6 * part for part in ratio))))
    return found


def unigram_scores(comparison: TokenizerComparison) -> dict[str, float]:
    """Bits per byte of a unigram model on validation text, UNKs spelled out; our kinds only."""
    budget = comparison.config.measure_budget
    train, validation = (within(comparison.texts(side), budget) for side in ("train", "validation"))
    return {
        name: unigram_bits_per_byte(tokenizer, train, validation)
        for name, tokenizer in comparison.tokenizers.items()
        if name in ("bytes", "words", "bpe") and validation
    }


def _shown(interval: Interval, found: Measures) -> str:
    if found.num_documents < FEWEST_DOCUMENTS:
        return f"only {found.num_documents} documents"
    note = "; too narrow: few or very unequal documents" if found.is_too_narrow else ""
    return f"{interval.low:.3f} to {interval.high:.3f}{note}"
