"""The `labkit` command. Each module here is one subcommand: HELP, add_arguments, run."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from labkit.core.errors import LabError

COMMANDS = ("cost", "fetch", "doctor", "batch", "run", "train", "study")

DESCRIPTION = """\
Decide before you spend GPU hours: data, tokenizer, architecture, size, GPUs, cost.

  labkit doctor                     what this machine has, what it lacks, and the fix for each lack
  labkit fetch                      the corpora that can be had, and which are here
  labkit cost llama-2-7b --gpu "H100 SXM" --tokens 2e12
                                    GPU hours, money and memory of a training run
  labkit batch notebooks/10_data_exploration.ipynb -p corpus my_texts.jsonl
                                    one notebook without a person, with an HTML report
  labkit train plan.json            one training run; started again, it goes on where it was
  labkit study study.json           arms x seeds with a verdict; started again, it goes on
  labkit run                        all notebooks in batch, with an index of the reports
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; a user's mistake becomes one line on stderr and exit status 2."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="labkit", description=DESCRIPTION, formatter_class=argparse.RawTextHelpFormatter
    )
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    wanted = [name for name in COMMANDS if name in arguments[:1]] or COMMANDS
    for name in wanted:
        module = importlib.import_module(f"labkit.cli.{name}")
        subparser = subparsers.add_parser(
            name, help=module.HELP, description=module.__doc__, allow_abbrev=False
        )
        module.add_arguments(subparser)
        subparser.set_defaults(run=module.run)
    parsed = parser.parse_args(arguments)
    try:
        status = parsed.run(parsed)
        sys.stdout.flush()
        return status
    except LabError as error:
        print(f"labkit {parsed.command}: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print(f"labkit {parsed.command}: interrupted", file=sys.stderr)
        return 130
