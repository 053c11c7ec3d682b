from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from labkit.batch import lineup, pool, publish
from labkit.batch import status as statuses
from labkit.batch.execute import Limits, execute
from labkit.batch.index import write_index
from labkit.batch.job import lock_file, make_job
from labkit.batch.pool import run_jobs
from labkit.cli import main
from labkit.core.lock import hold
from tests.batch.toy_notebooks import RESULT, write_notebook

LIMITS = Limits(cell_seconds=30, notebook_seconds=60)


def test_what_is_at_work_is_told_meanwhile(tmp_path: Path, lab_home, capsys, monkeypatch):
    monkeypatch.setattr(pool, "EVERY_SECONDS", 0.5)
    path = write_notebook(tmp_path / "long.ipynb", "import time; time.sleep(2)")
    assert run_jobs([make_job(path, {})], LIMITS) == []
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "long: started"
    assert said[1] == "after 0 min at work: long"
    assert "long: completed in " in said[-2]


def test_papermill_and_labkit_batch_give_the_same_result(tmp_path: Path, lab_home, capsys):
    out = tmp_path / "result.json"
    path = write_notebook(tmp_path / "toy.ipynb", RESULT.format(out=str(out)))
    assert main(["batch", str(path), "-p", "steps", "5e1", "-p", "name", "7"]) == 0
    said = capsys.readouterr().out
    ours = out.read_text()
    assert json.loads(ours) == [50, "7", None, {}]
    out.unlink()
    plain = [sys.executable, "-m", "papermill", str(path), str(tmp_path / "plain.ipynb")]
    subprocess.run([*plain, "-p", "steps", "50", "-r", "name", "7"], check=True, cwd=tmp_path)
    assert out.read_text() == ours
    out.unlink()
    assert main(["batch", str(path), "-p", "steps", "5e1", "-p", "name", "7"]) == 0
    said_again = capsys.readouterr().out
    assert "done before" in said_again
    assert not out.exists()
    [status] = statuses.all_statuses()
    for lines in (said, said_again):
        assert f"; {lab_home / 'reports' / str(status.folder) / 'report.html'}\n" in lines
    assert (status.state, status.parameters) == ("completed", {"steps": 50, "name": "7"})
    folder = lab_home / "reports" / status.folder
    assert {p.name for p in folder.iterdir()} == {
        "manifest.json",
        "notebook.ipynb",
        "report.html",
        "status.json",
    }
    damaged = folder / "report.html"
    damaged.write_text(damaged.read_text().replace("completed", "completes"))
    assert main(["batch", str(path), "-p", "steps", "50", "-p", "name", "7"]) == 2
    assert "report.html: SHA-256" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("cell", "limits", "state", "reason"),
    [
        ("1 / 0", LIMITS, "failed", r"cell \d: ZeroDivisionError: division by zero"),
        ("import os; os.kill(os.getpid(), 9)", LIMITS, "kernel died", "the kernel died"),
        ("import os; os.kill(os.getppid(), 9)", LIMITS, "failed", "was killed by SIGKILL"),
        ("import time; time.sleep(60)", Limits(1, 60), "timed out", "a cell took longer than 1 s"),
        ("import time; time.sleep(60)", Limits(60, 3), "timed out", "longer than 3 s in all"),
    ],
    ids=["error", "killed", "worker killed", "cell timeout", "notebook timeout"],
)
def test_what_goes_wrong_is_told_apart(tmp_path: Path, lab_home, cell, limits, state, reason):
    path = write_notebook(tmp_path / "toy.ipynb", "print('before')", cell)
    children = set(psutil.Process().children(recursive=True))
    status = execute(make_job(path, {}), limits)
    assert status.state == state
    assert re.search(reason, status.reason)
    assert set(psutil.Process().children(recursive=True)) <= children
    folder = lab_home / "reports" / status.folder
    assert folder.name.endswith(f".failed-{status.run}")
    assert "before" in (folder / "notebook.ipynb").read_text()
    if cell == "1 / 0":
        assert "ZeroDivisionError" in (folder / "report.html").read_text()
    assert not make_job(path, {}).is_done
    assert not list((lab_home / "reports").rglob(".tmp-*"))


def test_a_failure_is_exit_status_1_and_the_next_run_is_another(tmp_path: Path, capsys):
    path = write_notebook(tmp_path / "toy.ipynb", "raise ValueError('<script>x</script>')")
    assert main(["batch", str(path)]) == 1
    assert main(["batch", str(path)]) == 1
    assert "failed in" in capsys.readouterr().out
    folders = [status.folder for status in statuses.all_statuses()]
    assert len(set(folders)) == 2
    assert "<script>x" not in write_index().read_text()


