"""A study: arms that differ in declared fields, each with its own rate, on seeds fixed beforehand.

It is written down whole before the first run. Every arm's learning rates are the baseline's times
one factor, the best of `rate_factors` on `tuning_seeds` (extended once where the best is at an
edge); those seeds are never used again. Then every arm runs on `seeds`. Controls take the
baseline's factor: they show what the instrument makes of a known answer,
and are judged as a family of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from labkit.comparison.matching import Axis, matched
from labkit.core import artifacts
from labkit.core.canonical_json import hash_json
from labkit.core.disk import slug
from labkit.core.errors import LabError
from labkit.plan.plan import TrainingPlan
from labkit.statistics.verdict import ALPHA, MARGIN

BASELINE = "baseline"
TUNING = "tuning-"
"""How the names of runs begin that chose a rate: their scores are the best of several."""
RATES = ("optimizer.learning_rate", "optimizer.muon_learning_rate")


class Arm(BaseModel):
    """`changes`: dotted fields of the plan. A control needn't be equal, and has no rate of its own;
    one that changes nothing is the baseline again, on other seeds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    changes: dict[str, Any] = {}
    is_control: bool = False


class Study(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    about: str = ""
    """The text and its tokenizer in words, for the verdicts' scope."""
    plan: TrainingPlan
    """The baseline's, settled; its seed is not used."""
    arms: tuple[Arm, ...]
    """Those beside the baseline, in the order of every table."""
    equal: Axis = "flops"
    rate_factors: tuple[float, ...] = Field(default=(0.5, 1.0, 2.0), min_length=1)
    tuning_seeds: tuple[int, ...] = (100, 101)
    seeds: tuple[int, ...] = Field(default=(1, 2, 3, 4, 5), min_length=1)
    margin: float = Field(default=MARGIN, gt=0)
    alpha: float = Field(default=ALPHA, gt=0, lt=0.5)
    effort: Literal["demo", "study"] = "study"

    @model_validator(mode="after")
    def _is_a_comparison(self) -> Self:
        names = [BASELINE, *(arm.name for arm in self.arms)]
        if len(names) == 1:
            raise ValueError("a study needs an arm beside the baseline")
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"two arms are called {twice[0]!r}; the plan itself is {BASELINE!r}")
        used = [*self.tuning_seeds, *self.seeds, *self.second_seeds]
        if len(set(used)) < len(used):
            raise ValueError(
                f"seeds {self.seeds} and tuning seeds {self.tuning_seeds} overlap, with each other "
                f"or with {self.second_seeds}, which an unchanged control takes"
            )
        if len(set(self.rate_factors)) < len(self.rate_factors) or min(self.rate_factors) <= 0:
            raise ValueError("rate_factors should be different numbers above 0")
        if len(self.rate_factors) > 1 and not self.tuning_seeds:
            raise ValueError("several rate_factors need a tuning seed to choose by")
        return self

    @property
    def second_seeds(self) -> tuple[int, ...]:
        """Of a control that changes nothing: the baseline against itself."""
        return tuple(10_000 + seed for seed in self.seeds)

    @property
    def baseline(self) -> Arm:
        return Arm(name=BASELINE)

    @property
    def tuned(self) -> list[Arm]:
        """The arms that have a rate of their own."""
        return [self.baseline, *(arm for arm in self.arms if not arm.is_control)]

    @property
    def controls(self) -> list[Arm]:
        return [arm for arm in self.arms if arm.is_control]

    @property
    def all_arms(self) -> list[Arm]:
        return [self.baseline, *self.arms]

    def arm_plan(self, arm: Arm) -> TrainingPlan:
        """The arm before its rate and seed, equal to the baseline on the study's axis.

        Raises:
            LabError: it can't be made equal; a control needn't be.
        """
        named = self.plan.with_overrides({"name": slug(arm.name)[:40], "seed": 0})
        if "seed" in arm.changes:
            raise LabError(f"{arm.name}: the study sets the seed; give it in seeds")
        if arm.is_control or not arm.changes:
            plan = named.with_overrides(arm.changes)
        else:
            plan = matched(named, arm.changes, self.equal)
        if _windows(plan) != _windows(named):
            raise LabError(
                f"{arm.name} would be evaluated on other windows than the baseline "
                f"({_windows(plan)}, {_windows(named)}); change neither text nor context nor mask"
            )
        return plan

    def run_plan(self, arm: Arm, factor: float, seed: int) -> TrainingPlan:
        plan = self.arm_plan(arm)
        rates = {name: _field(plan, name) * factor for name in RATES}
        if not self.allows(arm, factor):
            raise LabError(f"{arm.name}: a rate times {factor:g} exceeds 1; take lower factors")
        return plan.with_overrides(rates | {"seed": seed})

    def allows(self, arm: Arm, factor: float) -> bool:
        """Whether the arm's rates times the factor stay at 1 or below."""
        plan = self.arm_plan(arm)
        return all(_field(plan, name) * factor <= 1 for name in RATES)

    def seeds_of(self, arm: Arm) -> tuple[int, ...]:
        return self.second_seeds if arm.is_control and not arm.changes else self.seeds

    def tuning_plan(self, arm: Arm, factor: float, seed: int) -> TrainingPlan:
        plan = self.run_plan(arm, factor, seed)
        return plan.with_overrides({"tracking": "off", "name": f"{TUNING}{plan.name}"[:40]})

    @property
    def num_runs(self) -> int:
        """Without extensions of the grid."""
        tuning = len(self.tuned) * self.num_tuning_runs
        return tuning + len(self.all_arms) * len(self.seeds)

    @property
    def num_tuning_runs(self) -> int:
        """Of one arm; none where there is nothing to choose."""
        return len(self.rate_factors) * len(self.tuning_seeds) if len(self.rate_factors) > 1 else 0

    @property
    def folder(self) -> Path:
        """The same study on the same data is the same folder."""
        identity = hash_json([self.model_dump(mode="json"), self.plan.inputs()])
        return studies_folder() / f"{slug(self.name)[:40]}-{identity}"


def extension(factors: Sequence[float], best: float) -> float | None:
    """The factor to try beyond an edge of the grid; None where the best is inside.

    >>> extension((0.5, 1.0, 2.0), 2.0), extension((0.5, 1.0, 2.0), 1.0)
    (4.0, None)
    """
    ordered = sorted(factors)
    if len(ordered) == 1 or best not in (ordered[0], ordered[-1]):
        return None
    step = ordered[1] / ordered[0] if best == ordered[0] else ordered[-1] / ordered[-2]
    return best / step if best == ordered[0] else best * step


def studies_folder() -> Path:
    return artifacts.home() / "studies"


def read_study(data: Mapping[str, Any]) -> Study:
    """
    Raises:
        LabError: naming what is wrong with which field.
    """
    try:
        return Study.model_validate(dict(data))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise LabError(
            f"not a study: {where}: {first['msg'].removeprefix('Value error, ')}"
        ) from None


def _windows(plan: TrainingPlan) -> tuple[Any, ...]:
    """What says on which targets in which windows of which text a plan is evaluated."""
    data = plan.data
    text = data.validation, data.tokenizer, data.mask_document_starts
    return *text, plan.evaluation.num_windows, plan.sequence_length


def _field(plan: TrainingPlan, dotted: str) -> Any:
    group, leaf = dotted.split(".")
    return getattr(getattr(plan, group), leaf)
