"""Ask trained models questions: right answers beside chance, two models question by question."""

from __future__ import annotations

import argparse
from typing import Any

from labkit.cli.flags import add_config_flags, config_from_flags
from labkit.core.errors import LabError
from labkit.questions.evaluation.config import EvaluationConfig


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "models_named",
        nargs="*",
        metavar="MODEL",
        help="the same as --models: model folders, names in models/, runs, checkpoints",
    )
    add_config_flags(parser, EvaluationConfig)
    parser.add_argument(
        "--record", action="store_true", help="record it as the decision of notebook 70"
    )


def run(arguments: argparse.Namespace) -> int:
    if arguments.models and arguments.models_named:
        raise LabError(f"models twice: {arguments.models_named} and --models; give one")
    arguments.models = arguments.models or ", ".join(arguments.models_named) or None
    config = config_from_flags(arguments, EvaluationConfig)

    from labkit.questions.evaluation import decision, tables
    from labkit.questions.evaluation.question import Evaluation

    question = Evaluation(config)
    parts = {
        "questions": tables.task_rows(question),
        "right answers, with what guessing comes to": tables.score_rows(question),
        "two models on the same questions": tables.paired_rows(question),
        "with another question's stem": tables.swapped_rows(question),
    }
    if config.own_tasks:
        parts["in the training text"] = tables.seen_rows(question)
        parts["held-out text"] = tables.text_rows(question)
    for title, rows in parts.items():
        if rows:
            print(f"{title}\n{as_text(rows)}\n")
    name, reason = decision.chosen(question)
    print(f"{name}: {reason}")
    if arguments.record:
        print(f"recorded in {decision.record_evaluation(question)}")
    return 0


def as_text(rows: list[dict[str, Any]]) -> str:
    """Rows as aligned columns, empty cells left empty."""
    import pandas as pd

    return pd.DataFrame(rows).fillna("").to_string(index=False)
