"""The `labkit` command. Each module here is one subcommand: add_arguments, run."""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Sequence

from labkit.cli.extras import what_is_missing
from labkit.core.errors import LabError

COMMANDS = (
    *("cost", "fetch", "doctor", "curate", "batch", "run", "train", "study", "slurm"),
    *("consolidate", "export", "import", "generate", "evaluate"),
)

DESCRIPTION = """\
Decide before you spend GPU hours: data, tokenizer, architecture, size, GPUs, cost.

look around
  labkit doctor                     what this machine has, what it lacks, and the fix for each lack
  labkit fetch                      the corpora that can be had, and which are here

ask
  labkit cost llama-2-7b --gpu "H100 SXM" --tokens 2e12
                                    GPU hours, money and memory of a training run

clean a corpus; started again, it goes on where it stopped
  labkit curate my_texts.jsonl --processes 2
                                    rules, duplicates, personal data; what was dropped, by which
                                    rule, and a corpus for all that follows

run the notebooks without a person, with HTML reports
  labkit run                        all of them, with an index
  labkit batch notebooks/10_data_exploration.ipynb -p corpus my_texts.jsonl
                                    one of them, on your own text

train; started again, both go on where they were
  labkit train plan.json            one run: a plan that notebook 50's tuner saved
  labkit study study.json           arms x seeds with a verdict: what notebook 30's panel saved
  labkit slurm plan.json --nodes 2 --out job.sh
                                    one run on a cluster: the script for sbatch
  labkit consolidate CHECKPOINT TARGET
                                    a checkpoint of many processes as one file each of weights
                                    and optimizer

use what was trained
  labkit evaluate MODEL [MODEL] --tasks questions.jsonl
                                    right answers beside chance, two models question by question
  labkit generate RUN --prompt "To be"
                                    continue a text: a run, a checkpoint or a model folder
  labkit export RUN --to my_model   a folder that transformers opens; each run leaves one in models/
  labkit import FOLDER              such a folder, or a .gguf file, from anywhere, into models/
"""
EPILOG = """\
labkit COMMAND --help says more of each.

What commands write is below artifacts/ of labkit's folder, and below ~/.labkit where labkit is
called from another; the variable LABKIT_HOME names another place for both.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; a user's mistake becomes one line on stderr and exit status 2."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="labkit",
        usage="labkit COMMAND ...",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
    )
    parser.add_argument("-h", "--help", action="help", help=argparse.SUPPRESS)
    subparsers = parser.add_subparsers(
        dest="command", metavar="COMMAND", required=True, help=argparse.SUPPRESS, prog="labkit"
    )
    for name in COMMANDS:
        if name in arguments[:1]:  # the others' rooms stay unopened
            module = importlib.import_module(f"labkit.cli.{name}")
            subparser = subparsers.add_parser(name, description=module.__doc__, allow_abbrev=False)
            module.add_arguments(subparser)
            subparser.set_defaults(run=module.run)
        else:
            subparsers.add_parser(name)
    if not arguments:
        parser.print_help()
        return 2
    parsed = parser.parse_args(arguments)
    try:
        status = parsed.run(parsed)
        sys.stdout.flush()
        return status
    except LabError as error:
        print(f"labkit {parsed.command}: {error}", file=sys.stderr)
        return error.exit_status
    except ModuleNotFoundError as error:
        if not (missing := what_is_missing(error)):
            raise
        print(f"labkit {parsed.command}: {missing}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt as error:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # workers are waited for at the exit
        place = f"{error}; " if str(error) else ""
        print(
            f"labkit {parsed.command}: interrupted; {place}the same command goes on from what is "
            "finished",
            file=sys.stderr,
        )
        return 130
