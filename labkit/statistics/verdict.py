"""Better, worse, equivalent or inconclusive: one arm against the baseline, in bits per byte.

Two sources of error, kept apart and combined: the seed (Welch over the runs) and the evaluation
windows (the same ones for every run, so that their differences count; neighbours share documents,
so that their error is Newey and West's). Holm's correction covers every arm it is given, so that
any false "better" or "worse" among them has chance `alpha` at most. "Equivalent" is a claim of its
own (TOST within the margin, corrected alike) and comes first: a difference that is shown to be
smaller than the margin doesn't matter, whatever its sign.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from labkit.statistics.bootstrap import Interval
from labkit.statistics.difference import Difference, welch
from labkit.statistics.holm import holm
from labkit.statistics.newey_west import serial_mean
from labkit.statistics.power import smallest_detectable

ALPHA, MARGIN = 0.05, 0.01
"""Chance of a false "better" or "worse" in a table, and of a false "equivalent"; bits per byte that
are taken not to matter.
"""

SAFE_FROM_SKEW = 20
"""Seeds whose scores are skewed and spread unequally make 18% of words at p <= 0.05 false, and at
most 5% of those at p <= 0.05 / 20 (five seeds, lognormal; docs/results/verdicts.json). No handful
of seeds shows whether that is so: false words come where the long tail was not drawn.
"""

Word = Literal["better", "worse", "equivalent", "inconclusive", "not comparable"]


class Scores(NamedTuple):
    """What an arm's runs came to: one entry per seed; NaN for a run that diverged."""

    bits_per_byte: Sequence[float]
    by_window: np.ndarray | None = None
    """Bits per byte of each validation window, a row per seed; their mean is the entry above."""

    @property
    def finite(self) -> list[float]:
        return [one for one in self.bits_per_byte if math.isfinite(one)]

    @property
    def num_diverged(self) -> int:
        return len(self.bits_per_byte) - len(self.finite)


class Verdict(NamedTuple):
    """Effects are the arm's bits per byte minus the baseline's: below 0 is better."""

    word: Word
    reason: str
    effect: Interval | None = None
    """With the 95% interval of this arm alone."""
    effect_holm: Interval | None = None
    """With the interval that leaves 0 out just when `p_holm` is at most alpha."""
    p_holm: float | None = None
    smallest_detectable: float | None = None
    """Difference that these seeds would have found with chance 80%."""
    seed_error: float | None = None
    window_error: float | None = None
    """Standard errors from each source; None where no losses of windows were recorded."""
    caution: str = ""
    """What may make the word less sure than its p-value says; empty where nothing is known."""

    @property
    def because(self) -> str:
        """The reason with the caution."""
        return f"{self.reason}; {self.caution}" if self.caution else self.reason


def judge(
    baseline: Scores, arms: Mapping[str, Scores], *, alpha: float = ALPHA, margin: float = MARGIN
) -> dict[str, Verdict]:
    """The verdict on each arm, all of them as one family.

    One seed, or a run that diverged, is never judged: what is missing is named instead.
    """
    gaps = {name: _gap(baseline, scores) for name, scores in arms.items()}
    judged = [name for name, gap in gaps.items() if not gap]
    seeds = {name: welch(arms[name].finite, baseline.finite) for name in judged}
    windows = {name: _window_error(arms[name], baseline) for name in judged}
    whole = {
        name: seeds[name].with_error(*window) if window else seeds[name]
        for name, window in windows.items()
    }
    none = dict(zip(judged, holm([one.p_of_none() for one in whole.values()]), strict=True))
    beyond = dict(
        zip(judged, holm([one.p_of_margin(margin) for one in whole.values()]), strict=True)
    )
    found = {name: Verdict("not comparable", gap) for name, gap in gaps.items() if gap}
    for name, difference in whole.items():
        word, reason = _word(difference, none[name].p_value, beyond[name].p_value, alpha, margin)
        window = windows[name]
        found[name] = Verdict(
            word=word,
            reason=reason if window else f"{reason}, by the seeds alone",
            effect=difference.interval(),
            effect_holm=difference.interval(none[name].confidence(alpha)),
            p_holm=none[name].p_value,
            smallest_detectable=smallest_detectable(
                difference.standard_error, difference.degrees, alpha / len(judged)
            ),
            seed_error=seeds[name].standard_error,
            window_error=window[0] if window else None,
            caution=_caution(word, none[name].p_value, alpha),
        )
    return {name: found[name] for name in arms}


def _gap(baseline: Scores, scores: Scores) -> str:
    """What is missing for a comparison; empty where nothing is."""
    for side, one in (("the baseline", baseline), ("it", scores)):
        if one.num_diverged:
            return f"{one.num_diverged} of {len(one.bits_per_byte)} runs of {side} diverged"
        if len(one.finite) < 2:
            return f"{side} has {len(one.finite)} finished seed; one more shows their spread"
    tables = [one.by_window for one in (scores, baseline) if one.by_window is not None]
    counts = [table.shape[1] for table in tables]
    if len(set(counts)) > 1:
        return f"evaluated on {counts[0]} windows, the baseline on {counts[1]}"
    return ""


def _window_error(scores: Scores, baseline: Scores) -> tuple[float, float] | None:
    """(standard error, degrees) of the effect from the choice of windows, the seeds' averaged."""
    if scores.by_window is None or baseline.by_window is None:
        return None
    found = serial_mean(scores.by_window.mean(axis=0) - baseline.by_window.mean(axis=0))
    return found.standard_error, found.degrees


def _word(
    difference: Difference, p_none: float, p_beyond: float, alpha: float, margin: float
) -> tuple[Word, str]:
    if p_beyond <= alpha:
        return "equivalent", f"within {margin:g} bits per byte ({shown_p(p_beyond)})"
    if p_none <= alpha:
        return ("better" if difference.estimate < 0 else "worse"), f"{shown_p(p_none)} after Holm"
    return "inconclusive", f"{shown_p(p_none)} after Holm"


def _caution(word: Word, p_none: float, alpha: float) -> str:
    if word not in ("better", "worse") or p_none <= alpha / SAFE_FROM_SKEW:
        return ""
    return (
        "where scores are skewed and spread unequally, as many as 18% of such verdicts are false; "
        f"more seeds that bring p to {alpha / SAFE_FROM_SKEW:g} rule that out"
    )


def shown_p(p_value: float | None) -> str:
    """
    >>> shown_p(0.0321), shown_p(1e-9)
    ('p = 0.032', 'p < 0.0001')
    """
    if p_value is None:
        return ""
    return "p < 0.0001" if p_value < 1e-4 else f"p = {p_value:.2g}"
