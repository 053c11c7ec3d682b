"""What notebook 11 comes to: what was curated with, what is left, what to read before trusting it.

Shares have their 95% interval (Wilson), which takes documents for independent: of a source full of
near-copies it is too narrow. That a model gets better by the text that is left is nowhere claimed.
"""

from __future__ import annotations

import shlex
from operator import itemgetter

from labkit.core.counted import counted
from labkit.core.display import Html, paragraphs
from labkit.data.curation import Curation
from labkit.questions.curation.languages import other_languages
from labkit.questions.curation.tables import COPIES, kept_rows, rule_rows
from labkit.statistics.proportion import wilson_interval


def curation_advice(curation: Curation) -> Html:
    """Taken, left, open, next: a paragraph each."""
    parts = (_taken(curation), _left(curation), _open(curation), _next(curation))
    return paragraphs(parts)


def _taken(curation: Curation) -> str:
    config, read = curation.config, curation.curated.result["read"]
    kept = curation.curated.result["kept"]
    moved = ", ".join(
        f"{rule} {'off' if threshold is None else f'{threshold:g}'}"
        for rule, threshold in config.thresholds.items()
    )
    return (
        f"Curated with the preset {config.preset}{f' ({moved})' if moved else ''}, steps "
        f"{config.steps}: {kept['documents']:,} of {counted(read['documents'], 'document')} and "
        f"{kept['bytes'] / 1e6:.2f} of {read['bytes'] / 1e6:.2f} MB are left."
    )


def _left(curation: Curation) -> str:
    """Two groups that differ most by their intervals, which the most and least kept need not."""
    rows = [row for row in kept_rows(curation) if row["documents"]]
    if len(rows) < 2:
        return "Of one source in one language, there is nothing to compare by source."
    shares = {row["share kept"] for row in rows}
    if len(shares) == 1:
        return f"Of each source and language as much is kept, {shares.pop():.1%}."
    intervals = [wilson_interval(row["kept"], row["documents"]) for row in rows]
    low, more = max(zip((i.low for i in intervals), rows, strict=True), key=itemgetter(0))
    high, less = min(zip((i.high for i in intervals), rows, strict=True), key=itemgetter(0))
    if high >= low:
        return (
            "By source and language: what is kept of no two differs by more than their intervals, "
            "inconclusive."
        )
    return (
        f"By source and language: more is kept of {_group(more)} than of {_group(less)}, so that "
        "what is left is another mixture than what came."
    )


def _group(row: dict) -> str:
    language = "" if row["language"] == "unknown" else f" ({row['language']})"
    return f"{row['source']}{language} {row['share kept']:.1%} ({row['95% interval']})"


def _open(curation: Curation) -> str:
    rules = [row for row in rule_rows(curation) if row["rule"] not in COPIES]
    read = (
        f"Before trusting it, read what {rules[0]['rule']} dropped "
        f"({counted(rules[0]['documents'], 'document')}, {rules[0]['MB']:.2f} MB; column rule "
        "of dropped.parquet). "
        if rules
        else ""
    )
    languages = other_languages(curation)
    return (
        f"{read}{f'{languages} ' if languages else ''}Whether a model gets better by this is "
        "inconclusive here: none was trained on either side."
    )


def _next(curation: Curation) -> str:
    if not curation.curated.result["kept"]["documents"]:
        return "Nothing is left to go on with: try another preset, or other thresholds."
    corpus = shlex.quote(curation.curated.corpus)
    return f"Next: labkit batch notebooks/20_tokenizer_comparison.ipynb -p corpus {corpus}"
