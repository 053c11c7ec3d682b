"""One process at a time per job: a file that says who holds it.

A process is named by machine, boot, pid and start in ticks since that boot: a clock set back moves
none of these. The lock of a process that is gone is taken over. Whether one on another machine
lives cannot be seen from here, so that a lock is a lease: its holder renews it every
`RENEW_SECONDS`, and one that was not renewed for `LAPSE_SECONDS` is taken over, at once where the
same job of Slurm has been started again. A lock is written aside and linked into place (link(2)),
so that no process, stopped at whichever moment, holds one without its name in it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from labkit.core.disk import temporary_beside
from labkit.core.errors import LabError

Owner = dict[str, str | int]
PROCESS = ("machine", "boot", "pid", "start")
JOB = {"job": "SLURM_JOB_ID", "restarts": "SLURM_RESTART_COUNT"}
"""What a lock says of its holder's job -> the variable that Slurm sets."""
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
RENEW_SECONDS, LAPSE_SECONDS = 10.0, 120.0
SECONDS_TO_WRITE = 1.0
"""Where there are no links a lock without readable content is being written, or left by a crash."""


class HeldLock(LabError):
    """Another process holds the lock."""


@contextlib.contextmanager
def hold(path: Path, what: str) -> Iterator[None]:
    """Hold the lock file alone.

    Raises:
        HeldLock: naming the process that holds it.
        LabError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _take(path, what)
    except OSError as error:
        raise LabError(
            f"cannot write {path} ({error.strerror}); make it writable or set LABKIT_HOME"
        ) from error
    released = threading.Event()
    own = _describe(os.getpid())
    threading.Thread(target=_renew, args=(path, own, released), daemon=True).start()
    try:
        yield
    finally:
        released.set()
        if _read(path) == own:
            path.unlink(missing_ok=True)


def is_held(path: Path) -> bool:
    """Whether a process that lives, or may live on another machine, holds the lock."""
    owner = _read(path)
    return owner is not None and _lives(owner, path)


def _renew(path: Path, own: Owner, released: threading.Event) -> None:
    """Until it is released, or another has taken it over from a process that stood still."""
    while not released.wait(RENEW_SECONDS):
        with contextlib.suppress(OSError):  # a full or absent disk: the next time may do
            if _read(path) == own:
                os.utime(path)


def _take(path: Path, what: str) -> None:
    while not _create(path, _describe(os.getpid())):
        owner = _read(path)
        if owner is not None and _lives(owner, path):
            raise HeldLock(_refusal(owner, path, what))
        if owner is not None:
            _remove(path, owner)


def _create(path: Path, own: Owner) -> bool:
    aside = temporary_beside(path)
    try:
        aside.write_text(json.dumps(own))
        os.link(aside, path)
    except FileExistsError:
        return aside.stat().st_nlink == 2  # made, and answered twice: link(2) on NFS
    except OSError:
        return _create_without_links(path, own)
    finally:
        aside.unlink(missing_ok=True)
    return True


def _create_without_links(path: Path, own: Owner) -> bool:
    """False also where another has taken it over before it had its owner in it."""
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w") as file:
        json.dump(own, file)
    return _read(path) == own


def _read(path: Path) -> Owner | None:
    """The owner; {} when the lock names none, None when there is no lock."""
    deadline = time.monotonic() + SECONDS_TO_WRITE
    while True:
        try:
            owner = json.loads(path.read_bytes())
            return owner if isinstance(owner, dict) and "machine" in owner else {}
        except FileNotFoundError:
            return None
        except ValueError:
            if time.monotonic() > deadline:
                return {}
        time.sleep(0.01)


def _remove(path: Path, seen: Owner) -> None:
    """Remove the lock of the owner seen dead: one process at a time, having looked once more.

    Without that, a second process that saw the dead owner too would remove its successor's lock.
    """
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network file systems have no flock
            fcntl.flock(folder, fcntl.LOCK_EX)
        if _read(path) == seen:
            path.unlink(missing_ok=True)
    finally:
        os.close(folder)


def _describe(pid: int) -> Owner:
    boot = BOOT_ID.read_text().strip() if BOOT_ID.exists() else ""
    job = {name: os.environ[key] for name, key in JOB.items() if key in os.environ}
    return {"machine": socket.gethostname(), "boot": boot, "pid": pid, "start": _start(pid), **job}


def _lives(owner: Owner, path: Path) -> bool:
    if not owner:
        return False
    if owner["machine"] != socket.gethostname():
        return not _is_restarted(owner) and _seconds_since_renewed(path) < LAPSE_SECONDS
    try:
        own = _describe(int(owner["pid"]))
        return all(own[name] == owner[name] for name in PROCESS)
    except (KeyError, TypeError, ValueError, OSError, psutil.Error):
        return False


def _is_restarted(owner: Owner) -> bool:
    """Whether this process is of a later start of the owner's job, which ends the one before."""
    job, restarts = (os.environ.get(JOB[name]) for name in ("job", "restarts"))
    is_same = job is not None and owner.get("job") == job
    return is_same and int(restarts or 0) > int(owner.get("restarts") or 0)


def _seconds_since_renewed(path: Path) -> float:
    """By the clock of the file system, which may be another machine's."""
    probe = temporary_beside(path)
    try:
        probe.touch()
        return probe.stat().st_mtime - path.stat().st_mtime
    except OSError:  # not writable, or released meanwhile
        return 0.0
    finally:
        probe.unlink(missing_ok=True)


def _start(pid: int) -> str:
    """Ticks since boot where /proc has them (proc(5), stat, field 22), else the start time."""
    if not Path("/proc/self/stat").exists():
        return f"{psutil.Process(pid).create_time():.0f}"
    state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return fields[18] if state not in "ZX" else "ended"


def _refusal(owner: Owner, path: Path, what: str) -> str:
    if owner["machine"] == socket.gethostname():
        return f"{what} runs already (process {owner['pid']})"
    left = max(LAPSE_SECONDS - _seconds_since_renewed(path), 0)
    return (
        f"{what} runs on {owner['machine']} (process {owner.get('pid')}); if it doesn't any more, "
        f"it can be taken over in {left:.0f} s: try again then"
    )
