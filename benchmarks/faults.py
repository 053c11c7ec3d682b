"""Kill a shard build at 30 random moments: the next run must end with the bytes of an unkilled one.

    python benchmarks/faults.py [--trials 30] [--seed 0]

Prints one JSON line per trial and exits with 1 at the first that fails. Real processes, SIGKILL
to the whole group, moments drawn evenly over the time that an undisturbed build takes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from labkit.core import artifacts

BUILD = """
import sys
from pathlib import Path
from labkit.tokens.kinds import make_bytes
from labkit.tokens.shard_writing import write_shards
texts = [f"document {n}: " + "the cat sat on the mat " * (n % 90) for n in range(3000)]
if __name__ == "__main__":
    write_shards(texts, make_bytes(), Path(sys.argv[1]), num_workers=int(sys.argv[2]),
                 piece_characters=100_000, shard_bytes=500_000)
"""


def build(script: Path, folder: Path, num_workers: int, kill_after_s: float | None = None) -> float:
    """Run one build, killed after so many seconds; returns the seconds it took."""
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, str(script), str(folder), str(num_workers)], start_new_session=True
    )
    if kill_after_s is not None:
        time.sleep(kill_after_s)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return time.monotonic() - started


def content(folder: Path) -> str:
    """SHA-256 over all files but the manifest, which holds the time."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.name != "manifest.json":
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        script = root / "build.py"
        script.write_text(BUILD)
        seconds = {n: build(script, root / f"whole-{n}", n) for n in (1, 2)}
        expected = content(root / "whole-1")
        assert content(root / "whole-2") == expected, "1 and 2 workers differ"
        for trial in range(arguments.trials):
            folder, num_workers = root / f"trial-{trial}", 1 + trial % 2
            moment = rng.uniform(0, seconds[num_workers])
            build(script, folder, num_workers, kill_after_s=moment)
            half_is_visible = folder.exists() and not artifacts.exists(folder)
            build(script, folder, num_workers)
            is_equal = content(folder) == expected
            temporaries = len(list(root.glob(".tmp-*"))) + len(list(root.glob("*.unfinished")))
            outcome = {
                "fault": "SIGKILL",
                "trial": trial,
                "workers": num_workers,
                "moment_s": round(moment, 3),
                "equal": is_equal,
                "half_visible": half_is_visible,
                "temporaries_left": temporaries,
            }
            print(json.dumps(outcome), flush=True)
            if half_is_visible or not is_equal or temporaries:
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
