"""Documents measured once, then judged by any thresholds: what would a moved threshold change?

Kept are the values, float64[rule, document], and of each document where it is from; a change of
thresholds is one comparison per rule, which is what `RuleSet.apply` does with the same values, so
that the counts here are those of a pipeline on these texts. A document has flipped when it is kept
now and was dropped by the set as it was given, or the other way round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from labkit.core.config import ConfigError
from labkit.core.errors import LabError
from labkit.data.personal_data.beginnings import beginnings
from labkit.data.rules.rule import RuleSet

FACTS = ("id", "source", "language")
MAX_GROUPS = 12
OTHERS = "others"
Texts = Callable[[Sequence[int]], list[str]]
"""Positions among the measured documents -> their texts."""


class KeepRate(NamedTuple):
    name: str
    num_documents: int
    num_kept: int
    num_kept_by_preset: int


class Flip(NamedTuple):
    """`rule`, `value` and `threshold` are of the verdict that drops it: now, or as given."""

    id: str
    """Personal data replaced."""
    source: str
    language: str
    is_kept: bool
    rule: str
    value: float
    threshold: float
    text: str
    """Its beginning, personal data replaced."""


@dataclass(frozen=True)
class Verdict:
    """Of every document under some thresholds."""

    thresholds: np.ndarray
    """float64[rule]; infinite where a rule is switched off."""
    first: np.ndarray
    """int16[document]: position of the first rule that refuses it, -1 where it is kept."""

    @property
    def is_kept(self) -> np.ndarray:
        return self.first < 0

    @property
    def num_dropped(self) -> np.ndarray:
        """int64[rule]: documents that the rule is the first to refuse."""
        return np.bincount(self.first + 1, minlength=len(self.thresholds) + 1)[1:]


class MeasuredDocuments:
    """`groups` are (source, language), the largest first and all beyond `MAX_GROUPS` as one."""

    def __init__(self, rule_set: RuleSet, values: np.ndarray, facts: pa.Table, texts: Texts):
        assert values.shape == (len(rule_set.rules), facts.num_rows), values.shape
        self.rule_set, self.values, self.facts = rule_set, values, facts
        self._texts = texts
        self._shown: dict[tuple[int, int], tuple[str, str]] = {}
        self.groups, self._group = _group(facts)
        self.as_given = self.judge({})

    def __len__(self) -> int:
        return self.values.shape[1]

    def judge(self, changes: Mapping[str, float | None]) -> Verdict:
        """Verdicts with some thresholds changed, by rule id; None switches a rule off."""
        thresholds = self.rule_set.thresholds
        for position, rule in enumerate(self.rule_set.rules):
            changed = changes.get(rule.id, rule.threshold)
            never = -np.inf if rule.refuse == "below" else np.inf
            thresholds[position] = never if changed is None else changed
        return Verdict(thresholds, self.rule_set.first_refusing(self.values, thresholds))

    def keep_rates(self, verdict: Verdict) -> list[KeepRate]:
        """All documents, then each group."""
        sizes, kept, before = (
            np.bincount(self._group[chosen], minlength=len(self.groups)).tolist()
            for chosen in (slice(None), verdict.is_kept, self.as_given.is_kept)
        )
        whole = KeepRate("all", sum(sizes), sum(kept), sum(before))
        rest = zip(self.groups, sizes, kept, before, strict=True)
        return [whole, *(KeepRate(*one) for one in rest)]

    def num_flips(self, verdict: Verdict) -> tuple[int, int]:
        """Documents that are (kept, dropped) now and were not as given."""
        now, before = verdict.is_kept, self.as_given.is_kept
        return int((now & ~before).sum()), int((before & ~now).sum())

    def flips(self, verdict: Verdict, count: int, seed: int, characters: int = 300) -> list[Flip]:
        """At most `count` of them by the seed; one stays shown while it remains a flip."""
        is_kept_now = verdict.is_kept
        flipped = np.flatnonzero(is_kept_now != self.as_given.is_kept)
        turn = np.random.default_rng(seed).permutation(len(self))[flipped]
        chosen = flipped[np.argsort(turn)[:count]]
        facts = self.facts.take(pa.array(chosen)).to_pylist()
        self._shown = self._beginnings(chosen.tolist(), characters)
        found = []
        for position, fact in zip(chosen.tolist(), facts, strict=True):
            name, text = self._shown[position, characters]
            is_kept = bool(is_kept_now[position])
            judged = self.as_given if is_kept else verdict
            rule = int(judged.first[position])
            found.append(
                Flip(
                    **fact | {"id": name},
                    is_kept=is_kept,
                    rule=self.rule_set.rules[rule].id,
                    value=float(self.values[rule, position]),
                    threshold=float(judged.thresholds[rule]),
                    text=text,
                )
            )
        return found

    def _beginnings(
        self, positions: list[int], characters: int
    ) -> dict[tuple[int, int], tuple[str, str]]:
        """(position, characters) -> (id, text), those shown before as they were: looking for
        personal data is most of a move's work, and few examples change with it."""
        keys = [(one, characters) for one in positions]
        new = [one for one in keys if one not in self._shown]
        rows = [row for row, _ in new]
        ids = self.facts["id"].take(pa.array(rows, pa.int64())).fill_null("").to_pylist()
        seen = beginnings([*ids, *self._texts(rows)], characters)
        found = dict(zip(new, zip(seen[: len(rows)], seen[len(rows) :], strict=True), strict=True))
        return {one: found.get(one) or self._shown[one] for one in keys}


