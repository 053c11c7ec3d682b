"""The runs of a study: probe, tune, run, judge; each run in a process of its own, some at a time.

Processes are forked from a server that has imported torch and trained nothing, so that a run ends
in the same bytes as alone. What is finished is not run again: a study that was killed goes on where
it was. A run that diverges is a result; one that cannot run ends the study when the others have.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from labkit.comparison.study import BASELINE, Arm, extension
from labkit.comparison.study_record import Progress, StudyRecord
from labkit.comparison.study_result import ArmRuns, write_verdict
from labkit.core import artifacts, lock
from labkit.core.errors import LabError
from labkit.core.machine import num_cores
from labkit.core.records.run import RunRecord, runs_folder
from labkit.plan.plan import TrainingPlan

PROCESSES = get_context("forkserver")
PROCESSES.set_forkserver_preload(["labkit.training.run", "labkit.training.__main__"])
Say = Callable[[str], None]
Key = tuple[str, float, int]
"""Arm, factor, seed."""
Outcome = tuple[str, float]
"""Run id and bits per byte; NaN where it diverged."""


class Wanted(NamedTuple):
    """One run: an arm's plan at a factor of its rates and a seed."""

    arm: str
    factor: float
    plan: TrainingPlan


def run_study(record: StudyRecord, num_processes: int | None = None, say: Say = print) -> None:
    """All that is still to do; returns when the verdict is written.

    Raises:
        LabError: runs that could not run, each with its reason; another process at work on it.
    """
    with lock.hold(record.lock_file, f"study {record.folder.name}"):
        if not record.is_finished:
            _Study(record, num_processes, say).go()
    say(f"verdict: {record.verdict}")


class _Study:
    def __init__(self, record: StudyRecord, num_processes: int | None, say: Say):
        self.record, self.say, self.study = record, say, record.study
        self.num_processes = num_processes or _num_processes(self.study.plan)
        self.step_seconds: dict[str, list[float]] = {}
        self.total = self.study.num_runs
        self.done = 0
        self.started = time.monotonic()

    def go(self) -> None:
        study = self.study
        self._predict()
        tuning = [one for arm in study.tuned for one in self._tuning(arm, study.rate_factors)]
        tried = self._run_all("tuning", tuning)
        extended = self._extensions(tried)
        self.total += len(extended)
        tried |= self._run_all("tuning beyond the grid", extended)
        chosen = {arm.name: self._best(arm, tried) for arm in study.tuned}
        chosen |= {arm.name: chosen[BASELINE] for arm in study.controls}
        finals = [
            Wanted(arm.name, chosen[arm.name], study.run_plan(arm, chosen[arm.name], seed))
            for arm in study.all_arms
            for seed in study.seeds_of(arm)
        ]
        ended = self._run_all("runs", finals)
        runs = [
            ArmRuns(
                arm=arm,
                plan=study.run_plan(arm, chosen[arm.name], 0),
                factor=chosen[arm.name],
                tried=_means(arm, tried),
                run_ids=[ended[_key(one)][0] for one in finals if one.arm == arm.name],
            )
            for arm in study.all_arms
        ]
        write_verdict(self.record, study, runs)

    def _predict(self) -> None:
        """Seconds of a step of every arm, measured as many at a time as will train."""
        study, predicted = self.study, self.record.read("predictions")
        if predicted is None:
            plans = {arm.name: study.arm_plan(arm) for arm in study.all_arms}
            self.say(f"measuring a step of {len(plans)} arms")
            probed = self._in_processes(_probe, list(plans.items()))
            of_runs = 0.0
            for arm in study.all_arms:
                num_runs = len(study.seeds_of(arm))
                num_runs += 0 if arm.is_control else study.num_tuning_runs
                seconds = statistics.median(probed[arm.name]) * plans[arm.name].num_steps
                of_runs += num_runs * seconds
            predicted = {"step_seconds": probed, "seconds_of_steps": of_runs}
            self.record.write("predictions", predicted)
        self.step_seconds = predicted["step_seconds"]
        self.say(f"{self.total} runs, {predicted['seconds_of_steps']:.0f} s of steps in all")

    def _tuning(self, arm: Arm, factors: Sequence[float]) -> list[Wanted]:
        study = self.study
        if not study.num_tuning_runs:
            return []
        return [
            Wanted(arm.name, factor, study.tuning_plan(arm, factor, seed))
            for factor in factors
            for seed in study.tuning_seeds
        ]

    def _extensions(self, tried: dict[Key, Outcome]) -> list[Wanted]:
        wanted = []
        for arm in self.study.tuned:
            beyond = extension(self.study.rate_factors, self._best(arm, tried))
            if beyond is not None and self.study.allows(arm, beyond):
                wanted += self._tuning(arm, [beyond])
        return wanted

    def _best(self, arm: Arm, tried: dict[Key, Outcome]) -> float:
        means = _means(arm, tried)
        finite = {factor: mean for factor, mean in means.items() if math.isfinite(mean)}
        return min(finite, key=lambda one: finite[one]) if finite else self.study.rate_factors[0]

    def _run_all(self, doing: str, wanted: Sequence[Wanted]) -> dict[Key, Outcome]:
        tasks = [
            (_key(one), (one.plan.model_dump(mode="json"), self.step_seconds[one.arm]))
            for one in wanted
        ]
        return self._in_processes(_train, tasks, doing)

    def _in_processes(
        self, work: Callable[[Any], Any], tasks: Sequence[tuple[Any, Any]], doing: str = ""
    ) -> dict[Any, Any]:
        """Key -> what `work` made of its task; a failure is raised when all have ended."""
        found, failures = {}, []
        with ThreadPoolExecutor(self.num_processes) as waiting:
            running = {waiting.submit(_in_own_process, work, task): key for key, task in tasks}
            try:
                for future in as_completed(running):
                    try:
                        found[running[future]] = future.result()
                    except LabError as error:
                        failures.append(f"{running[future]}: {error}")
                    if doing:
                        self._count(doing)
            except BaseException:  # Ctrl-C, too: what waits is not begun
                waiting.shutdown(wait=False, cancel_futures=True)
                raise
        if failures:
            raise LabError("\n".join(failures))
        return found

    def _count(self, doing: str) -> None:
        self.done += 1
        left = (time.monotonic() - self.started) / self.done * (self.total - self.done)
        progress = Progress(self.done, self.total, doing, round(left, 1))
        self.record.write("progress", progress._asdict())
        self.say(progress.line)


