"""Started by torchrun: a few steps of a plan while the process's memory is watched.

Writes a rank-N.json per process beside the plan: how far its PSS rose above what it was before the
model, sampled 50 times a second, and the losses.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

from labkit.plan.plan import TrainingPlan
from labkit.training.__main__ import quieten
from labkit.training.lean_import import import_lightning

ROLLUP = Path("/proc/self/smaps_rollup")
STEPS = 2


class Watch(threading.Thread):
    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.before = self.most = proportional_set_bytes()

    def run(self) -> None:
        while True:
            self.most = max(self.most, proportional_set_bytes())
            time.sleep(0.02)  # at 200 times a second, reading took 30 of 110 CPU seconds


def proportional_set_bytes() -> int:
    lines = ROLLUP.read_text().splitlines()
    [kilobytes] = [line.split()[1] for line in lines if line.startswith("Pss:")]
    return int(kilobytes) * 1024


def main() -> None:
    import_lightning()
    import lightning
    import torch

    from labkit.training.module import TrainingModule
    from labkit.training.next_token import NextToken
    from labkit.training.objective import StepBatches
    from labkit.training.sharding.processes import join, leave
    from labkit.training.state import make_state
    from labkit.training.trainer import make_trainer

    quieten()
    torch.set_num_threads(1)
    plan = TrainingPlan.model_validate_json(Path(sys.argv[1]).read_text())
    processes = join(plan.layout, plan.compute.device)
    objective = NextToken(plan)
    watch = Watch()
    watch.start()
    losses: list[float] = []

    class Losses(lightning.Callback):
        def on_train_batch_end(self, *_: object) -> None:
            losses.append(module.facts.loss)

    state = make_state(plan, processes)
    module = TrainingModule(state, objective)
    trainer = make_trainer(plan, Losses(), processes)
    trainer.fit(module, StepBatches(objective, state, STEPS))
    rise = watch.most - watch.before
    found = Path(sys.argv[1]).with_name(f"rank-{processes.rank}.json")
    found.write_text(json.dumps({"rise": rise, "losses": losses}))
    leave()


if __name__ == "__main__":
    main()
