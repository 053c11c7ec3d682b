from __future__ import annotations

import errno
import json
import os
import sys
import threading
import time
from pathlib import Path

import pytest

from labkit.core import lock
from labkit.core.errors import LabError
from labkit.core.lock import HeldLock, hold, is_held


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "job.lock"


def written_by(path: Path, **changes: str | int) -> None:
    with hold(path, "toy"):
        mine = json.loads(path.read_text())
    path.write_text(json.dumps(mine | changes))


def test_the_second_is_refused_with_the_process_that_holds_it(path: Path):
    with hold(path, "toy.ipynb"):
        assert is_held(path)
        with (
            pytest.raises(HeldLock, match=f"toy.ipynb runs already .process {os.getpid()}"),
            hold(path, "toy.ipynb"),
        ):
            pass
        assert path.exists()
    assert not is_held(path)
    assert not path.exists()


@pytest.mark.parametrize(
    "changes",
    [{"start": "1"}, {"boot": "before the reboot"}, {"pid": 2**22 + 1}],
    ids=["pid used anew", "rebooted", "ended"],
)
def test_the_lock_of_a_process_that_is_gone_is_taken_over(path: Path, changes):
    written_by(path, **changes)
    assert not is_held(path)
    with hold(path, "toy"):
        assert is_held(path)
    assert list(path.parent.iterdir()) == []


def test_a_process_that_ended_but_was_not_waited_for_is_gone(path: Path):
    child = os.fork()
    if child == 0:
        os._exit(0)
    try:
        time.sleep(0.1)
        written_by(path, pid=child)
        assert not is_held(path)
    finally:
        os.waitpid(child, 0)


def test_the_lease_of_another_machine_is_respected_until_it_lapses(path: Path):
    written_by(path, machine="node-17")
    assert is_held(path)
    refused = pytest.raises(HeldLock, match=r"job runs on node-17 .*taken over in 1\d\d s")
    with refused, hold(path, "job"):
        pass
    os.utime(path, (time.time() - lock.LAPSE_SECONDS - 1,) * 2)
    assert not is_held(path)
    with hold(path, "job"):
        assert json.loads(path.read_text())["pid"] == os.getpid()
    assert not path.exists()


def test_a_later_start_of_the_same_slurm_job_takes_over_at_once(path: Path, monkeypatch):
    written_by(path, machine="node-17", job="77", restarts="0")
    monkeypatch.setenv("SLURM_JOB_ID", "78")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    assert is_held(path)
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    with hold(path, "job"):
        assert json.loads(path.read_text())["restarts"] == "1"
        monkeypatch.setenv("SLURM_RESTART_COUNT", "0")
        written_by(aside := path.with_name("aside"), machine="node-18", job="77", restarts="1")
        aside.replace(path)
        assert is_held(path)
    assert path.exists()  # another has it now


def test_a_lease_is_renewed_while_it_is_held(path: Path, monkeypatch):
    monkeypatch.setattr(lock, "RENEW_SECONDS", 0.02)
    with hold(path, "job"):
        os.utime(path, (0, 0))
        deadline = time.monotonic() + 10
        while path.stat().st_mtime == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert path.stat().st_mtime > 0


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"machine": 3}'])
def test_a_lock_that_a_full_disk_left_without_an_owner(path: Path, content, monkeypatch):
    monkeypatch.setattr(lock, "SECONDS_TO_WRITE", 0.1)
    path.write_text(content)
    if "machine" in content:
        with pytest.raises(HeldLock, match="runs on 3"), hold(path, "toy"):
            pass
    else:
        with hold(path, "toy"):
            assert is_held(path)


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(LabError, match="cannot write .*; make it writable or set LABKIT_HOME"),
        hold(tmp_path / "file" / "job.lock", "toy"),
    ):
        pass


def test_never_two_at_once_where_many_find_a_dead_owner(path: Path):
    written_by(path, start="1")
    inside, most, held = 0, 0, 0
    start = threading.Barrier(16)

    def contend() -> None:
        nonlocal inside, most, held
        start.wait()
        while True:
            try:
                with hold(path, "toy"):
                    inside += 1
                    most = max(most, inside)
                    time.sleep(0.01)
                    inside -= 1
                    held += 1
                    return
            except HeldLock:
                time.sleep(0.001)

    threads = [threading.Thread(target=contend) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, held) == (1, 16)


def test_stopped_at_whichever_line_it_is_held_or_free_never_without_an_owner(
    path: Path, monkeypatch
):
    monkeypatch.setattr(lock, "SECONDS_TO_WRITE", 0.0)
    seen: set[tuple[bool, bool]] = set()

    def look(frame, _event, _argument):
        if frame.f_code.co_filename == lock.__file__:
            seen.add((path.exists(), is_held(path)))
        return look

    before = sys.gettrace()
    sys.settrace(look)
    try:
        with hold(path, "toy"):
            pass
    finally:
        sys.settrace(before)
    assert seen == {(False, False), (True, True)}


@pytest.fixture
def without_links(monkeypatch) -> None:
    def refuse(*_):
        raise OSError(errno.EPERM, "no links on this file system")

    monkeypatch.setattr(os, "link", refuse)


@pytest.mark.usefixtures("without_links")
def test_a_file_system_without_links(path: Path):
    with hold(path, "toy"):
        assert [one.name for one in path.parent.iterdir()] == ["job.lock"]
        with pytest.raises(HeldLock, match="runs already"), hold(path, "toy"):
            pass
    assert list(path.parent.iterdir()) == []


@pytest.mark.usefixtures("without_links")
def test_without_links_one_that_stalled_before_it_wrote_finds_that_another_took_over(
    path: Path, monkeypatch
):
    written_by(path, machine="node-17")
    other = path.read_text()
    path.unlink()
    fdopen = os.fdopen

    def stalled(*arguments):
        path.unlink()
        path.write_text(other)
        return fdopen(*arguments)

    monkeypatch.setattr(os, "fdopen", stalled)
    with pytest.raises(HeldLock, match="runs on node-17"), hold(path, "toy"):
        pass
    assert path.read_text() == other


def test_a_link_that_nfs_made_and_answered_twice_is_held(path: Path, monkeypatch):
    link = os.link

    def answered_twice(*arguments):
        link(*arguments)
        link(*arguments)

    monkeypatch.setattr(os, "link", answered_twice)
    with hold(path, "toy"):
        assert is_held(path)
    assert list(path.parent.iterdir()) == []
