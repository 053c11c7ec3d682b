"""The parameters of notebook 70: which models are asked which questions."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import field_validator

from labkit.core import disk
from labkit.core.config import Config, field
from labkit.core.records.decision import references
from labkit.data.decided_corpora import check_choice, corpus_inputs
from labkit.evaluation.own_tasks import OWN_TASKS, OwnTaskConfig
from labkit.evaluation.registered import REGISTERED
from labkit.evaluation.rules import DEFAULT_RULE, RULES

MODELS = "decision:50"


def listed(names: str) -> list[str]:
    """The comma-separated names of a parameter."""
    return [name.strip() for name in names.split(",") if name.strip()]


class EvaluationConfig(Config):
    """Which models, which questions, and how an answer is read from likelihoods."""

    models: str = field(
        MODELS, "decision:50: both that were trained there; or folders, runs, names in models/"
    )
    corpus: str = field(
        "decision:11", "whose held-out text own tasks are made of: what notebook 20 has split"
    )
    tasks: str = field(
        ", ".join(OWN_TASKS),
        f"of {', '.join((*OWN_TASKS, *REGISTERED))}; and files of questions; comma-separated",
    )
    rule: str = field(
        DEFAULT_RULE, "how likelihoods of unequal length are compared", choices=lambda: tuple(RULES)
    )
    form: Literal["as published", "continuation", "letters"] = field(
        "as published", "letters: the choices are listed, and a letter is the answer"
    )
    strip_stems: bool = field(
        True, "leave out spaces at the end of a stem; else they go to the choice, as in lm-eval"
    )
    num_examples: int = field(0, "questions with answers before each question", ge=0, le=64)
    num_items: int = field(200, "questions of each task at most", unit="items", ge=2, le=100_000)
    num_documents: int = field(
        50, "held-out documents for bits per byte", unit="documents", ge=0, le=10**6
    )
    seed: int = field(0, "of the questions' places and the intervals", ge=0, le=2**31 - 1)
    own: OwnTaskConfig = field(OwnTaskConfig(), "sizes of the questions made from held-out text")

    @field_validator("corpus")
    @classmethod
    def _is_readable(cls, corpus: str) -> str:
        return check_choice(corpus)

    @field_validator("rule")
    @classmethod
    def _is_known(cls, rule: str) -> str:
        if rule not in RULES:
            raise ValueError(f"unknown rule {rule!r}; known: {', '.join(RULES)}")
        return rule

    @field_validator("tasks")
    @classmethod
    def _are_there(cls, tasks: str) -> str:
        known = (*OWN_TASKS, *REGISTERED)
        unknown = [one for one in listed(tasks) if one not in known and not Path(one).is_file()]
        if unknown or not listed(tasks):
            raise ValueError(
                f"no task {', '.join(unknown) or 'named'}; give some of {', '.join(known)}, or "
                "files of questions"
            )
        return ", ".join(listed(tasks))

    @property
    def needs_corpus(self) -> bool:
        """Whether anything that is asked for rests on a corpus and its split."""
        return bool(self.own_tasks) or MODELS in listed(self.models)

    @property
    def own_tasks(self) -> list[str]:
        return [one for one in listed(self.tasks) if one in OWN_TASKS]

    def inputs(self) -> dict[str, str]:
        files = [one for one in listed(self.tasks) if one not in (*OWN_TASKS, *REGISTERED)]
        found = {name: disk.sha256_file(Path(name))[:16] for name in files}
        read = corpus_inputs(self.corpus) if self.needs_corpus else {}
        numbers = ["20", *(["50"] if MODELS in listed(self.models) else [])]
        return found | read | (references(numbers, read[self.corpus]) if read else {})
