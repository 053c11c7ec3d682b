"""One sentence for each section of notebook 11, made from the curation it speaks of."""

from __future__ import annotations

import math

from labkit.core.counted import counted
from labkit.core.display import Html, paragraph
from labkit.data.curation import Curation
from labkit.data.mixture.weights import epochs, largest_budget
from labkit.questions.curation.advice import curation_advice
from labkit.questions.curation.languages import other_languages
from labkit.questions.curation.tables import (
    COPIES,
    copy_rows,
    funnel_rows,
    kept_rows,
    mixture,
    num_repeated_ids,
    personal_data_rows,
    preset_rows,
    rule_rows,
)

MIXTURE_TIE = 1e-9
"""Relative: epochs that differ by less are equal but for the order of sums."""


def curation_sentences(curation: Curation, bytes_per_token: float = 4.0) -> dict[str, Html]:
    """Section -> paragraph."""
    texts = {
        "funnel": _funnel(curation),
        "rules": _rules(curation),
        "presets": _presets(curation),
        "copies": _copies(curation),
        "personal_data": personal_data_sentence(curation),
        "mixture": _mixture(curation, bytes_per_token),
    }
    found = {section: paragraph(text) for section, text in texts.items()}
    return found | {"decision": curation_advice(curation)}


def _funnel(curation: Curation) -> str:
    steps, rejected = funnel_rows(curation), curation.curated.result["rejected"]
    first, last = steps[0], steps[-1]
    unread = f" {counted(rejected, 'record')} could not be read." if rejected else ""
    added = sum(row["bytes added by rewriting"] for row in steps)
    rewritten = f" and {added:,} that rewriting added" if added > 0 else ""
    if added < 0:
        rewritten = f" but the {-added:,} that rewriting took"
    return (
        f"{last['kept']:,} of "
        f"{counted(first['documents in'], 'document is', 'documents are')} kept "
        f"({last['kept'] / first['documents in']:.1%}), {last['MB out']:.2f} of "
        f"{first['MB in']:.2f} MB.{unread} Every document that came in is in one of two files, "
        f"kept, or dropped with rule, value and threshold; with it every byte{rewritten}."
        f" {repeated_ids_sentence(curation)}"
    ).rstrip()


def repeated_ids_sentence(curation: Curation) -> str:
    """Nothing where every document has an id of its own."""
    if not (number := num_repeated_ids(curation)):
        return ""
    have = counted(number, "document has", "documents have")
    return f"{have} an id that an earlier one has: `row` tells them apart."


def _rules(curation: Curation) -> str:
    rows = rule_rows(curation)
    if not rows:
        return "No rule dropped anything."
    most = [row for row in rows if row["MB"] == rows[0]["MB"]]
    costs = "costs most text" if len(most) == 1 else "cost most text, each as much"
    found = ", ".join(f"{row['rule']}{_measured(curation, row['rule'])}" for row in most)
    others = other_languages(curation)
    return (
        f"{found} {costs}: {most[0]['MB']:.2f} MB in "
        f"{' and '.join(counted(row['documents'], 'document') for row in most)}. "
        f"{_least_kept(curation)}{f' {others}' if others else ''}"
    )


def _least_kept(curation: Curation) -> str:
    """Of groups that hold a hundredth of the documents or more."""
    groups = kept_rows(curation)
    few = sum(row["documents"] for row in groups) / 100
    groups = [row for row in groups if row["documents"] >= few]
    worst = min(groups, key=lambda row: (row["share kept"], -row["documents"], row["source"]))
    share = worst["share kept"]
    alike = sum(row["share kept"] == share for row in groups)
    if alike == len(groups):
        return f"Of each source {share:.1%} of the documents are kept."
    language = "" if worst["language"] == "unknown" else f" ({worst['language']})"
    more = f" and {alike - 1:,} more" if alike > 1 else ""
    size = counted(worst["documents"], "document")
    return f"Least is kept of {worst['source']}{language}{more}: {share:.1%}" + (
        " of each." if alike > 1 else f" of {size}."
    )


def _measured(curation: Curation, name: str) -> str:
    """What a rule of the preset refuses, in words; nothing for others."""
    rules = {rule.id: rule for rule in curation.config.rules.rules}
    if not (rule := rules.get(name)):
        return ""
    return f" (refuses {rule.value} {rule.refuse} {rule.threshold:g})"


def _presets(curation: Curation) -> str:
    shares = {row["preset"]: row["share kept"] for row in preset_rows(curation)}
    used = curation.config.preset
    others = ", ".join(f"{name} {share:.1%}" for name, share in shares.items() if name != used)
    return (
        f"On the same raw text the rules of {used} keep {shares[used]:.1%}; {others}. What is "
        f"called a word, and for whose prose a threshold was set, decides more than any one number."
    )


def _copies(curation: Curation) -> str:
    rows = [row for row in rule_rows(curation) if row["rule"] in COPIES]
    if not rows:
        return "No document was dropped as a copy of another."
    parts = ", ".join(f"{row['documents']:,} by {row['rule']}" for row in rows)
    found = copy_rows(curation, most=sum(row["documents"] for row in rows))
    most = [row for row in found if row["dropped"] == found[0]["dropped"]]
    others = f" and {counted(len(most) - 1, 'other')}, each" if len(most) > 1 else ""
    return (
        f"Dropped as copies, straight or over others between them: {parts}, "
        f"{sum(row['MB'] for row in rows):.2f} MB. "
        f"Most were of {most[0]['copies of']}{others}: {most[0]['dropped']:,}."
    )


def personal_data_sentence(curation: Curation) -> str:
    rows = personal_data_rows(curation)
    if "personal_data" not in curation.config.steps:
        return "Personal data was not looked for."
    if not rows:
        return "No personal data of the kinds looked for was found in what was kept."
    found = ", ".join(f"{row['items']:,} {row['kind']}" for row in rows)
    return f"Replaced by placeholders in what was kept: {found}. Names of persons are not found."


def _mixture(curation: Curation, bytes_per_token: float) -> str:
    mix = mixture(curation, bytes_per_token)
    if not mix.num_tokens:
        return "Nothing was kept, so there is nothing to mix."
    whole = sum(mix.num_tokens.values())
    limit, passes = largest_budget(mix), epochs(mix).values()
    is_tie = math.isclose(min(passes), max(passes), rel_tol=MIXTURE_TIE)
    first = ", all sources at once" if is_tie else f", {limit.source} first"
    return (
        f"About {whole:,} tokens at {bytes_per_token:g} bytes each: {mix.budget / whole:.2g} "
        f"epochs for {mix.budget:,} tokens. At {mix.max_epochs:g} epochs of any source the text "
        f"is used up after {limit.budget:,} tokens{first if len(passes) > 1 else ''}."
    )
