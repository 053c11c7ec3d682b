"""Any runs side by side: grouped by config, compared with one of the groups where they can be.

Runs that differ in nothing but their seed are one group. A verdict is given where a group has the
baseline's validation text and windows, its FLOPs or its tokens within 1%, and on both sides runs
of different seeds that all spent their budget; else the reason why not. Learning rates are as they
were found: nothing here is retuned, and the scope says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from pydantic import field_validator

from labkit.comparison.matching import TOLERANCE
from labkit.comparison.runs.budget import Budget, budget, missing_fields, plan_of
from labkit.comparison.runs.select import WITH_RUNS, as_json, select_runs
from labkit.comparison.runs.view import RunView
from labkit.core.config import Config, field
from labkit.core.errors import LabError
from labkit.core.records.decision import references
from labkit.data.decided_corpora import check_choice, resolve_corpus, with_corpus
from labkit.data.readers import fingerprint
from labkit.statistics.verdict import MARGIN, Scores, Verdict, judge

OUTCOME_FREE = ("seed", "name", "tracking", "run_id", "checkpoints.", "budget.usd", "budget.max")
"""Fields, or beginnings of fields, that change no figure of a finished run but for the seed."""
GOES_ON = ("waiting", "starting", "running", "pending")
OUTCOME_FREE_EVALUATION = ("num_evaluations", "num_samples", "sample_tokens", "temperature")
TEXT = ("data.validation", "data.tokenizer", "evaluation.num_windows", "data.sequence_length")
"""What says on which windows of which text a run was evaluated."""


class RunComparisonConfig(Config):
    runs: str = field(
        "decision:30, decision:50",
        "ids, patterns, studies, decisions, W&B folders, wandb:entity/project; comma-separated",
    )
    corpus: str = field(
        "decision:11", "whose decisions are meant: decision:11, registered corpus or path"
    )
    baseline: str = field("", "group to compare with; empty: the first")
    margin: float = field(
        MARGIN, "difference that doesn't matter", unit="bits per byte", gt=0, le=1
    )

    @field_validator("corpus")
    @classmethod
    def _is_readable(cls, corpus: str) -> str:
        return check_choice(corpus)

    def corpus_hash(self) -> str:
        return fingerprint(resolve_corpus(self.corpus))

    def decisions(self) -> list[str]:
        """The named runs that are those of a decision."""
        named = [name.strip() for name in self.runs.split(",")]
        return [name for name in WITH_RUNS if name in named]

    def inputs(self) -> dict[str, str]:
        try:
            views = select_runs(self.runs, self.corpus_hash())
        except LabError:  # said when they are needed
            return {}
        return {view.run_id: f"{view.state} {view.bits_per_byte}" for view in views}


class Group(NamedTuple):
    """Runs of one config."""

    name: str
    runs: list[RunView]

    @property
    def config(self) -> dict[str, Any]:
        return self.runs[0].config

    @property
    def seeds(self) -> list[Any]:
        return [run.config.get("seed") for run in self.runs]


class RunComparison:
    """The groups, and the verdict on each but the baseline.

    Raises:
        LabError: no such runs, or no group of the baseline's name.
    """

    def __init__(self, config: RunComparisonConfig):
        self.config = config = with_corpus(config)
        corpus_hash = config.corpus_hash()
        numbers = [name.removeprefix("decision:") for name in config.decisions()]
        self.reads = references(numbers, corpus_hash)
        self.views = select_runs(config.runs, corpus_hash)
        self.groups = group_runs(self.views)
        named = {group.name: group for group in self.groups}
        if config.baseline and config.baseline not in named:
            raise LabError(f"no group {config.baseline!r}; there are: {', '.join(named)}")
        self.baseline = named[config.baseline] if config.baseline else self.groups[0]
        self.others = [group for group in self.groups if group is not self.baseline]
        self.verdicts = self._verdicts()

    def _verdicts(self) -> dict[str, Verdict]:
        gaps = {group.name: incomparable(group, self.baseline) for group in self.others}
        judged = {group.name: scores(group) for group in self.others if not gaps[group.name]}
        found = judge(scores(self.baseline), judged, margin=self.config.margin)
        found |= {name: Verdict("not comparable", gap) for name, gap in gaps.items() if gap}
        return {group.name: found[group.name] for group in self.others}

    def equal_in(self, group: Group) -> list[str]:
        """The budgets in which the group is known to equal the baseline."""
        return equal_axes(group, self.baseline)

    def differing_fields(self) -> list[str]:
        """Fields of the configs in which the groups are not all alike."""
        names = dict.fromkeys(name for group in self.groups for name in group.config)
        return [
            name
            for name in names
            if not _is_free(name)
            and len({as_json(group.config.get(name)) for group in self.groups}) > 1
        ]


def group_runs(views: Sequence[RunView]) -> list[Group]:
    """Runs that differ in their seed alone, in the order of their first; names told apart."""
    found: dict[str, list[RunView]] = {}
    for view in views:
        identity = {k: as_json(value) for k, value in view.config.items() if not _is_free(k)}
        key = as_json(identity) if view.config else view.run_id
        found.setdefault(key, []).append(view)
    groups: list[Group] = []
    for runs in found.values():
        taken = ["field", *(group.name for group in groups)]  # a column of the differences
        name, number = runs[0].name, 2
        while name in taken:
            name, number = f"{runs[0].name} ({number})", number + 1
        groups.append(Group(name, runs))
    return groups


def scores(group: Group) -> Scores:
    """A run that has failed, or ended diverged or without a finite score, has diverged; one that
    goes on, or was ended before its budget was spent, has no score.
    """
    runs = [run for run in group.runs if run.state not in GOES_ON]
    runs = [run for run in runs if run.state == "failed" or not is_cut_short(run)]
    values = [
        math.nan
        if run.bits_per_byte is None or has_diverged(run) or is_cut_short(run)
        else run.bits_per_byte
        for run in runs
    ]
    windows = [_by_window(run) for run in runs]
    known = [one for one in windows if one is not None]
    is_whole = known and len({len(one) for one in known}) == 1 and len(known) == len(windows)
    return Scores(values, np.stack(known) if is_whole else None)


def has_diverged(run: RunView) -> bool:
    """Whether its result says that its loss was above a guess or far above its best at the end."""
    return run.summary.get("diverged_at") is not None


def is_cut_short(run: RunView) -> bool:
    """Whether it ended before its budget was spent: its score is that of a shorter run."""
    if run.state == "finished" or run.state in GOES_ON:
        return False
    plan = plan_of(run)
    steps = [row["step"] for row in run.history if row.get("validation/bits_per_byte") is not None]
    return plan is None or not steps or steps[-1] < plan.num_steps


def incomparable(group: Group, baseline: Group) -> str:
    """Why there is no verdict, or nothing."""
    for side, one in (("the baseline", baseline), ("the group", group)):
        if gap := _gap(one):
            return f"{side}: {gap}"
    other = [
        name for name in TEXT if group.config.get(name) != baseline.config.get(name)
    ] or _other_inputs(group, baseline)
    if other:
        return f"evaluated on other windows ({', '.join(other)})"
    ours, theirs = plan_of(group.runs[0]), plan_of(baseline.runs[0])
    assert ours is not None
    assert theirs is not None
    if ours.sequence_length != theirs.sequence_length:
        return "evaluated on other windows (model.context_length)"
    if ours.data.mask_document_starts != theirs.data.mask_document_starts:
        return "evaluated on other tokens (data.mask_document_starts)"
    if not equal_axes(group, baseline):
        return "equal in neither FLOPs nor tokens"
    return ""


def _gap(group: Group) -> str:
    """What keeps the group's runs from being compared with any others."""
    if plan_of(group.runs[0]) is None or not group.config.get("data.validation"):
        lacking = missing_fields(group.runs[0])
        which = f", it lacks {', '.join(lacking[:2])} and others" if lacking else ""
        return f"its config is no labkit plan{which}: on which text it was scored isn't known"
    seeds = [as_json(seed) for seed in group.seeds]
    if "null" in seeds:
        return "no seed in its config: which runs are independent isn't known"
    if twice := [one for one in seeds if seeds.count(one) > 1]:
        return f"seed {twice[0]} more than once: copies of a run say nothing of the spread"
    if short := [run for run in group.runs if is_cut_short(run)]:
        return f"{len(short)} of {len(seeds)} runs {short[0].state} before the budget was spent"
    read = [{k: v for k, v in run.summary.items() if k.startswith("inputs.")} for run in group.runs]
    if len({as_json(one) for one in read if one}) > 1:
        return "its runs read data of one name and other content"
    return ""


