"""Curate a corpus: filter, deduplicate, redact. Started again, it goes on where it stopped."""

from __future__ import annotations

import argparse
import sys

from labkit.cli.flags import add_config_flags, parameters_from_flags, wrapped
from labkit.core import artifacts
from labkit.core.counted import counted
from labkit.core.errors import LabError
from labkit.data.corpora import CORPORA
from labkit.data.curation import STEPS, CurationConfig, curate, names
from labkit.data.pipeline.curated import REJECTED, Curated
from labkit.data.readers import files_line
from labkit.questions.curation.languages import other_languages
from labkit.questions.curation.sentences import personal_data_sentence, repeated_ids_sentence


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name",
        nargs="?",
        metavar="CORPUS",
        help="the same as --corpus; `labkit fetch` lists the registered ones",
    )
    add_config_flags(parser, CurationConfig, required=("corpus",))
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
            wrapped(
                "a record: JSON with a field text, and where there are some id, source, group, "
                "language, licence, url; in Parquet columns of these names. Other fields are left "
                "out."
            ),
            wrapped(
                f"output: below {artifacts.home() / 'datasets'}; the variable LABKIT_HOME names "
                "another place. --set card.license=cc-by-4.0 says in its card what nobody else did."
            ),
            parser.epilog or "",
        ]
    )


def run(arguments: argparse.Namespace) -> int:
    if arguments.name and arguments.corpus:
        raise LabError(f"two corpora: {arguments.name} and --corpus {arguments.corpus}; give one")
    arguments.corpus = arguments.corpus or arguments.name
    parameters = parameters_from_flags(arguments, CurationConfig)
    config = CurationConfig.from_parameters(parameters)
    if "corpus" not in parameters | parameters["overrides"]:
        raise LabError(
            "no corpus; give a path, such as labkit curate my_texts.jsonl, or a registered one: "
            f"{', '.join(CORPORA)}"
        )
    curation = curate(config, say=lambda line: print(line, file=sys.stderr, flush=True))
    if line := files_line(curation.config.corpus, curation.config.reading):
        print(line)
    print(describe(curation.curated))
    if "personal_data" in names(config.steps):
        print(personal_data_sentence(curation))
    for said in (other_languages(curation), repeated_ids_sentence(curation)):
        if said:
            print(said)
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
