"""The questions of notebook 20, each answered by one table or sentence."""

from __future__ import annotations

import pyarrow as pa

from labkit.comparison.tokenizers import SIDES, TokenizerComparison, within
from labkit.core.display import Html, paragraph
from labkit.statistics.bootstrap import Interval
from labkit.tokens.measures import Measures, measure, ratio_interval
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
                "95% interval": _shown(found.bytes_per_token, found.num_documents),
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


def tokenizer_sentences(comparison: TokenizerComparison) -> dict[str, Html]:
    """One sentence for each section of notebook 20."""
    texts = {
        "split": _split_sentence(comparison),
        "lengths": _length_sentence(comparison),
        "fairness": _fairness_sentence(comparison),
        "unigram": _unigram_sentence(comparison),
        "lacking": " ".join(comparison.lacking) or "All named vocabularies and corpora were here.",
    }
    return {section: paragraph(text) for section, text in texts.items()}


def _split_sentence(comparison: TokenizerComparison) -> str:
    shared = sum(certificate.num_shared_groups for certificate in comparison.certificates.values())
    validation = comparison.certificates["validation"]
    return (
        f"{shared} works stand on two sides. Of the validation text's {validation.ngram_units}-"
        f"grams, {validation.ngram_share:.2%} occur in training text as well."
    )


def _length_sentence(comparison: TokenizerComparison) -> str:
    sample = comparison.samples[0]
    measures = all_measures(comparison)
    found = {name: measures[name, sample.corpus, sample.source] for name in comparison.tokenizers}
    shortest = max(found, key=lambda name: found[name].bytes_per_token.estimate)
    words = found["words"]
    losing = {name for (name, *_), one in measures.items() if one.num_round_trip_failures}
    lossless = [name for name in comparison.tokenizers if name not in losing]
    return (
        f"On {sample.corpus}: {sample.source}, {shortest} makes the shortest sequences "
        f"({found[shortest].bytes_per_token.estimate:.2f} bytes per token). There, words leave "
        f"{words.unknown_rate.estimate:.1%} of their tokens unknown and give back "
        f"{words.num_documents - words.num_round_trip_failures} of {words.num_documents} texts. "
        f"Every text measured is given back by: {', '.join(lossless)}."
    )


def _fairness_sentence(comparison: TokenizerComparison) -> str:
    costs: dict[str, dict[str, float]] = {}
    for name, text, interval in tokens_per_million(comparison):
        if name not in ("bytes", "words"):
            costs.setdefault(name, {})[text] = interval.estimate
    spreads = {name: max(found.values()) / min(found.values()) for name, found in costs.items()}
    fairest = min(spreads, key=spreads.__getitem__)
    listed = ", ".join(f"{name} {spread:.1f}" for name, spread in spreads.items())
    return (
        f"Dearest text over cheapest, in tokens per character: {listed}. The most even is "
        f"{fairest}. A ratio far from 1 is paid in every epoch and in every context window."
    )


def _unigram_sentence(comparison: TokenizerComparison) -> str:
    scores = unigram_scores(comparison)
    if not scores:
        return "There is no validation text to score."
    listed = ", ".join(f"{name} {score:.2f}" for name, score in scores.items())
    return (
        f"Without any context, in bits per byte: {listed}. Words pay for what they don't know "
        f"here ({comparison.certificates['validation'].summary}). Which tokenizer trains the "
        f"better model is a question for training runs."
    )


def _shown(interval: Interval, num_documents: int) -> str:
    if num_documents < FEWEST_DOCUMENTS:
        return f"only {num_documents} documents"
    return f"{interval.low:.3f} to {interval.high:.3f}"
