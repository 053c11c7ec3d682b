"""What `make run` takes: every notebook in batch, in a home that holds downloads and nothing else.

    python -m benchmarks.notebooks      ten minutes on two cores

The figures of the README's table. Installation and downloads are left out.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.result import conditions
from labkit.batch.status import all_statuses
from labkit.core import artifacts, disk
from labkit.tokens.vocabularies import VOCABULARIES


def main() -> int:
    where, known = conditions("torch", "lightning", "papermill"), artifacts.home()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        for part in _downloaded(known):
            shutil.copytree(part, home / part.relative_to(known))
        os.environ["LABKIT_HOME"] = folder
        seconds = [_run(), _run()]
        rows = [
            {
                "notebook": status.notebook,
                "parameters": status.parameters,
                "seconds": status.seconds,
                "peak_memory_mb": status.peak_memory_mb,
                "decision": status.decision,
            }
            for status in all_statuses()
            if status.state == "completed"
        ]
    result = {
        "name": "all notebooks in batch",
        "equal": "demo effort, the corpora already here",
        "unit": "seconds and MB of each notebook's processes; seconds of the whole",
        "seconds_of_all": round(seconds[0], 1),
        "seconds_of_all_again": round(seconds[1], 1),
        "notebooks": rows,
    }
    disk.write_json(known / "benchmarks" / "notebooks.json", where | result)
    return 0


def _downloaded(home: Path) -> list[Path]:
    """Texts and published vocabularies; what was trained here before is trained again."""
    vocabularies = [one for name in VOCABULARIES for one in home.glob(f"tokenizers/{name}-*")]
    return [*home.glob("corpora"), *vocabularies]


def _run() -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "labkit", "run"], check=True)
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
