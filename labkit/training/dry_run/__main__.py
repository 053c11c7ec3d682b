"""`python -m labkit.training.dry_run plan.json`: peak memory of one process of a plan."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from dataclasses import asdict
from pathlib import Path

from labkit.core.errors import LabError
from labkit.training.__main__ import quieten, read_plan
from labkit.training.dry_run.measure import measure
from labkit.training.dry_run.table import as_text


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m labkit.training.dry_run",
        description="Peak memory of one process of a plan, without its cluster and its data.",
    )
    parser.add_argument("plan", type=Path, help="plan.json, or parameters as a panel saves them")
    parser.add_argument("--json", action="store_true", help="bytes, for programs")
    arguments = parser.parse_args()
    quieten()
    logging.getLogger("torch.distributed.tensor").setLevel(logging.ERROR)
    try:
        plan = read_plan(arguments.plan)
        found = measure(plan)
    except LabError as error:
        print(f"labkit.training.dry_run: {error}", file=sys.stderr)
        return 2
    print(json.dumps(asdict(found)) if arguments.json else as_text(plan, found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
