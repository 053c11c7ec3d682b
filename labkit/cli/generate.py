"""Continue a text with a trained model; the same seed gives the same text."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", help="a model folder, a name in models/, a run's id, or a checkpoint's folder"
    )
    parser.add_argument("--prompt", default="", help="text to continue; empty: a new text")
    parser.add_argument("--tokens", type=int, default=200, metavar="N", help="at most so many new")
    parser.add_argument("--temperature", type=float, default=0.8, help="0 takes the likeliest")
    parser.add_argument("--top-k", type=int, metavar="K", help="draw from the K likeliest alone")
    parser.add_argument("--top-p", type=float, metavar="P", help="from the likeliest of mass P")
    parser.add_argument("--seed", type=int, default=0)


def run(arguments: argparse.Namespace) -> int:
    from labkit.training.open_model import open_model

    text = open_model(arguments.model).generate(
        arguments.prompt,
        arguments.tokens,
        seed=arguments.seed,
        temperature=arguments.temperature,
        top_k=arguments.top_k,
        top_p=arguments.top_p,
    )
    print(text)
    return 0
