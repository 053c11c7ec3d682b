"""Take a model folder in Hugging Face's layout into the lab: safetensors, never pickles."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="with config.json, safetensors, tokenizer.json")
    parser.add_argument("--name", help="what to call it in models/; by default the folder's name")


def run(arguments: argparse.Namespace) -> int:
    from labkit.exchange.folder import import_model

    print(import_model(arguments.folder, arguments.name))
    return 0
