"""The process that runs one notebook: `python -m labkit.batch.worker request.json`.

Writes `outcome.json` beside the request, by rename. A process of its own, so that a timeout or a
crash takes nothing else with it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from labkit.core.artifacts import write_json


def run_request(request: dict[str, Any]) -> dict[str, str]:
    """Execute; returns {"state", "reason"}."""
    # nbformat's validator imports a module that builds a grammar for seconds; it does without.
    sys.modules.setdefault("rfc3987_syntax", None)  # pyright: ignore[reportArgumentType]
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    for attempt in (1, 2):
        try:
            papermill.execute_notebook(
                request["notebook"],
                request["output"],
                parameters=request["parameters"],
                kernel_name="python3",
                execution_timeout=request["cell_timeout"],
                cwd=request["cwd"],
                progress_bar=False,
                start_timeout=60,
            )
            return {"state": "completed", "reason": ""}
        except PapermillExecutionError as error:
            reason = f"cell {error.cell_index}: {error.ename}: {error.evalue}"
            return {"state": "failed", "reason": _one_line(reason)}
        except CellTimeoutError:
            limit = request["cell_timeout"]
            return {"state": "timed out", "reason": f"a cell took longer than {limit} s"}
        except DeadKernelError:
            reason = "the kernel died (killed, or out of memory)"
            return {"state": "kernel died", "reason": reason}
        except RuntimeError as error:
            if attempt == 2:
                return {"state": "failed", "reason": _one_line(f"kernel did not start: {error}")}
    raise AssertionError("unreachable")


def _one_line(text: str) -> str:
    return " ".join(text.split())[:300]


def main() -> None:
    path = Path(sys.argv[1])
    outcome = run_request(json.loads(path.read_text()))
    write_json(path.with_name("outcome.json"), outcome)


if __name__ == "__main__":
    main()
