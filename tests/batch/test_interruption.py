"""The runner itself ends: nothing goes on without it, nothing it had is lost."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from labkit.batch import status as statuses
from labkit.batch.job import make_job
from labkit.batch.publish import publish_interrupted
from labkit.cli import main
from tests.batch.toy_notebooks import write_notebook

FIRST = "print('as far as it came')"
STARTS_ANOTHER = """\
import os, pathlib, subprocess, time
other = subprocess.Popen(["sleep", "100"], start_new_session=True)
pathlib.Path({pids!r}).write_text(f"{{os.getpid()}} {{other.pid}}")
time.sleep({seconds})"""


def start_runner(folder: Path, path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "labkit", "batch", str(path)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for(condition, seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return bool(condition())


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_kernel_ends_with_its_runner_and_the_notebook_is_kept(tmp_path, lab_home, capsys, sent):
    pids = tmp_path / "pids"
    cell = STARTS_ANOTHER.format(pids=str(pids), seconds=60)
    path = write_notebook(tmp_path / "toy.ipynb", FIRST, cell)
    runner = start_runner(tmp_path, path)
    assert wait_for(lambda: pids.exists() and pids.read_text())
    runner.send_signal(sent)
    output, _ = runner.communicate(timeout=20)
    assert runner.returncode == (130 if sent == signal.SIGINT else -sent)
    assert "Traceback" not in output
    kernel, other = map(int, pids.read_text().split())
    assert wait_for(lambda: not any(map(is_running, (kernel, other))), seconds=5)
    if sent != signal.SIGINT:
        assert [status.state for status in statuses.all_statuses()] == ["running"]
        publish_interrupted()
    [status] = statuses.all_statuses()
    assert status.state == "interrupted"
    folder = lab_home / "reports" / status.folder
    assert "as far as it came" in (folder / "notebook.ipynb").read_text()
    assert "as far as it came" in (folder / "report.html").read_text()
    assert json.loads((folder / "status.json").read_text())["state"] == "interrupted"
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_the_next_run_publishes_what_a_killed_runner_left(tmp_path: Path, lab_home):
    path = write_notebook(tmp_path / "toy.ipynb", FIRST)
    job = make_job(path, {})
    left = statuses.begin(job)
    scratch = job.folder.with_name(f"{job.key}.running-{left.run}")
    scratch.mkdir(parents=True)
    (scratch / "worker.log").write_text("the last words\n")
    assert main(["batch", str(path)]) == 0
    first, second = statuses.all_statuses()
    assert (first.state, second.state) == ("interrupted", "completed")
    kept = lab_home / "reports" / first.folder
    assert (kept / "worker.log").read_text() == "the last words\n"
    assert not scratch.exists()


@pytest.mark.parametrize("ends", ["raise ValueError", "os.kill(os.getpid(), 9)"])
def test_what_a_failed_notebook_started_ends_with_it(tmp_path: Path, ends):
    pids = tmp_path / "pids"
    cell = STARTS_ANOTHER.format(pids=str(pids), seconds=0.5)
    path = write_notebook(tmp_path / "toy.ipynb", f"{cell}\n{ends}")
    assert main(["batch", str(path)]) == 1
    assert not any(map(is_running, map(int, pids.read_text().split())))
