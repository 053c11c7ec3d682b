"""The process that runs one notebook: `python -m labkit.batch.worker request.json`.

Writes `outcome.json` beside the request, by rename. A process of its own, so that a timeout or a
crash takes nothing else with it. Its standard input is a pipe that the runner holds open: when the
runner is gone, however it went, the pipe ends, and so do this process and the kernel.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

from labkit.batch.processes import end, family
from labkit.core.disk import write_json

NO_KERNEL = ("Kernel died before replying", "Kernel didn't respond")


def run_request(request: dict[str, Any]) -> dict[str, str]:
    """Execute; returns {"state", "reason"}."""
    # nbformat's validator imports a module that builds a grammar for seconds; it does without.
    sys.modules.setdefault("rfc3987_syntax", None)  # pyright: ignore[reportArgumentType]
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    try:
        _execute(request)
    except PapermillExecutionError as error:
        reason = f"cell {error.cell_index}: {error.ename}: {error.evalue}"
        return {"state": "failed", "reason": _one_line(reason)}
    except CellTimeoutError:
        limit = request["cell_timeout"]
        return {
            "state": "timed out",
            "reason": f"a cell took longer than {limit} s; run again, it goes on, "
            "or raise --cell-timeout",
        }
    except DeadKernelError:
        return {"state": "kernel died", "reason": "the kernel died (killed, or out of memory)"}
    except RuntimeError as error:
        return {"state": "failed", "reason": _one_line(f"{type(error).__name__}: {error}")}
    return {"state": "completed", "reason": ""}


def _execute(request: dict[str, Any], *, is_retry: bool = False) -> None:
    """A kernel that did not start is tried once more: nothing of the notebook has run then."""
    import papermill

    try:
        papermill.execute_notebook(
            _literal(request["notebook"]),
            _literal(request["output"]),
            parameters=request["parameters"],
            kernel_name="python3",
            execution_timeout=request["cell_timeout"],
            cwd=request["cwd"],
            progress_bar=False,
            start_timeout=60,
        )
    except RuntimeError as error:
        if is_retry or not str(error).startswith(NO_KERNEL):
            raise
        _execute(request, is_retry=True)


def _literal(path: str) -> str:
    """papermill fills the parameters in where a path has braces, and looks up their attributes."""
    return path.replace("{", "{{").replace("}", "}}")


def _one_line(text: str) -> str:
    return " ".join(text.split())[:300]


def _end_with_the_runner() -> None:
    while os.read(0, 1024):
        pass
    end(family(os.getpid()))
    os._exit(1)


def main() -> None:
    threading.Thread(target=_end_with_the_runner, daemon=True).start()
    path = Path(sys.argv[1])
    outcome = run_request(json.loads(path.read_text()))
    write_json(path.with_name("outcome.json"), outcome)


if __name__ == "__main__":
    main()
