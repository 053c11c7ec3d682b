"""How often spikes, rises and divergences are seen, and how often nothing is taken for one.

    python benchmarks/guards.py [--runs 20]

simulated   2,000 steps of a falling loss with the noise of small batches: normal, with tails (t of
            eight degrees) and with noise that shrinks as the loss falls. Clean, with one step times
            ten, with a lasting step up, with a slow rise, and with a slow divergence
real        a small model for 2,000 steps on each of three seeds: clean, and with twenty batches
            whose loss and gradients are times ten

The limits in `labkit/training/guards.py` were set on seeds 1000 and above; those scored here are
below. Prints a JSON line for each kind, and exits with 1 where a spike was missed or a clean run
raised an alarm.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from labkit.training.guards import Alarm, LossWatch

STEPS, WARMUP = 2000, 100
GUESS = math.log(257)
NOISES = ("normal", "tails", "shrinking")
REAL_SPIKES = range(100, STEPS, 95)


def clean(noise: str, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    steps = np.arange(STEPS)
    mean = 2 + 3.5 * np.exp(-steps / 300)
    if noise == "tails":
        return mean + 0.05 * rng.standard_t(8, STEPS)
    deviation = 0.05 if noise == "normal" else 0.03 * mean
    return mean + rng.normal(0, 1, STEPS) * deviation


def disturbed(losses: np.ndarray, kind: str, at: int) -> np.ndarray:
    since = np.maximum(np.arange(STEPS) - at, 0)
    return {
        "clean": losses,
        "spike": losses * np.where(np.arange(STEPS) == at, 10, 1),
        "step up": losses + 1.5 * (np.arange(STEPS) >= at),
        "slow rise": losses + 0.001 * since,
        "divergence": losses + 0.01 * since,
    }[kind]


def alarms(losses: Any) -> Iterator[tuple[int, Alarm]]:
    watch = LossWatch(GUESS, WARMUP)
    for step, loss in enumerate(losses, 1):
        for alarm in watch.see(step, float(loss)):
            yield step, alarm


def simulated(num_runs: int, first_seed: int) -> Iterator[dict[str, Any]]:
    wanted = {
        "clean": set(),
        "spike": {"spike"},
        "step up": {"spike", "level"},
        "slow rise": {"rise"},
        "divergence": {"rise", "divergence"},
    }
    for noise in NOISES:
        for kind, kinds in wanted.items():
            seen, false, delays = 0, 0, []
            for seed in range(first_seed, first_seed + num_runs):
                earliest = 200 if kind == "spike" else 600  # later than the steepest fall
                at = int(np.random.default_rng(seed).integers(earliest, 1500))
                found = list(alarms(disturbed(clean(noise, seed), kind, at)))
                false += sum(step <= at for step, _ in found)
                found = [(step, alarm) for step, alarm in found if step > at]
                seen += kinds <= {alarm.kind for _, alarm in found}
                delays += [step - at for step, alarm in found if alarm.kind in kinds]
                counts = Counter(alarm.kind for _, alarm in found)
                false += sum(counts[one] for one in counts if one not in kinds and kind == "spike")
                false += len(found) if kind == "clean" else 0
            yield {
                "losses": noise,
                "kind": kind,
                "runs": num_runs,
                "seen": seen if kinds else None,
                "false_alarms": false,
                "median_delay_steps": float(np.median(delays)) if delays else None,
                "alarms_of_a_run": round(len(delays) / num_runs, 2),
            }


def real(seeds: range) -> Iterator[dict[str, Any]]:
    """Losses as training has them, of a model small enough for 2,000 steps in a minute."""
    import torch

    from labkit.training.next_token import NextToken
    from labkit.training.state import make_state
    from labkit.training.step import train_step
    from tests.training.tiny import tiny_plan, write_tiny_corpus

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as home:
        os.environ["LABKIT_HOME"] = home
        data = write_tiny_corpus(Path(home))
        for seed in seeds:
            plan = tiny_plan(data, STEPS, seed=seed)
            objective = NextToken(plan)
            for spikes in (range(0), REAL_SPIKES):
                state, losses = make_state(plan), []
                for step in range(STEPS):
                    batch = objective.step_batch(step, state)
                    if step in spikes:
                        batch = batch._replace(num_units=batch.num_units / 10)
                    losses.append(train_step(state, batch, objective.loss).loss)
                found = list(alarms(losses))
                at = {step - 1 for step, alarm in found if alarm.kind == "spike"}
                yield {
                    "losses": "real",
                    "kind": "spike" if spikes else "clean",
                    "seed": seed,
                    "runs": max(len(spikes), 1),
                    "seen": len(at & set(spikes)) if spikes else None,
                    "false_alarms": len(found) - len(at & set(spikes)),
                }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--real-seeds", type=int, default=3)
    arguments = parser.parse_args()
    failed = False
    for row in simulated(arguments.runs, arguments.first_seed):
        print(json.dumps(row), flush=True)
        failed |= row["false_alarms"] > 0 or row["seen"] not in (None, row["runs"])
    first = arguments.first_seed
    for row in real(range(first, first + arguments.real_seeds)):
        print(json.dumps(row), flush=True)
        failed |= row["false_alarms"] > 0 or row["seen"] not in (None, row["runs"])
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
