"""Write a trained model as a folder that `transformers` opens: config, weights, tokenizer, card."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source", metavar="RUN|CHECKPOINT", help="a run's id or folder, or a checkpoint's folder"
    )
    parser.add_argument(
        "--to",
        type=Path,
        metavar="FOLDER",
        help="folder to make; by default models/RUN below artifacts/",
    )


def run(arguments: argparse.Namespace) -> int:
    from labkit.training.export import export_model

    print(export_model(arguments.source, arguments.to))
    return 0
