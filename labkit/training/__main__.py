"""`python -m labkit.training plan.json`: the process in which a run trains.

Exit status: 0 finished, paused or stopped as asked; 1 failed; 2 refused; 128 + n ended by signal n
after a checkpoint (Ctrl-C 130, SIGTERM 143).
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import warnings
from pathlib import Path
from typing import NoReturn

from labkit.core.config import validate
from labkit.core.errors import LabError
from labkit.core.parameter_file import load_parameters
from labkit.core.records.run import RunStatus
from labkit.plan.plan import TrainingPlan

EXIT_STATUS_FILE = "LABKIT_EXIT_STATUS_FILE"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m labkit.training", description=__doc__)
    parser.add_argument("plan", type=Path, help="plan.json, or parameters as a panel saves them")
    parser.add_argument("--folder", type=Path, help="of the record; by default runs/<run id>")
    parser.add_argument("--until", type=int, metavar="STEP", help="pause after this step")
    parser.add_argument(
        "--save-at", default="", metavar="STEPS", help="further checkpoints, comma-separated"
    )
    parser.add_argument(
        "--resume-from",
        type=Path,
        metavar="CHECKPOINT",
        help="or a run's folder: of the same plan in any layout, or of a shorter one at the same "
        "rates up to there",
    )
    parser.add_argument(
        "--allow-change",
        action="append",
        default=[],
        metavar="FIELD",
        help="go on although this field of the plan differs, or source: labkit's own code",
    )
    parser.add_argument("--force", action="store_true", help="start what cannot fit in memory")
    arguments = parser.parse_args()
    from labkit.training.lean_import import import_lightning

    import_lightning()
    from labkit.training.run import run
    from labkit.training.sharding.processes import DidNotMeet, leave

    quieten()
    if arguments.folder is not None:
        _write_beside(arguments.folder)
    try:
        plan = read_plan(arguments.plan)
        save_at = tuple(int(step) for step in arguments.save_at.split(",") if step)
        status = run(
            plan,
            arguments.folder,
            until=arguments.until,
            save_at=save_at,
            resume_from=arguments.resume_from,
            allowed=tuple(arguments.allow_change),
            force=arguments.force,
            say=lambda line: print(line, flush=True),
        )
        if status.state != "interrupted":  # by a signal at the start a process ends alone
            leave()
    except LabError as error:
        if os.environ.get("RANK", "0") == "0" or isinstance(error, DidNotMeet):
            print(f"labkit.training: {error}", file=sys.stderr)
        return _told(error.exit_status)
    except KeyboardInterrupt:
        return _told(130)
    return _told(exit_status(status))


def exit_status(status: RunStatus) -> int:
    """0 for an end that was planned or asked for, 1 for a failure, 128 + n for signal n.

    >>> exit_status(RunStatus(state="interrupted", reason="signal SIGHUP"))
    129
    """
    if status.state != "interrupted":
        return 1 if status.state == "failed" else 0
    named = [one for one in signal.Signals if f"signal {one.name}" in status.reason]
    return 128 + (named[0] if named else signal.SIGTERM)


def _told(exit_status: int) -> int:
    """Told to who started this and asked for it: torchrun would turn it into 1 and a traceback."""
    path = os.environ.get(EXIT_STATUS_FILE)
    if path is None:
        return exit_status
    if os.environ.get("RANK", "0") == "0":
        Path(path).write_text(str(exit_status))
    return 0


def _write_beside(folder: Path) -> None:
    """What a process other than the first prints goes to a file of its own, native code's too."""
    rank = int(os.environ.get("RANK", "0"))
    if rank == 0:
        return
    log = folder / "logs" / f"process-{rank:05d}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())


def read_plan(path: Path) -> TrainingPlan:
    """A plan as JSON, or the flat parameters of one.

    Raises:
        LabError: unreadable, or a refused field.
    """
    data = load_parameters(path)
    is_whole = isinstance(data.get("model"), dict)
    return validate(TrainingPlan, data) if is_whole else TrainingPlan.from_parameters(data)


def quieten() -> None:
    """Lightning's start-up lines and its advice on loaders; it sets its level when imported."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning.*")
    warnings.filterwarnings("ignore", "FSDP2-wrapped module .* returned a view")  # never written to


def _end(exit_status: int) -> NoReturn:
    """Among other processes, end without the interpreter's clean-up: torch's threads of the process
    group can abort in it (SIGABRT), long after the run was recorded as finished.
    """
    if "RANK" not in os.environ:
        sys.exit(exit_status)
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_status)


if __name__ == "__main__":
    _end(main())
