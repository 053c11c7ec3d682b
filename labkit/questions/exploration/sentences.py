"""One sentence for each section of notebook 10, made from the corpus it speaks of."""

from __future__ import annotations

from math import isfinite

from labkit.core.counted import counted
from labkit.core.display import Html, paragraph
from labkit.data.exploration import (
    Exploration,
    character_tables,
    duplicate_table,
    mean_length,
    script_table,
    size_table,
)
from labkit.data.zipf import total_counts, zipf_interval


def corpus_sentences(exploration: Exploration) -> dict[str, Html]:
    """Section -> paragraph."""
    texts = {
        "sizes": _sizes(exploration),
        "scripts": _scripts(exploration),
        "characters": _characters(exploration),
        "zipf": _zipf(exploration),
        "duplicates": _duplicates(exploration),
    }
    return {section: paragraph(text) for section, text in texts.items()}


def _sizes(exploration: Exploration) -> str:
    whole = size_table(exploration).to_pylist()[-1]
    mean = mean_length(exploration)
    per_character = whole["bytes"] / max(whole["characters"], 1)
    return (
        f"{counted(whole['documents'], 'document')}, {whole['bytes'] / 1e6:.2f} MB of UTF-8, "
        f"{per_character:.2f} bytes per character. A document has {mean.estimate:,.0f} characters "
        f"on average (95% interval {mean.low:,.0f} to {mean.high:,.0f} if these documents are a "
        f"sample of more like them)."
    )


def _scripts(exploration: Exploration) -> str:
    counts: dict[str, int] = {}
    for row in script_table(exploration).to_pylist():
        counts[row["class"]] = counts.get(row["class"], 0) + row["characters"]
    if not counts:
        return "There are no characters in this corpus."
    first, second, *_ = [*sorted(counts, key=lambda name: -counts[name]), "nothing else"]
    return (
        f"Most characters are {first} ({counts[first] / sum(counts.values()):.1%}), then {second}. "
        f"Words are counted as {exploration.unit} here."
    )


def _characters(exploration: Exploration) -> str:
    _, suspicious = character_tables(exploration)
    if not suspicious.num_rows:
        found = "No replacement characters, byte order marks or stray controls were found."
        return found + _scope(exploration)
    found = ", ".join(
        f"{row['code point']} {counted(row['count'], 'time')}" for row in suspicious.to_pylist()[:5]
    )
    return (
        f"Traces of broken decoding or editing: {found}. They would each cost tokens."
        f"{_scope(exploration)}"
    )


def _zipf(exploration: Exploration) -> str:
    blocks = exploration.unit_blocks
    slope = zipf_interval(blocks)
    total = total_counts(blocks)
    fitted = (
        f"The exponent over ranks 10 to 1,000 is {slope.estimate:.3f} "
        f"({slope.low:.3f} to {slope.high:.3f})."
        if isfinite(slope.low)
        else "That is too little to fit an exponent with an interval."
    )
    once = sum(count == 1 for count in total.values()) / max(len(total), 1)
    return (
        f"{sum(total.values()):,} {exploration.unit}, {len(total):,} different, {once:.0%} of "
        f"these seen once. {fitted}{_scope(exploration)}"
    )


def _scope(exploration: Exploration) -> str:
    """Says so when the budget cut what the sentence speaks of."""
    read, whole = exploration.config.text_budget, exploration.columns["num_characters"]
    total = int(whole.to_numpy().sum())
    if read >= total:
        return ""
    return f" Only about the first {read:,} of {total:,} characters were read."


def _duplicates(exploration: Exploration) -> str:
    rows = duplicate_table(exploration).to_pylist()
    if not rows:
        return "No document is byte for byte equal to another. Near-duplicates are not looked for."
    extra = sum((row["copies"] - 1) * row["bytes of one"] for row in rows)
    whole = size_table(exploration).to_pylist()[-1]["bytes"]
    return (
        f"{counted(len(rows), 'text occurs', 'texts occur')} more than once; "
        "dropping the copies would remove "
        f"{extra / max(whole, 1):.1%} of the bytes. Near-duplicates are not looked for."
    )
