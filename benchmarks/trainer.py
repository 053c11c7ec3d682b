"""CPU per step of a recorded run under Lightning's Trainer against a bare loop; A B B A.

    python -m benchmarks.trainer [--steps 300] [--rounds 7]

Both take the same `train_step` on the same samples in one thread, and must end with the same bits
or there is no figure. The recorded run writes its metrics; evaluations and checkpoints are left out
of both. Bare against bare is printed beside it: no difference smaller than that means anything.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.result import Record, conditions, ratios, spread, write


def plan_in(home: Path) -> Any:
    """A model small enough that the loop shows: 0.03M parameters, 4 x 16 tokens a step."""
    from tests.training.tiny import tiny_plan, write_tiny_corpus

    return tiny_plan(write_tiny_corpus(home), num_steps=10**6)


def bare(plan: Any, objective: Any, steps: int) -> tuple[float, Any]:
    """(CPU seconds, final weights)."""
    from labkit.training.objective import StepBatches
    from labkit.training.state import make_state
    from labkit.training.step import train_step

    state = make_state(plan)
    started = time.process_time()
    for batch in StepBatches(objective, state, steps):
        train_step(state, batch, objective.loss)
    return time.process_time() - started, state.model.state_dict()


def recorded(plan: Any, objective: Any, steps: int) -> tuple[float, Any]:
    """The same steps through Lightning, with the recorder that every run has."""
    from labkit.core.records.run import RunRecord
    from labkit.training.checkpoints.state import RunState
    from labkit.training.module import TrainingModule
    from labkit.training.objective import StepBatches
    from labkit.training.recording.recorder import Clock, Milestones, Recorder
    from labkit.training.recording.tracking import Tracker
    from labkit.training.state import make_state
    from labkit.training.trainer import make_trainer

    with tempfile.TemporaryDirectory() as folder:
        record = RunRecord(Path(folder))
        spans: list[float] = []

        class Timed(Recorder):
            def on_train_start(self, *arguments: Any) -> None:
                super().on_train_start(*arguments)
                spans.append(time.process_time())

            def on_train_end(self, *_: Any) -> None:
                self.flush()
                spans.append(time.process_time())

        nothing_due = Milestones(evaluations=set(), checkpoints=set(), until=10**9)
        recorder = Timed(
            plan,
            record,
            RunState(),
            Tracker(plan, record),
            nothing_due,
            Clock(),
        )
        state = make_state(plan)
        module = TrainingModule(state, objective)
        make_trainer(plan, recorder).fit(module, StepBatches(objective, state, steps))
        assert len(record.rows("step")) == steps
        return spans[1] - spans[0], state.model.state_dict()


def data_share(home: Path, steps: int) -> dict[str, float]:
    """Share of a step's CPU time that reading its samples takes, for the default plan."""
    from labkit.plan.plan import TrainingPlan
    from labkit.plan.recipes import RECIPES, with_recipe
    from labkit.training.next_token import NextToken
    from labkit.training.settle import settle
    from tests.training.tiny import write_tiny_corpus

    found = {}
    for recipe in RECIPES:
        plan = TrainingPlan.model_validate(
            {
                "data": write_tiny_corpus(home) | {"batch_size": TrainingPlan().data.batch_size},
                "model": TrainingPlan().model.model_dump() | {"vocab_size": 257},
                "compute": {"device": "cpu", "num_threads": 1},
                "tracking": "off",
            }
        )
        plan = settle(with_recipe(plan, recipe))
        objective = NextToken(plan)
        whole = bare(plan, objective, steps)[0]
        started = time.process_time()
        for step in range(steps):
            objective.data.step_batch(step)
        found[recipe] = round((time.process_time() - started) / whole, 5)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    facts = conditions("torch", "lightning", "numpy")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LABKIT_HOME"] = folder
        result = measure(Path(folder), arguments.steps, arguments.rounds)
        del os.environ["LABKIT_HOME"]
    write("trainer", result | facts)
    print(f"{result['name']}: {result['overhead_ms']} ms of CPU per step")
    print(f"bare against bare: {result['noise_ms']} ms")
    print(f"reading samples, of a default step: {result['data_share_of_default_step']}")
    return 0


def measure(home: Path, steps: int, rounds: int) -> Record:
    import torch

    from labkit.training.__main__ import quieten
    from labkit.training.checkpoints.difference import tensor_bytes
    from labkit.training.next_token import NextToken

    torch.set_num_threads(1)
    plan = plan_in(home)
    objective = NextToken(plan)
    import labkit.training.trainer  # noqa: F401  sets Lightning's log level, which is then lowered

    quieten()
    overhead, noise, bare_ms, recorded_ms = [], [], [], []
    for number in range(rounds + 1):
        with contextlib.redirect_stdout(None):
            first, weights = bare(plan, objective, steps)
            second, other = recorded(plan, objective, steps)
            third, _ = recorded(plan, objective, steps)
            fourth, _ = bare(plan, objective, steps)
        same = all(tensor_bytes(weights[k]) == tensor_bytes(other[k]) for k in weights)
        assert same, "the Trainer's weights differ from the bare loop's: no figure"
        if number:  # the first round warms up
            overhead.append(1e3 * (second + third - first - fourth) / 2 / steps)
            noise.append(1e3 * (fourth - first) / steps)
            bare_ms.append(1e3 * (first + fourth) / 2 / steps)
            recorded_ms.append(1e3 * (second + third) / 2 / steps)
    return {
        "name": "trainer against bare loop",
        "equal": "final weights, bit for bit",
        "peer": "a bare loop over the same module and samples",
        "ratio": ratios(recorded_ms, bare_ms),
        "unit": "ms of CPU per step, one thread",
        "steps": steps,
        "rounds": rounds,
        "bare_step_ms": round(median(bare_ms), 3),
        "overhead_ms": spread(overhead),
        "noise_ms": spread(noise),
        "data_share_of_default_step": data_share(home, 100),
    }


if __name__ == "__main__":
    raise SystemExit(main())