def equal_axes(one: Group, other: Group) -> list[str]:
    """The budgets in which all runs of two groups are known to be equal within 1%."""
    budgets = [budget(run) for run in [*one.runs, *other.runs]]
    found = []
    for axis in Budget._fields:
        spent = [getattr(each, axis) for each in budgets]
        if None not in spent and max(spent) / min(spent) - 1 <= TOLERANCE:
            found.append(axis)
    return found


def _other_inputs(group: Group, baseline: Group) -> list[str]:
    """Validation shards of one name and other content."""
    name = f"inputs.{group.config.get('data.validation')}"
    found = {run.summary.get(name) for run in [*group.runs, *baseline.runs]} - {None}
    return ["content of data.validation"] if len(found) > 1 else []


def _by_window(run: RunView) -> np.ndarray | None:
    loss = run.summary.get("validation.loss")
    if run.window_nats is None or not loss or run.bits_per_byte is None:
        return None
    return run.window_nats * run.bits_per_byte / loss


def _is_free(name: str) -> bool:
    head, _, leaf = name.partition(".")
    if head == "evaluation":
        return leaf in OUTCOME_FREE_EVALUATION
    if head in ("model", "optimizer", "schedule") and leaf == "preset":
        return True  # where a shape started from; the fields say what it is
    return any(
        name.startswith(one) if one.endswith(".") or "." in one else name == one
        for one in OUTCOME_FREE
    )
