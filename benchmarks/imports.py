"""What it costs until labkit is there: fresh processes, wall and CPU; A B A B, one floor.

    python -m benchmarks.imports [--rounds 7]

The floor is the same interpreter doing nothing (`python -c pass`); `import torch` and
`import lightning` stand beside it, for that is what a command costs that loads them needlessly.
Each round runs all of them in turn; the first round warms the file cache and does not count.
CPU is user + system of the process and what it started and waited for.

labkit is asked as its users do: an import in a notebook's cell, a command in a shell. Before any
figure: every process ends with 0 and prints the same in every round, and none of labkit's four
loads torch.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from benchmarks.result import Record, conditions, ratios, write

LABKIT = str(Path(sys.executable).with_name("labkit"))
FLOOR = "python -c pass"
OURS = {
    "import labkit": [sys.executable, "-c", "import labkit"],
    "from labkit import lab": [sys.executable, "-c", "from labkit import lab"],
    "labkit --help": [LABKIT, "--help"],
    "labkit cost llama-2-7b": [LABKIT, "cost", "llama-2-7b"],
}
BESIDE = {
    "import torch": [sys.executable, "-c", "import torch"],
    "import lightning": [sys.executable, "-c", "import lightning"],
}
COMMANDS = {FLOOR: [sys.executable, "-c", "pass"], **OURS, **BESIDE}
NO_TORCH = """
import contextlib, sys
from labkit import lab
from labkit.cli import main
with contextlib.suppress(SystemExit):
    main(["--help"])
assert main(["cost", "llama-2-7b"]) == 0
assert "torch" not in sys.modules, "torch was loaded"
"""


def children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(command: list[str]) -> tuple[float, float, bytes]:
    """(wall seconds, CPU seconds, what it printed) of one process that must succeed."""
    cpu_before, started = children_cpu_s(), time.perf_counter()
    done = subprocess.run(command, capture_output=True, check=True)
    return time.perf_counter() - started, children_cpu_s() - cpu_before, done.stdout


def measure(rounds: int) -> dict[str, dict[str, list[float]]]:
    """Seconds by command, a list of one per round."""
    subprocess.run([sys.executable, "-c", NO_TORCH], capture_output=True, check=True)
    seconds = {name: {"wall": [], "cpu": []} for name in COMMANDS}
    printed: dict[str, bytes] = {}
    for number in range(rounds + 1):
        for name, command in COMMANDS.items():
            wall_s, cpu_s, output = run(command)
            assert printed.setdefault(name, output) == output, f"{name} prints something else"
            if number:
                seconds[name]["wall"].append(wall_s)
                seconds[name]["cpu"].append(cpu_s)
    return seconds


def medians(seconds: dict[str, list[float]]) -> dict[str, float]:
    return {f"{kind}_s": round(median(values), 4) for kind, values in seconds.items()}


def figures(seconds: dict[str, dict[str, list[float]]], name: str) -> Record:
    cpu_s = seconds[name]["cpu"]
    return {
        "name": f"fresh process: {name}",
        "equal": "exit status 0, the same output every round, no torch loaded by labkit",
        "peer": f"{FLOOR} (floor)",
        "ratio": ratios(cpu_s, seconds[FLOOR]["cpu"]),
        "unit": "seconds of CPU of a fresh process",
        "ours": medians(seconds[name]),
        "floor": medians(seconds[FLOOR]),
        "beside": {
            other: medians(seconds[other]) | {"ratio": ratios(cpu_s, seconds[other]["cpu"])}
            for other in BESIDE
        },
        "rounds": len(cpu_s),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    facts = conditions("torch", "lightning", "pydantic")
    seconds = measure(arguments.rounds)
    results = [figures(seconds, name) | facts for name in OURS]
    print(json.dumps({name: medians(one) for name, one in seconds.items()}, indent=1))
    write("imports", results)


if __name__ == "__main__":
    main()
