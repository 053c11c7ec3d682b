"""The question of notebook 70, opened: models, tasks, their scores, and the controls.

Own tasks are made of the test side of notebook 20's split, which no model of notebook 50 has
read. Whether that holds is not taken for granted: each question is looked for in the text that the
models were trained on.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from labkit.core import artifacts
from labkit.core.errors import LabError
from labkit.core.records.decision import (
    NO_CORPUS,
    NOTEBOOKS,
    Decision,
    current_decision,
    reference,
)
from labkit.data.decided_corpora import with_corpus
from labkit.data.readers import fingerprint
from labkit.evaluation.bits import TextScore, document_nats, text_score
from labkit.evaluation.item import Item, ItemSet
from labkit.evaluation.item_files import read_task
from labkit.evaluation.own_tasks import OWN_TASKS, make_task
from labkit.evaluation.prompts import as_letters, with_examples, with_stems_exchanged
from labkit.evaluation.registered import REGISTERED, load_task
from labkit.evaluation.scoring import ItemScore, score_items
from labkit.evaluation.seen import find_seen
from labkit.evaluation.two_models import Comparison, compare_models
from labkit.exchange.trained_model import TrainedModel
from labkit.questions.evaluation.config import MODELS, EvaluationConfig, listed
from labkit.tokens.shards import Shards
from labkit.tokens.tokenizer import Tokenizer
from labkit.training.open_model import open_model

Scores = dict[str, list[ItemScore]]
"""Task -> the scores of its items."""


class Evaluation:
    """Models by name, tasks by name; scores are made when they are first asked for.

    Raises:
        LabError: a decision that hasn't been made, a model or file that cannot be read, or too
            little held-out text.
    """

    def __init__(self, config: EvaluationConfig):
        self.config = config = with_corpus(config) if config.needs_corpus else config
        self.corpus_hash = fingerprint(config.corpus) if config.needs_corpus else NO_CORPUS
        self.reads: dict[str, str] = {}
        self.models = self._models()
        self.tasks = {task.name: task for task in self._tasks()}

    @functools.cached_property
    def scores(self) -> dict[str, Scores]:
        """Model -> task -> scores, of the questions as they are asked."""
        return {
            name: {task: score_items(model, self.asked(one)) for task, one in self.tasks.items()}
            for name, model in self.models.items()
        }

    @functools.cached_property
    def swapped_scores(self) -> dict[str, Scores]:
        """The same with the stems exchanged between questions."""
        return {
            name: {
                task: score_items(
                    model, with_stems_exchanged(self.asked(one), seed=self.config.seed)
                )
                for task, one in self.tasks.items()
            }
            for name, model in self.models.items()
        }

    @functools.cached_property
    def comparisons(self) -> dict[str, list[Comparison]]:
        """Each model but the first -> the first against it, on every task."""
        first, *others = self.models
        return {
            other: compare_models(
                self.scores[first], self.scores[other], self.config.rule, self.config.seed
            )
            for other in others
        }

    @functools.cached_property
    def seen(self) -> dict[str, list[bool | None]]:
        """Task -> whether the training text holds each question."""
        items = [(task, item) for task, one in self.tasks.items() for item in one.items]
        if not items:
            return {}
        answers = find_seen([item for _, item in items], self.texts("train"))
        found: dict[str, list[bool | None]] = {task: [] for task in self.tasks}
        for (task, _), answer in zip(items, answers, strict=True):
            found[task].append(answer)
        return found

    @functools.cached_property
    def planted(self) -> tuple[ItemSet, list[bool | None]]:
        """Questions made of training text, which the look for seen ones must find."""
        texts = list(self.texts("train"))
        task = make_task("continuation", texts, self._own)
        return task, find_seen(list(task.items), texts)

    @functools.cached_property
    def text_scores(self) -> dict[str, TextScore]:
        """Model -> bits per byte of the first held-out documents."""
        if not self.config.num_documents:
            return {}
        texts = [text for text in self.texts("test") if text][: self.config.num_documents]
        return {
            name: text_score(document_nats(model, texts), self.config.seed)
            for name, model in self.models.items()
        }

    def asked(self, task: ItemSet) -> list[Item]:
        """The task's items as prompts: in the form and with the examples of the config."""
        form = task.form if self.config.form == "as published" else self.config.form
        items = [as_letters(one) for one in task.items] if form == "letters" else list(task.items)
        if self.config.strip_stems:
            items = [replace(one, stem=one.stem.rstrip()) for one in items]
        return with_examples(items, self.config.num_examples, self.config.seed)

    def texts(self, side: str) -> Iterator[str]:
        """Documents of a side of notebook 20's split, as its tokenizer gives them back.

        Raises:
            LabError: that side has no text.
        """
        decision = self._split
        if side not in decision.evidence["shards"]:
            raise LabError(f"notebook 20 left no {side} text; give it more text and run it again")
        assert decision.artifact
        home = artifacts.home()
        tokenizer = Tokenizer.load(home / decision.artifact / "tokenizer.json")
        shards = Shards(home / decision.evidence["shards"][side])
        for number in range(shards.facts.num_documents):
            yield tokenizer.decode(shards.document(number)[:-1])

    @functools.cached_property
    def _split(self) -> Decision:
        decision, folder = current_decision(NOTEBOOKS["20"], self.corpus_hash)
        self.reads["decision:20"] = reference(folder)
        return decision

    def _models(self) -> dict[str, TrainedModel]:
        found: dict[str, TrainedModel] = {}
        for name in listed(self.config.models):
            if name == MODELS:
                decision, folder = current_decision(NOTEBOOKS["50"], self.corpus_hash)
                self.reads[MODELS] = reference(folder)
                runs: dict[str, str] = decision.evidence["runs"]
                chosen = decision.choice.partition(":")[0]
                for recipe in sorted(runs, key=lambda one: one != chosen):
                    found[recipe] = open_model(runs[recipe])
            else:
                found[Path(name).name] = open_model(name)
        if not found:
            raise LabError("no model named; give models=decision:50, a folder, a run or a name")
        return found

    @property
    def _own(self):
        update = {"num_items": self.config.num_items, "seed": self.config.seed}
        return self.config.own.model_copy(update=update)

    def _tasks(self) -> Iterator[ItemSet]:
        texts = list(self.texts("test")) if self.config.own_tasks else []
        for name in listed(self.config.tasks):
            if name in OWN_TASKS:
                yield make_task(name, texts, self._own, "held-out text of notebook 20")
            else:
                task = load_task(name) if name in REGISTERED else read_task(name)
                yield replace(task, items=task.items[: self.config.num_items])
