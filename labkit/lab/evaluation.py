"""Models asked questions, with chance beside every score: notebook 70."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labkit.lab.chain import open_corpus
from labkit.lab.tokenizers import need_tokenizer

if TYPE_CHECKING:
    from labkit.core.display import Html
    from labkit.evaluation.generated import Overlap
    from labkit.exchange.trained_model import TrainedModel
    from labkit.plots.table import Table
    from labkit.questions.evaluation.question import Evaluation
    from labkit.widgets.item_browser import ItemBrowser


def evaluate(overrides: Mapping[str, Any] | None = None, **parameters: Any) -> Evaluation:
    """Models and tasks, opened; scores are made by the tables that show them.

    Where notebooks 20 and 50 haven't been run on the corpus, their defaults are made here, and
    said.
    """
    from labkit.questions.evaluation import question as rooms
    from labkit.questions.evaluation.config import MODELS, EvaluationConfig, listed

    config = EvaluationConfig.from_parameters({**parameters, "overrides": overrides})
    if config.needs_corpus:
        config = open_corpus(config)
        need_tokenizer(config.corpus)
    if MODELS in listed(config.models):
        _need_models(config.corpus)
    return rooms.Evaluation(config)


def _need_models(corpus: str) -> None:
    from labkit.core.records.decision import NOTEBOOKS, find_decision
    from labkit.data.readers import corpus_name, fingerprint
    from labkit.lab.training import finish, prepare, prove_resume, record_two_recipes, two_recipes

    if find_decision(NOTEBOOKS["50"], fingerprint(corpus)) is None:
        print(f"no decision of notebook 50 for {corpus_name(corpus)}: making its defaults")
        question = two_recipes(corpus=corpus)
        runs = prepare(question)
        finish(runs)
        record_two_recipes(question, runs, prove_resume(question.plans["modern-open"]))


def task_table(question: Evaluation) -> Table:
    """What is asked: how many questions, made of which text, and what was refused."""
    from labkit.plots.table import Table
    from labkit.questions.evaluation import tables

    return Table(tables.task_rows(question))


def accuracy_table(question: Evaluation) -> Table:
    """Each model on each task, with its interval and what guessing comes to."""
    from labkit.plots.table import Table
    from labkit.questions.evaluation import tables

    return Table(tables.score_rows(question))


def rule_comparison_table(question: Evaluation) -> Table:
    """The first model by every way of making up for length."""
    from labkit.plots.table import Table
    from labkit.questions.evaluation import tables

    return Table(tables.rule_rows(question))


def paired_table(question: Evaluation) -> Table:
    """The first model against the others, question by question."""
    from labkit.plots.table import Table
    from labkit.questions.evaluation import tables

    return Table(tables.paired_rows(question))


def swapped_table(question: Evaluation) -> Table:
    """What is left where each question stands after another one's stem."""
    from labkit.plots.table import Table
    from labkit.questions.evaluation import tables

    return Table(tables.swapped_rows(question))


def seen_table(question: Evaluation) -> Table:
    """How many questions stand in the training text, beside some that were planted from it."""
    from labkit.plots.table import Table
    from labkit.questions.evaluation import tables

    return Table(tables.seen_rows(question))


def text_table(question: Evaluation) -> Table:
    """Bits per byte of held-out documents, and perplexities by token, character and byte."""
    from labkit.plots.table import Table
    from labkit.questions.evaluation import tables

    return Table(tables.text_rows(question))


def evaluation_sentences(question: Evaluation) -> dict[str, Html]:
    """A sentence for each section of notebook 70."""
    from labkit.questions.evaluation import sentences

    return sentences.by_section(question)


def item_browser(question: Evaluation) -> ItemBrowser:
    """Each question with its choices, their tokens marked by likelihood; in batch, static."""
    from labkit.widgets.item_browser import ItemBrowser

    return ItemBrowser(question.models, question.scores)


def text_overlap(texts: Sequence[str], references: Sequence[str], language: str = "en") -> Overlap:
    """BLEU and ROUGE of generated texts against a reference for each, by their usual libraries."""
    from labkit.evaluation.generated import overlap

    return overlap(texts, references, language)


def harness_model(model: TrainedModel | str | Path) -> Any:
    """A model for lm-evaluation-harness: `simple_evaluate(model=lab.harness_model("ID"), ...)`."""
    from labkit.evaluation import harness
    from labkit.exchange.trained_model import TrainedModel
    from labkit.training.open_model import open_model

    return harness.harness_model(model if isinstance(model, TrainedModel) else open_model(model))


def record_evaluation(question: Evaluation) -> Path:
    """Record the decision of notebook 70."""
    from labkit.questions.evaluation import decision

    return decision.record_evaluation(question)
