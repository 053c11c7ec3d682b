"""A checkpoint in pieces, as runs on many processes write it, put together."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", type=Path, help="folder step-... of a run")
    parser.add_argument("target", type=Path, help="folder to make, with weights.pt in it")


def run(arguments: argparse.Namespace) -> int:
    from labkit.training.checkpoints.folder import consolidate

    print(consolidate(arguments.checkpoint, arguments.target))
    return 0