def measure(
    batches: Iterable[pa.RecordBatch], rule_set: RuleSet, texts: Texts | None = None
) -> MeasuredDocuments:
    """Count each text once; texts are held in memory unless `texts` can read them again.

    Raises:
        LabError: no documents.
    """
    values, facts, held = [], [], list[pa.Array]()
    for batch in batches:
        values.append(rule_set.values(rule_set.columns(batch.column("text"))))
        facts.append(pa.table({name: batch.column(name).cast(pa.string()) for name in FACTS}))
        if texts is None:
            held.append(batch.column("text").cast(pa.large_string()))
    if not sum(table.num_rows for table in facts):
        raise LabError("no documents to measure; give a corpus that has some")
    if texts is None:
        column = pa.chunked_array(held)
        texts = lambda positions: [column[position].as_py() for position in positions]  # noqa: E731
    return MeasuredDocuments(
        rule_set, np.concatenate(values, axis=1), pa.concat_tables(facts), texts
    )


def with_changes(rule_set: RuleSet, changes: Mapping[str, float | None]) -> RuleSet:
    """The set with thresholds by rule id; a rule whose threshold is None is left out.

    Raises:
        ConfigError: an id that no rule has, what can be no threshold of it, or no rule left.
    """
    moved = {name: value for name, value in changes.items() if value is not None}
    changed = rule_set.with_thresholds(moved)
    for rule in changed.rules:
        if fault := rule.fault_of(rule.threshold) if rule.id in moved else "":
            raise ConfigError(
                {rule.id: f"{rule.id}={rule.threshold:g}: {fault}; null switches it off"}
            )
    off = changes.keys() - moved.keys()
    if unknown := sorted(off - set(rule_set.ids)):
        raise ConfigError({unknown[0]: f"no rule {unknown[0]!r}; rules: {', '.join(rule_set.ids)}"})
    if not off:
        return changed
    if not set(rule_set.ids) - off:
        raise ConfigError({"rules": "every rule is switched off; leave one, or leave out the step"})
    rules = tuple(rule for rule in changed.rules if rule.id not in off)
    return RuleSet(name=rule_set.name, rules=rules, definitions=rule_set.definitions)


def _group(facts: pa.Table) -> tuple[list[str], np.ndarray]:
    sources, languages = (facts[name].fill_null("").to_pylist() for name in FACTS[1:])
    names = [
        " · ".join(part for part in pair if part) for pair in zip(sources, languages, strict=True)
    ]
    found, numbers, sizes = np.unique(names, return_inverse=True, return_counts=True)
    order = np.argsort(-sizes, kind="stable")
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    groups = [str(found[one]) or "unnamed" for one in order]
    if len(groups) <= MAX_GROUPS:
        return groups, rank[numbers]
    groups = [*groups[: MAX_GROUPS - 1], f"{OTHERS} ({len(groups) - MAX_GROUPS + 1} groups)"]
    return groups, np.minimum(rank[numbers], MAX_GROUPS - 1)
