"""`python -m labkit.training.recording.tracking_process`: W&B's side of a tracker.

Reads a message a line: `init` with wandb's settings, `log` with a step, `finish` with the summary.
Answers once, in one line: the folder and address of the run, or the error that ended it. It ignores
the signals that end a run, which says itself when it is over.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    answer = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # W&B prints there too
    try:
        found = follow()
    except Exception as error:  # whatever it is, the run goes on without it
        found = {"error": (str(error).splitlines() or [type(error).__name__])[0][:200]}
    answer.write(json.dumps(found) + "\n")
    answer.flush()


def follow() -> dict[str, Any]:
    import wandb

    run: Any = None
    for message in map(json.loads, sys.stdin):
        if "init" in message:
            settings = wandb.Settings(init_timeout=20, console="off")
            run = wandb.init(**message["init"], settings=settings)
        elif "log" in message:
            run.log(message["log"], step=message["step"])
        else:
            run.summary.update(message["finish"])
            folder, url = str(Path(run.dir).parent), "" if run.offline else run.url
            run.finish(exit_code=message["exit_code"])
            wandb.teardown()  # its service has written the file's end when it is gone
            return {"folder": folder, "url": url}
    return {"error": "the run ended without a word"}


if __name__ == "__main__":
    main()
