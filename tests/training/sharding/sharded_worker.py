"""Started by torchrun: each case of a JSON file, one run after the other, in one process group."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

from labkit.core.errors import LabError
from labkit.plan.plan import TrainingPlan
from labkit.training.__main__ import quieten
from labkit.training.lean_import import import_lightning

UNLIMITED = resource.getrlimit(resource.RLIMIT_FSIZE)


def main() -> None:
    import_lightning()
    from labkit.training.run import run
    from labkit.training.sharding.processes import leave
    from tests.training.disturbed_objective import Disturbed
    from tests.training.sampled_objective import Sampled

    objectives = {
        "sampled": {"make_objective": Sampled},
        "disturbed": {"make_objective": Disturbed},
    }
    quieten()
    for case in json.loads(Path(sys.argv[1]).read_text()):
        started = time.perf_counter()
        folder = Path(case["folder"])
        if case["file_bytes"] and os.environ["RANK"] == "0":
            resource.setrlimit(resource.RLIMIT_FSIZE, (case["file_bytes"], UNLIMITED[1]))
        try:
            run(
                TrainingPlan.model_validate(case["plan"]),
                folder,
                step_seconds=[0.01],
                say=lambda _: None,
                **_paths(case["keywords"]),
                **objectives.get(case["objective"], {}),
            )
        except (LabError, OSError) as error:
            (folder / f"refused-{os.environ['RANK']}.txt").write_text(str(error))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, UNLIMITED)
        print(folder.name, f"{time.perf_counter() - started:.1f} s", flush=True)
    leave()


def _paths(keywords: dict[str, Any]) -> dict[str, Any]:
    found = dict(keywords)
    if "resume_from" in found:
        found["resume_from"] = Path(found["resume_from"])
    return found


if __name__ == "__main__":
    main()
