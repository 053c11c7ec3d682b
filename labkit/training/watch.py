"""A run that stands still ends, and says which process stood still.

Each process has a thread that writes a beat every few seconds: where the process is, and that it
lives. A step that takes far longer than the median step, or a phase between steps that takes far
longer than it may, is a hang. The first process whose thread still runs then dumps its stack, names
the processes that stand still, writes the run's end, and ends; with it torchrun ends the others.
Processes that wait in torch for the others are not the cause: named are those whose beat is old (a
stopped process, a machine that is gone), else those that are elsewhere than in torch.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import socket
import statistics
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any, NamedTuple

from labkit.core import disk
from labkit.core.records.run import RunRecord

BEAT_SECONDS = 2.0
STALE_SECONDS = 4 * BEAT_SECONDS
TIMES_THE_MEDIAN, TIMES_FOR_PHASES = 20, 10
STEPS_TO_KNOW = 5
"""Steps before the median counts; the first ones compile and warm up."""
EXIT_STATUS = 1
_TORCH = f"{os.sep}site-packages{os.sep}torch{os.sep}"


class Beat(NamedTuple):
    """What a process last said of itself."""

    rank: int
    host: str
    pid: int
    step: int
    doing: str
    place: str
    is_in_torch: bool
    seconds_ago: float

    @property
    def is_stale(self) -> bool:
        return self.seconds_ago > STALE_SECONDS

    def __str__(self) -> str:
        since = f", no sign of life for {self.seconds_ago:.0f} s" if self.is_stale else ""
        return (
            f"process {self.rank} ({self.host}, pid {self.pid}) in step {self.step + 1:,}, "
            f"{self.doing}, at {self.place}{since}"
        )


class Watch:
    """Of one process; `beat` after each step, `doing` before what lies between steps.

    Args:
        hang_seconds: the least that a step may take before it counts as one that hangs.
        ends_process: whether a hang ends this process; else it is only said, once.
    """

    def __init__(self, folder: Path, rank: int, hang_seconds: float, ends_process: bool = False):
        self.folder, self.rank, self.hang_seconds = folder, rank, hang_seconds
        self.ends_process = ends_process
        self._steps: deque[float] = deque(maxlen=50)
        self._now = ("starting", time.monotonic())
        self._step = 0
        self._over = threading.Event()
        self._main = threading.main_thread().ident or 0

    def start(self) -> None:
        (self.folder / "beats").mkdir(parents=True, exist_ok=True)
        threading.Thread(target=self._look_on, daemon=True).start()

    def stop(self) -> None:
        self._over.set()
        _beat_file(self.folder, self.rank).unlink(missing_ok=True)

    def beat(self, step: int) -> None:
        """A step has ended; the next one begins."""
        what, since = self._now
        if what == "a step":
            self._steps.append(time.monotonic() - since)
        self._step = step
        self.doing("a step")

    def doing(self, what: str) -> None:
        self._now = (what, time.monotonic())

    @property
    def limit(self) -> float:
        """Seconds that what the process does now may take."""
        if self._now[0] != "a step" or len(self._steps) < STEPS_TO_KNOW:
            return TIMES_FOR_PHASES * self.hang_seconds
        return max(self.hang_seconds, TIMES_THE_MEDIAN * statistics.median(self._steps))

    def _look_on(self) -> None:
        while not self._over.wait(BEAT_SECONDS):
            self._write_beat()
            what, since = self._now
            seconds = time.monotonic() - since
            if seconds > self.limit and not self._over.is_set():
                if self.ends_process:
                    self._end(what, seconds)
                    continue
                reason = self._reason(what, seconds, read_beats(self.folder))
                RunRecord(self.folder).log(f"hang: {reason}")
                return

    def _write_beat(self) -> None:
        place, is_in_torch = self._place()
        mine = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "step": self._step,
            "doing": self._now[0],
            "place": place,
            "is_in_torch": is_in_torch,
        }
        path = _beat_file(self.folder, self.rank)
        try:
            aside = path.with_suffix(".new")
            aside.write_text(json.dumps(mine))
            aside.replace(path)
        except OSError:
            return  # a full or absent disk is somebody else's to say

    def _place(self) -> tuple[str, bool]:
        """Innermost line of the main thread, and whether it is torch's."""
        frame = sys._current_frames().get(self._main)
        if frame is None:
            return "nowhere", False
        code = frame.f_code
        name = f"{Path(code.co_filename).name}:{frame.f_lineno} {code.co_name}"
        return name, _TORCH in code.co_filename

    def _end(self, what: str, seconds: float) -> None:
        """The first process that lives says the reason and ends the run; the others end with it.

        A process that stopped a moment ago has a fresh beat: its silence is waited for.
        """
        since = self._now[1]
        self._dump_stacks()
        waited = 0.0
        while waited < STALE_SECONDS + BEAT_SECONDS:
            if self._over.wait(BEAT_SECONDS) or self._now[1] != since:
                return  # it goes on
            waited += BEAT_SECONDS
            self._write_beat()
        beats = read_beats(self.folder)
        alive = [one.rank for one in beats if not one.is_stale]
        if self.rank != min(alive, default=self.rank):
            time.sleep(STALE_SECONDS)  # for the last words of the one that speaks
            os._exit(EXIT_STATUS)
        reason, record = self._reason(what, seconds, beats), RunRecord(self.folder)
        record.log(f"hang: {reason}; stacks are in logs/")
        record.set_status("failed", self._step, reason[:1000])
        print(f"labkit.training: {reason}", file=sys.stderr, flush=True)
        for one in hanging(beats):
            if one.is_stale and one.host == socket.gethostname() and one.pid != os.getpid():
                _kill(one.pid)
        os._exit(EXIT_STATUS)

    def _reason(self, what: str, seconds: float, beats: list[Beat]) -> str:
        named = "; ".join(map(str, hanging(beats))) or "no process says where it is"
        return f"{what} has taken {seconds:.3g} s, {self.limit:.3g} allowed. It hangs: {named}"

    def _dump_stacks(self) -> None:
        log = self.folder / "logs" / f"stack-{self.rank:05d}.txt"
        log.parent.mkdir(exist_ok=True)
        with log.open("w") as file:
            faulthandler.dump_traceback(file)


