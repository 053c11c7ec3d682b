"""Curate a corpus: filter, deduplicate, redact. Started again, it goes on where it stopped."""

from __future__ import annotations

import argparse
import sys

from labkit.cli.flags import add_config_flags, config_from_flags, wrapped
from labkit.core.counted import counted
from labkit.core.errors import LabError
from labkit.data.curation import STEPS, CurationConfig, curate, names
from labkit.data.curation_languages import other_languages
from labkit.data.curation_sentences import personal_data_sentence
from labkit.data.pipeline.curated import REJECTED, Curated


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name",
        nargs="?",
        metavar="CORPUS",
        help="the same as --corpus; `labkit fetch` lists the registered ones",
    )
    add_config_flags(parser, CurationConfig)
    steps = [
        f"{name} (needs --{step.needs.replace('_', '-')})" if step.needs else name
        for name, step in STEPS.items()
    ]
    parser.epilog = "\n\n".join(
        [
            wrapped(f"steps: {', '.join(steps)}"),
            wrapped(
                "Text in several languages: one run each, such as --steps 'language, rules' "
                "--preset chinese --set 'language.allowed=[\"zh\"]'"
            ),
            parser.epilog or "",
        ]
    )


def run(arguments: argparse.Namespace) -> int:
    if arguments.name and arguments.corpus:
        raise LabError(f"two corpora: {arguments.name} and --corpus {arguments.corpus}; give one")
    arguments.corpus = arguments.corpus or arguments.name
    config = config_from_flags(arguments, CurationConfig)
    curation = curate(config, say=lambda line: print(line, file=sys.stderr, flush=True))
    print(describe(curation.curated))
    if "personal_data" in names(config.steps):
        print(personal_data_sentence(curation))
    if others := other_languages(curation):
        print(others)
    print(curation.curated.corpus)
    return 0


def describe(curated: Curated) -> str:
    """The funnel as lines of text: a step, then what its rules dropped; what was never read."""
    lines = [f"{'step':<28} {'documents in':>13} {'dropped':>9} {'MB in':>10} {'MB out':>10}"]
    rules = curated.funnel.rules().to_pylist()
    for row in curated.funnel.table().to_pylist():
        lines.append(
            f"{row['step']} {row['name']:<26} {row['documents_in']:>13,} "
            f"{row['documents_dropped']:>9,} {row['bytes_in'] / 1e6:>10,.2f} "
            f"{row['bytes_out'] / 1e6:>10,.2f}"
        )
        lines += [
            f"    {rule['rule']:<38} {rule['documents']:>9,}"
            for rule in rules
            if rule["step"] == row["step"]
        ]
    if not curated.result["kept"]["documents"]:
        lines.append("nothing is kept: is this the preset and the language of the text?")
    if curated.result["rejected"]:
        lines.append(
            f"{counted(curated.result['rejected'], 'record')} could not be read: "
            f"{curated.folder / REJECTED} has file, line and reason"
        )
    return "\n".join(lines)
