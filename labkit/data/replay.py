"""One document through the steps of a curation again, alone: what each step found in it.

By their contract steps do to one document what they did to a batch; of a rule set every rule's
value is had here, not the first refusal's only. A survey's own decision is not made again: copies
are in the run's records, and lines taken out of many documents are seen by the text behind them.
Personal data in what was removed is overwritten by as many asterisks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from labkit.data.byte_changes import Change, find_changes
from labkit.data.duplicates.code import CodeDuplicates
from labkit.data.duplicates.exact import ExactDuplicates
from labkit.data.duplicates.near import NearDuplicates
from labkit.data.personal_data.config import PersonalDataConfig
from labkit.data.personal_data.find import Item, find_personal_data
from labkit.data.personal_data.redact import RedactPersonalData
from labkit.data.pipeline.step import Step, Survey
from labkit.data.rules.rule import RuleSet

COPIES = (ExactDuplicates, NearDuplicates, CodeDuplicates)
"""Surveys that drop a document for another, whose row is the value."""
MASK = b"*"
Record = dict[str, Any]
"""What dropped a document: a row of `dropped.parquet`."""


class Check(NamedTuple):
    """One rule; without a value where the step tells none for what it keeps."""

    step: str
    rule: str
    value: float | None
    threshold: float | None
    side: str
    """`below` or `above`: what the rule refuses; empty where it is no threshold."""
    verdict: str
    """passed, rewritten, refused, or dropped by it: the first that refuses."""
    unit: str = ""
    """Of value and threshold, where the rule says it."""


class Rewriting(NamedTuple):
    step: str
    num_bytes_before: int
    num_bytes_after: int
    changes: list[Change]


class Replay:
    """As far as the document came; `take` is called with each step in order."""

    def __init__(
        self, original: pa.RecordBatch, stored: str, record: Record | None, lost_lines: bool
    ):
        """
        Args:
            stored: the text as it was kept, or as it reached the step that dropped it.
            lost_lines: whether a survey rewrote it; its text from there on is `stored`.
        """
        self.batch, self._stored, self._record = original, stored, record
        self._lost_lines = lost_lines
        self.checks: list[Check] = []
        self.rewritings: list[Rewriting] = []
        self.is_redacted = False
        self.has_diverged = False
        """Whether a step dropped what its run kept: the text that it was given is not its run's."""
        self._has_ended = False
        self._found: list[Item] | None = None
        self._first_text = self.text

    @property
    def text(self) -> str:
        return self.batch.column("text")[0].as_py()

    def take(self, number: int, step: Step | Survey) -> bool:
        """Whether the document goes on to the next step."""
        is_last = self._record is not None and self._record["step"] == number
        config = step.config if isinstance(step, RedactPersonalData) else None
        if config and not self._has_ended:
            self._found = _items(self.text, config)
        if isinstance(step, RuleSet):
            self.checks += _rule_checks(step, self.batch, is_last or not self._has_ended)
        else:
            self.checks.append(_check(step, self._record if is_last else None))
        if is_last:
            return False
        if isinstance(step, Survey):
            if self._lost_lines and not isinstance(step, COPIES):
                self._rewrite(step.name, self._stored, ())
                self._has_ended = True
            return True
        if self._has_ended:  # rewritten already by this step, and it needn't be idempotent
            self.is_redacted = self.is_redacted or config is not None
            return True
        kept = step.apply(self.batch).kept
        self.has_diverged = kept.num_rows == 0
        if self.has_diverged:
            return False
        self.is_redacted = self.is_redacted or config is not None
        self._rewrite(
            step.name, kept.column("text")[0].as_py(), self._found or () if config else ()
        )
        return True

    def _rewrite(self, step: str, text: str, items: Sequence[Item]) -> None:
        """Note what changed, personal data masked, and go on with the text after."""
        before = self.text
        if before == text:
            return
        masked = mask(before, items)
        changes = [
            change._replace(removed=masked[change.start : change.start + len(change.removed)])
            for change in find_changes(before, text)
        ]
        sizes = len(before.encode()), len(text.encode())
        self.rewritings.append(Rewriting(step, *sizes, changes))
        self.checks[-1] = self.checks[-1]._replace(verdict="rewritten")
        at = self.batch.schema.get_field_index("text")
        self.batch = self.batch.set_column(
            at, self.batch.schema.field("text"), pa.array([text], self.batch.schema.types[at])
        )

    def found_personal_data(self) -> dict[str, int]:
        items = self._found
        if items is None:
            items = _items(self._first_text, PersonalDataConfig())
        return dict(Counter(item.kind for item in items))


def _rule_checks(rules: RuleSet, batch: pa.RecordBatch, is_exact: bool) -> list[Check]:
    """Every rule of the set; the first that refuses is the one that drops, if the text is exact."""
    values = rules.values(rules.columns(batch.column("text")))
    first, checks = int(rules.first_refusing(values)[0]) if is_exact else -1, []
    for position, rule in enumerate(rules.rules):
        value = float(values[position, 0])
        is_below, is_above = value < rule.threshold, value > rule.threshold
        is_refused = is_below if rule.refuse == "below" else is_above
        verdict = "dropped by it" if position == first else "refused" if is_refused else "passed"
        unit = rule.unit or "ratio"
        checks.append(Check(rules.name, rule.id, value, rule.threshold, rule.refuse, verdict, unit))
    return checks


def _check(step: Step | Survey, record: Record | None) -> Check:
    if record is None:
        return Check(step.name, "", None, None, "", "passed")
    value = None if isinstance(step, COPIES) else record["value"]  # a row, shown with the copies
    return Check(step.name, record["rule"], value, record["threshold"], "", "dropped by it")


def _items(text: str, config: PersonalDataConfig) -> list[Item]:
    return find_personal_data(pa.array([text], pa.large_string()), config)


def mask(text: str, items: Sequence[Item] = ()) -> bytes:
    """As many bytes, personal data by the default config and these items overwritten."""
    data = bytearray(text.encode())
    for item in [*_items(text, PersonalDataConfig()), *items]:
        data[item.start : item.end] = MASK * (item.end - item.start)
    return bytes(data)