def read_beats(folder: Path) -> list[Beat]:
    """The last word of each process of a run, by rank; none of a run that is over."""
    found, now = [], _now_on(folder)
    for path in sorted((folder / "beats").glob("process-*.json")):
        try:
            said: dict[str, Any] = json.loads(path.read_bytes())
            found.append(Beat(int(path.stem[8:]), **said, seconds_ago=now - path.stat().st_mtime))
        except (OSError, ValueError, TypeError):
            continue  # written anew at this moment
    return found


def hanging(beats: list[Beat]) -> list[Beat]:
    """The processes that the others wait for.

    >>> beat = Beat(0, "here", 1, 5, "a step", "all_reduce", True, 0.5)
    >>> [one.rank for one in hanging([beat, beat._replace(rank=1, is_in_torch=False)])]
    [1]
    >>> [one.rank for one in hanging([beat._replace(seconds_ago=99.0), beat._replace(rank=1)])]
    [0]
    """
    stale = [one for one in beats if one.is_stale]
    elsewhere = [one for one in beats if not one.is_in_torch]
    return stale or elsewhere or beats


def seconds_without_news(folder: Path) -> float | None:
    """Since the newest beat of any process; None where none was ever written."""
    return min((one.seconds_ago for one in read_beats(folder)), default=None)


def _beat_file(folder: Path, rank: int) -> Path:
    return folder / "beats" / f"process-{rank:05d}.json"


def _now_on(folder: Path) -> float:
    """The time of the file system, which may be another machine's."""
    probe = disk.temporary_beside(folder / "beats" / "now")
    try:
        probe.touch()
        return probe.stat().st_mtime
    except OSError:
        return time.time()
    finally:
        probe.unlink(missing_ok=True)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)  # one that is stopped hears nothing else
    except OSError:
        return
