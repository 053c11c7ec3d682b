from __future__ import annotations

import json
import os
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


def test_another_machine_is_never_judged_from_here(path: Path):
    written_by(path, machine="node-17")
    with pytest.raises(HeldLock, match=f"runs on node-17 .* delete {path}"), hold(path, "toy"):
        pass


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
