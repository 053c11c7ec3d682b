"""What notebook 20 found, one sentence for each of its sections."""

from __future__ import annotations

from labkit.comparison.tokenizers import TokenizerComparison
from labkit.core.display import Html, paragraph
from labkit.questions.tokenizers.tables import all_measures, tokens_per_million, unigram_scores


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
