"""What happens after each step: the record grows, requests are taken up, checkpoints are written.

Rows are gathered and written about twice a second, so that a step costs microseconds. Whatever
ends a run early is decided here, between two steps, and leaves a checkpoint. Every process has a
recorder, and all agree on what to do; only the first one's record is on disk.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import lightning

from labkit.core.records.run import RunRecord, State
from labkit.model.generation import NotFinite
from labkit.plan.guards import Action
from labkit.plan.plan import TrainingPlan
from labkit.training.batches import chain_hash
from labkit.training.checkpoints.folder import save_checkpoint
from labkit.training.checkpoints.kept import checkpoint_folder, remove_old
from labkit.training.checkpoints.state import RunState, gather_state, held_bytes
from labkit.training.fits import refuse_without_room
from labkit.training.module import TrainingModule
from labkit.training.objective import Objective, StepBatch, Validation
from labkit.training.recording.tracking import Tracker
from labkit.training.sharding.apply_layout import release_gathered
from labkit.training.sharding.processes import ALONE
from labkit.training.state import TrainingState
from labkit.training.step import StepFacts
from labkit.training.watch import Watch

SAVED_FIRST = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
"""Signals that end a run after its step, with a checkpoint."""
FLUSH_SECONDS = 0.5
POLL_SECONDS = 0.2
SECONDS_BETWEEN_LINES = 15.0
End = tuple[State, str]
GO_ON, EVALUATE, END = range(3)


class Rewind(NamedTuple):
    """Back to before `first_step`, of the steps counted from 1, where something went wrong."""

    first_step: int
    reason: str
    else_state: State
    """How the run ends where there is nothing to go back to."""


ASKED: dict[str, State] = {"pause": "paused", "stop": "stopped"}


@dataclass
class Milestones:
    """Steps after which something is due, counted from 1."""

    evaluations: set[int]
    checkpoints: set[int]
    until: int

    @classmethod
    def of(cls, plan: TrainingPlan, until: int, save_at: tuple[int, ...]) -> Milestones:
        return cls(
            evaluations=_spread(plan.num_steps, plan.evaluation.num_evaluations),
            checkpoints=_spread(plan.num_steps, plan.checkpoints.num_checkpoints) | set(save_at),
            until=until,
        )


@dataclass
class Clock:
    """Seconds of the whole record, those before a resume included: of steps, and of everything."""

    steps_before: float = 0.0
    before: float = 0.0
    num_steps: int = 0
    started: float = field(default_factory=time.perf_counter)
    evaluating: float = 0.0
    saving: float = 0.0

    @classmethod
    def going_on(cls, last_step: dict[str, Any] | None, num_steps: int) -> Clock:
        if not last_step:
            return cls()
        return cls(last_step["seconds"], last_step["elapsed"], num_steps)

    @property
    def of_steps(self) -> float:
        now = time.perf_counter() - self.started
        return self.steps_before + now - self.evaluating - self.saving

    @property
    def elapsed(self) -> float:
        return self.before + time.perf_counter() - self.started


class Recorder(lightning.Callback):
    """`outcome` says how and why the run ended early; None where it came to its end."""

    def __init__(
        self,
        plan: TrainingPlan,
        record: RunRecord,
        run: RunState,
        tracker: Tracker,
        milestones: Milestones,
        clock: Clock,
    ):
        self.plan, self.record, self.run = plan, record, run
        self.tracker, self.milestones, self.clock = tracker, milestones, clock
        self.processes = ALONE
        self.outcome: End | Rewind | None = None
        self.num_rewinds: Counter[str] = Counter()
        """To each checkpoint, by name."""
        self.rows: list[dict[str, Any]] = []
        self.say: Callable[[str], None] = lambda _: None
        self.watch = Watch(record.folder, 0, plan.layout.hang_seconds)
        self._flushed = self._polled = self._said = time.perf_counter()
        self._signal = 0
        self._handlers: dict[int, Any] = {}
        """Signal -> what heard it before."""

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self.processes = pl_module.state.processes
        if threading.current_thread() is threading.main_thread():
            for number in SAVED_FIRST:  # Lightning's handlers leave no checkpoint
                self._handlers[number] = signal.signal(number, self._on_signal)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        self._leave_signals()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        self._leave_signals()

    def _leave_signals(self) -> None:
        while self._handlers:
            signal.signal(*self._handlers.popitem())

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        module, state = pl_module, pl_module.state
        self.clock.num_steps += 1
        self.watch.beat(state.step)
        elapsed = self._add_step(module, batch)
        alarmed = self._watch(state, module.facts)
        self.run.samples_hash = chain_hash(self.run.samples_hash, batch.samples)
        if state.step in self.milestones.evaluations:
            self.evaluate(module)
        agreed, end = self._agree(alarmed or self._end(state, elapsed))
        if agreed == EVALUATE:
            self.evaluate(module)
        if isinstance(end, Rewind):
            self.flush()
        elif end or state.step in self.milestones.checkpoints:
            self.save(state, module.objective)
        if end:
            self.outcome = end
            trainer.should_stop = True
        self.watch.doing("a step")
        if time.perf_counter() - self._flushed > FLUSH_SECONDS:
            self.flush()
        if time.perf_counter() - self._said > SECONDS_BETWEEN_LINES:
            self._said = time.perf_counter()
            per_step = self.clock.of_steps / self.clock.num_steps
            left = (self.plan.num_steps - state.step) * per_step
            total, loss = f"{self.plan.num_steps:,}", module.facts.loss
            self.say(f"step {state.step:,} of {total}, loss {loss:.4f}, about {left:.0f} s left")

    def _agree(self, end: End | Rewind | None) -> tuple[int, End | Rewind | None]:
        """What all processes do next, whichever of them has a reason to."""
        wish = END if end else GO_ON
        if time.perf_counter() - self._polled > POLL_SECONDS:
            self._polled = time.perf_counter()
            request = self.record.take_request()
            if request == "evaluate":
                wish = max(wish, EVALUATE)
            elif request is not None and end is None:
                wish = END
                end = (ASKED[request], f"asked to {request}")
        agreed = self.processes.largest(wish)
        if agreed == END:
            end = next(one for one in self.processes.from_all(end) if one)
        return agreed, end

    def evaluate(self, module: TrainingModule) -> None:
        start = time.perf_counter()
        state, step = module.state, module.state.step
        self.watch.doing("validating")
        found = self._validated(module)
        release_gathered(state.model)
        took = time.perf_counter() - start
        self.clock.evaluating += took
        self.record.write("windows", finite({"step": step, **found.examples}))
        row = {
            "kind": "evaluation",
            "step": step,
            "tokens": step * self.plan.tokens_per_step,
            "seconds": round(self.clock.of_steps, 4),
            **finite(dict(found.figures)),
            "took": round(took, 4),
            "samples": list(found.texts),
        }
        self.rows.append(row)
        self.tracker.log_evaluation(row)
        self.flush()
        loss, low, high = (found.figures[name] for name in ("loss", "low", "high"))
        self.record.log(f"step {step}: validation loss {loss:.4f} ({low:.4f} to {high:.4f})")

    def _validated(self, module: TrainingModule) -> Validation:
        """An error while observing is an observation: the run goes on without that figure.

        Except in the last evaluation, which is the run's result. And of several processes others
        may wait for the one that failed, but where the model gives NaN, which all of them see.
        """
        state = module.state
        try:
            return module.objective.validate(state)
        except Exception as error:
            is_last = state.step == self.plan.num_steps
            if not isinstance(error, NotFinite) and (is_last or self.processes.num > 1):
                raise
            state.model.train()  # it may have failed in the middle
            reason = (str(error) or type(error).__name__).splitlines()[0][:200]
            self.event(state.step, f"evaluation failed: {reason}", aloud=True)
            return Validation({**dict.fromkeys(("loss", "low", "high"), math.nan), "error": reason})

    def save(self, state: TrainingState, objective: Objective) -> None:
        """Write a checkpoint and drop the oldest beyond those that are kept."""
        start = time.perf_counter()
        self.watch.doing("saving")
        self.flush()
        folder = checkpoint_folder(self.record.checkpoints, state.step)
        held = held_bytes(state)
        mine = held["weights"] + held["optimizer"]
        sizes = state.processes.from_all(mine)
        is_cut = state.processes.layout.sharding == "full"
        num_bytes = sum(sizes) if is_cut else mine
        state.processes.first(lambda: refuse_without_room(folder, num_bytes))
        found = gather_state(state, self.run, objective)
        save_checkpoint(folder, found, self.plan, state.processes)
        if state.processes.is_first:
            remove_old(self.record.checkpoints, self.plan.checkpoints.keep)
        self.record.set_status("running", state.step)
        took = time.perf_counter() - start
        self.clock.saving += took
        self.rows.append({"kind": "checkpoint", "step": state.step, "seconds": round(took, 4)})

    def flush(self) -> None:
        self._flushed = time.perf_counter()
        self.record.append(self.rows)
        self.rows.clear()

    def event(self, step: int, text: str, *, aloud: bool = False) -> None:
        self.rows.append({"kind": "event", "step": step, "text": text})
        self.record.log(f"step {step}: {text}")
        if aloud:
            self.say(f"step {step:,}: {text}")

    def close(self, step: int) -> None:
        """Say what only the end of a short run shows."""
        if alarm := self.run.watch.close(step):
            self.event(step, alarm.text, aloud=True)

    def _add_step(self, module: TrainingModule, batch: StepBatch) -> float:
        """The elapsed seconds that the row states: the budget is judged by them too."""
        facts, step = module.facts, module.state.step
        row = {
            "kind": "step",
            "step": step,
            "tokens": step * self.plan.tokens_per_step,
            "seconds": round(self.clock.of_steps, 4),
            "elapsed": round(self.clock.elapsed, 4),
            "loss": finite(facts.loss),
            "gradient_norm": finite(facts.gradient_norm),
            "learning_rate": facts.learning_rate,
        }
        if facts.auxiliary:
            row["auxiliary"] = {name: finite(value) for name, value in facts.auxiliary.items()}
        self.rows.append(row)
        self.tracker.log_step(row)
        if facts.is_dropped:
            found = f"loss {facts.loss:g}, gradient norm {facts.gradient_norm:g}"
            self.event(step, f"dropped, its samples {_first_of(batch)}: {found}")
        return row["elapsed"]

    def _watch(self, state: TrainingState, facts: StepFacts) -> End | Rewind | None:
        """Say what the guards see, and what the plan does about it."""
        guards, found = self.plan.guards, None
        for alarm in self.run.watch.see(state.step, facts.loss):
            self.event(state.step, alarm.text, aloud=True)
            if alarm.kind == "spike":
                found = _action(guards.on_spike, "stopped", alarm.first_step, alarm.text)
            elif alarm.kind == "divergence":
                found = _action(guards.on_divergence, "failed", alarm.first_step, alarm.text)
        if state.guard.gives_up:
            in_a_row = state.guard.in_a_row
            action = "stop" if guards.on_divergence == "note" else guards.on_divergence
            reason = f"{in_a_row} steps in a row with NaN or infinite values"
            found = _action(action, "failed", state.step - in_a_row + 1, reason)
        return found

    def _end(self, state: TrainingState, elapsed: float) -> End | None:
        """Why the run ends here of itself."""
        step = state.step
        if self._signal:
            return "interrupted", f"signal {signal.Signals(self._signal).name}"
        if spent := self._spent_after(elapsed):
            return spent
        if step == self.milestones.until < self.plan.num_steps:
            return "paused", f"asked to run until step {step}"
        return None

    def spent(self) -> End | None:
        """Why the run has no time or money for another step; None where it has.

        Starts before this one count, but not this one's own: a limit that is hardly larger than
        what it takes to start would never let it take a step.
        """
        return self._spent_after(self.clock.before)

    def _spent_after(self, elapsed: float) -> End | None:
        budget, minutes = self.plan.budget, elapsed / 60
        if budget.max_minutes and minutes >= budget.max_minutes:
            return "stopped", f"budget.max_minutes={budget.max_minutes:g} is used up: give more"
        if budget.max_usd and minutes / 60 * (budget.usd_per_hour or 0) >= budget.max_usd:
            return "stopped", f"budget.max_usd={budget.max_usd:g} is spent: give more"
        return None

    def _on_signal(self, number: int, _frame: Any) -> None:
        """The run ends after this step, with a checkpoint; a second Ctrl-C ends it at once."""
        self._signal = number
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _first_of(batch: StepBatch) -> str:
    """First of the step's samples, to find the documents by: source/epoch/window."""
    return ", ".join("/".join(map(str, row)) for row in batch.samples[:8].tolist())


def _action(action: Action, state: State, first_step: int, reason: str) -> End | Rewind | None:
    if action == "rewind":
        return Rewind(first_step, reason, state)
    return (state, reason) if action == "stop" else None


def finite(value: Any) -> Any:
    """JSON has no NaN: None instead, in lists and mappings too."""
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _spread(num_steps: int, count: int) -> set[int]:
    """`count` steps spread evenly, the last among them."""
    count = min(count, num_steps)
    return {num_steps * number // count for number in range(1, count + 1)}