def _num_processes(plan: TrainingPlan) -> int:
    """As many as there are cores for; one on a GPU."""
    if plan.compute.device != "cpu":
        return 1
    return max(num_cores() // (plan.compute.num_threads or 1), 1)


def _key(wanted: Wanted) -> Key:
    return wanted.arm, wanted.factor, wanted.plan.seed


def _means(arm: Arm, tried: dict[Key, Outcome]) -> dict[float, float]:
    """Factor -> mean bits per byte over the tuning seeds."""
    by_factor: dict[float, list[float]] = {}
    for (name, factor, _), (_, score) in tried.items():
        if name == arm.name:
            by_factor.setdefault(factor, []).append(score)
    return {factor: math.fsum(scores) / len(scores) for factor, scores in sorted(by_factor.items())}


def _in_own_process(work: Callable[[Any], Any], task: Any) -> Any:
    ours, its = PROCESSES.Pipe()
    process = PROCESSES.Process(target=_answer, args=(work, task, its, str(artifacts.home())))
    process.start()
    its.close()
    try:
        answer, fault = ours.recv()
    except EOFError:
        answer, fault = None, "its process ended without an answer"
    process.join()
    if fault:
        raise LabError(f"{fault} (exit status {process.exitcode})")
    return answer


def _answer(work: Callable[[Any], Any], task: Any, study: Connection, home: str) -> None:
    """`home`: the server that forks may have started in another."""
    from labkit.training.__main__ import quieten

    os.environ["LABKIT_HOME"] = home
    quieten()
    threading.Thread(target=_end_with, args=(study,), daemon=True).start()
    try:
        study.send((work(task), ""))
    except (Exception, KeyboardInterrupt) as error:
        study.send((None, str(error) or type(error).__name__))


def _end_with(study: Connection) -> None:
    """A run whose study was killed ends with a checkpoint, as by SIGTERM.

    The study says nothing on its end, which closes with it: a pid would stay until someone waits
    for the process, and who started the study may never.
    """
    with contextlib.suppress(EOFError, OSError):
        study.recv()
    os.kill(os.getpid(), signal.SIGTERM)


def _train(task: tuple[dict[str, Any], list[float]]) -> Outcome:
    from labkit.training.run import run

    plan = TrainingPlan.model_validate(task[0])
    record = RunRecord(runs_folder() / plan.run_id)
    status = None
    while status is None:
        try:
            status = run(plan, record.folder, step_seconds=task[1], say=lambda _: None)
        except lock.HeldLock:  # another study trains what both share
            time.sleep(1)
    if status.state not in ("finished", "failed"):  # returned as failed: diverged
        raise LabError(f"run {record.run_id} {status.state}: {status.reason}")
    result = record.read("result") or {}
    found = result.get("validation", {})
    if result.get("diverged_at") is not None:
        return record.run_id, math.nan
    if found.get("loss") is not None and found["bits_per_byte"] is None:
        raise LabError("its tokenizer has an UNK, which hides the bytes to compare by; take bytes")
    return record.run_id, found.get("bits_per_byte") or math.nan


def _probe(plan: TrainingPlan) -> list[float]:
    import torch

    from labkit.training.next_token import NextToken
    from labkit.training.trainer import probe_step_seconds

    torch.set_num_threads(plan.compute.num_threads or 1)
    return probe_step_seconds(plan, NextToken(plan))