def test_the_last_lines_say_what_did_not_finish_and_what_to_do(tmp_path: Path, monkeypatch, capfd):
    good = make_job(write_notebook(tmp_path / "good.ipynb", "1"), {})
    slow = make_job(write_notebook(tmp_path / "slow.ipynb", "import time; time.sleep(60)"), {})
    monkeypatch.setattr(lineup, "lineup", lambda _: [[slow], [good]])
    assert main(["run", "--cell-timeout", "2"]) == 1
    said = capfd.readouterr()
    assert "good: completed" in said.out
    first, line = said.err.splitlines()[-2:]
    assert first.startswith("1 of 2 notebook runs did not finish; the same command again goes on")
    assert line.startswith("  slow: timed out in ")
    assert "a cell took longer than 2 s; run again, it goes on, or raise --cell-timeout" in line
    assert Path(line.partition("; see ")[2]).is_dir()


def test_a_path_is_no_template(tmp_path: Path, monkeypatch):
    """papermill looks up attributes of the parameters in braces, in both of its paths."""
    folder = tmp_path / "{steps.__class__.__mro__}"
    folder.mkdir()
    monkeypatch.setenv("LABKIT_HOME", str(folder / "home"))
    status = execute(make_job(write_notebook(folder / "toy.ipynb", "1"), {}), LIMITS)
    assert (status.state, status.reason) == ("completed", "")
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_a_run_under_way_is_not_shown_as_a_failure(tmp_path: Path):
    statuses.begin(make_job(write_notebook(tmp_path / "toy.ipynb", "1"), {}))
    assert '<span class="running">running</span>' in write_index().read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-p", 'x=1;__import__("os").system("touch marker");z', "2"], "is not a parameter name"),
        (["-p", "stpes", "2"], "unknown parameter 'stpes'"),
        (["-p", "steps", "many"], "should be int"),
        (["-f", "there_is_no.yaml"], "cannot read parameters"),
    ],
)
def test_a_refusal_starts_no_kernel(tmp_path, monkeypatch, lab_home, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    path = write_notebook(tmp_path / "toy.ipynb", "1")
    assert main(["batch", str(path), *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "marker").exists()
    assert not lab_home.exists()


def test_an_unwritable_home_is_one_line(tmp_path: Path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path / "file" / "home"))
    path = write_notebook(tmp_path / "toy.ipynb", "1")
    assert main(["batch", str(path)]) == 2
    error = capsys.readouterr().err
    assert "cannot write" in error
    assert "set LABKIT_HOME" in error
    assert error.count("\n") == 1


def test_two_runs_of_one_job_are_refused(tmp_path: Path, capsys):
    path = write_notebook(tmp_path / "toy.ipynb", "1")
    with hold(lock_file(make_job(path, {}).folder), "toy.ipynb"):
        assert main(["batch", str(path)]) == 1
    said = f"toy.ipynb with these parameters runs already (process {os.getpid()})"
    assert said in capsys.readouterr().out
    assert statuses.all_statuses() == []


@pytest.mark.parametrize(
    "arguments", [["--workers", "0"], ["--workers", "-1"], ["--timeout", "-5"], ["--timeout", "x"]]
)
def test_limits_are_whole_numbers_of_at_least_one(tmp_path: Path, capsys, arguments):
    path = write_notebook(tmp_path / "toy.ipynb", "1")
    with pytest.raises(SystemExit, match="2"):
        main(["batch", str(path), *arguments])
    assert "at least 1" in capsys.readouterr().err


def test_a_notebook_whose_report_fails_is_kept_with_the_reason(tmp_path, lab_home, monkeypatch):
    monkeypatch.setattr(publish, "write_report", lambda *_: {}["unexpected"])
    path = write_notebook(tmp_path / "toy.ipynb", "print('here')")
    status = execute(make_job(path, {}), LIMITS)
    assert (status.state, status.reason) == ("failed", "no report: KeyError: 'unexpected'")
    assert "here" in (lab_home / "reports" / status.folder / "notebook.ipynb").read_text()


def test_run_numbers_are_taken_once_by_many_at_a_time(tmp_path: Path):
    job = make_job(write_notebook(tmp_path / "toy.ipynb", "1"), {})
    numbers: list[int] = []
    threads = [
        threading.Thread(target=lambda: numbers.append(statuses.begin(job).run)) for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(1, 21))


def test_forcing_keeps_what_was_there(tmp_path: Path, lab_home):
    job = make_job(write_notebook(tmp_path / "toy.ipynb", "1"), {})
    assert run_jobs([job], LIMITS) == []
    assert run_jobs([job], LIMITS, force=True) == []
    names = sorted(p.name for p in job.folder.parent.iterdir())
    assert names == [job.key, f"{job.key}.before-2"]
