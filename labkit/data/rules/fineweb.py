"""FineWeb's rules on lines: is this prose, and not a list? (Penedo et al. 2024, section 3.4)

Identifiers, order and decisions are those of datatrove 0.10.1, given the same words, but that its
`empty` is `no_filled_lines` here. A line is terminated by its last character as it stands: a blank
or a quotation mark after the full stop ends no line.
"""

from __future__ import annotations

from labkit.data.rules.rule import Rule

SOURCE = "Penedo et al. 2024, section 3.4; as in datatrove 0.10.1"


def fineweb_rules() -> tuple[Rule, ...]:
    """With the thresholds of the paper."""
    repeated = "num_duplicate_filled_line_characters / num_line_characters"
    terminated, short = (f"num_{kind}_lines / num_filled_lines" for kind in ("terminated", "short"))
    return (
        Rule(
            id="no_filled_lines",
            value="num_filled_lines",
            refuse="below",
            threshold=1,
            highest=100,
            unit="lines",
            source="datatrove 0.10.1",
        ),
        Rule(
            id="line_punct_ratio", value=terminated, refuse="below", threshold=0.12, source=SOURCE
        ),
        Rule(id="short_line_ratio", value=short, refuse="above", threshold=0.67, source=SOURCE),
        Rule(id="char_dup_ratio", value=repeated, refuse="above", threshold=0.01, source=SOURCE),
        Rule(
            id="list_ratio",
            value="num_newlines / num_words",
            refuse="above",
            threshold=0.3,
            unit="per word",
            source=SOURCE,
        ),
    )
