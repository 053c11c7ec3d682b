"""Go back to the last good checkpoint and leave out the batches around what went wrong.

A loss that spikes or diverges often does so on some batches at some weights alone: PaLM went on
from about 100 steps before a spike and skipped 200 to 500 batches, and the spike did not come again
(Chowdhery et al. 2022, section 5.1). Here the batches from BATCHES_BEFORE steps before the first
bad one to the present are left out; those before them are read again, to the same weights. The
data order is a closed form of the batch's number, so that what is left out is a list of ranges.

skipped.json in the run's folder has each range with its reason, checkpoint and documents.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from labkit.core.errors import LabError
from labkit.core.records.run import RunRecord
from labkit.training.checkpoints.folder import load_checkpoint
from labkit.training.checkpoints.kept import newest_before, set_newer_aside
from labkit.training.checkpoints.state import restore_state
from labkit.training.guards import BATCHES_BEFORE, MOST_REWINDS
from labkit.training.objective import BatchRange, Objective, batch_of, skipping
from labkit.training.recording.recorder import End, Recorder, Rewind
from labkit.training.state import TrainingState


def rewind(
    wanted: Rewind, state: TrainingState, recorder: Recorder, objective: Objective
) -> End | None:
    """Put the state back; returns how the run ends where that is no help. All call it."""
    run, record, processes = recorder.run, recorder.record, state.processes
    step, before = state.step, run.skipped
    try:
        folder = processes.first(lambda: _checkpoint_to_go_back_to(recorder, wanted))
    except LabError as error:
        recorder.save(state, objective)
        return wanted.else_state, f"{wanted.reason}; not rewound: {error}"
    recorder.num_rewinds[folder.name] += 1
    restore_state(load_checkpoint(folder, state.plan, verify=False), state, run, objective)
    first = max(wanted.first_step - 1 - BATCHES_BEFORE, state.step)
    left_out = batch_of(first, before), batch_of(step - 1, before)
    run.skipped = skipping(before, *left_out)

    def write_down() -> None:
        set_newer_aside(record.checkpoints, folder)
        record.cut_after(state.step)
        _add(record, wanted, step, folder, left_out, objective)

    processes.first(write_down)
    recorder.event(
        state.step,
        f"rewound from step {step} ({wanted.reason}); batches {left_out[0]} to {left_out[1]} are "
        "left out, their documents are in skipped.json",
        aloud=True,
    )
    return None


def _checkpoint_to_go_back_to(recorder: Recorder, wanted: Rewind) -> Path:
    folder = newest_before(recorder.record.checkpoints, wanted.first_step - 1)
    if folder is None:
        raise LabError(
            f"no good checkpoint from before step {wanted.first_step} is kept; give more of "
            "checkpoints.num_checkpoints and checkpoints.keep"
        )
    if recorder.num_rewinds[folder.name] >= MOST_REWINDS:
        raise LabError(
            f"{folder.name} was gone back to {MOST_REWINDS} times; the batches are not the cause"
        )
    return folder


def _add(
    record: RunRecord,
    wanted: Rewind,
    step: int,
    folder: Path,
    left_out: BatchRange,
    objective: Objective,
) -> None:
    documents: dict[str, set[int]] = {}
    for number in range(left_out[0], left_out[1] + 1):
        for source, found in objective.documents(number).items():
            documents.setdefault(source, set()).update(found)
    entry: dict[str, Any] = {
        "reason": wanted.reason,
        "step": step,
        "checkpoint": folder.name,
        "batches": list(left_out),
        "documents": {source: sorted(found) for source, found in documents.items()},
    }
    known = record.read("skipped") or []
    record.write("skipped", [*known, entry] if entry not in known else known)
