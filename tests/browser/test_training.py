"""A run seen from a notebook: live, paused, resumed, outliving its kernel, seen again."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

pytest.importorskip("lightning", reason="needs labkit[train]")

from labkit.core.records.run import RunRecord
from tests.browser.lab import Lab
from tests.training.tiny import tiny_plan, write_tiny_corpus

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "50_fsdp_training.ipynb"
READOUT, CURVE = ".labkit-monitor .labkit-readout", ".labkit-monitor path.js-line"
OVERRIDES = {
    "compute.precision": "fp32",
    "compute.num_threads": 1,
    "evaluation.num_evaluations": 2,
    "evaluation.sample_tokens": 16,
}
"""A run of 14 steps would evaluate 10 times, longer than it trains."""
STEPS = {1: 6000, 2: 1500}
pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.mark.parametrize("processes", [1, 2])
def test_a_run_outlives_its_kernel_and_is_seen_again(
    processes, lab: Lab, write_notebook, tmp_path, monkeypatch
):
    home = lab.folder.parent / "artifacts"
    monkeypatch.setenv("LABKIT_HOME", str(home))
    plan = tmp_path / "plan.json"
    num_steps = STEPS[processes]
    plan.write_text(tiny_plan(write_tiny_corpus(home), num_steps).model_dump_json())
    launch = write_notebook(
        f"launch-{processes}",
        "from pathlib import Path\n"
        "from labkit.training.__main__ import read_plan\n"
        "from labkit.training.launch import launch\n"
        "from labkit.widgets.run_monitor import RunMonitor\n"
        f"run = launch(read_plan(Path({str(plan)!r})), processes={processes})\n"
        "RunMonitor(run)",
    )
    with lab.page_of(launch) as notebook:
        assert notebook.run_all(), notebook.errors_in_cells()
        run_id = notebook.ask_kernel("print(run.run_id)")
        first = notebook.text(READOUT)
        notebook.wait_for_change(CURVE, "M0,0", "d")
        notebook.wait_for_change(READOUT, first)
        click(notebook, "pause")
        wait_for_answer(notebook, f"{run_id}: asked for pause")
        wait_for_state(notebook, "paused")
        click(notebook, "pause")
        assert "is not running (paused)" in notebook.page.get_by_role("alert").inner_text()
        click(notebook, "resume")
        wait_for_state(notebook, "running")
        notebook.page.screenshot(path=tmp_path / "running.png")
        assert notebook.console_errors == []
        kernel = int(notebook.ask_kernel("import os; print(os.getpid())"))
        os.kill(kernel, signal.SIGKILL)
    again = write_notebook(
        f"again-{processes}",
        f"from labkit import lab\nrun = lab.attach({run_id!r})\nlab.monitor(run)",
    )
    with lab.page_of(again) as notebook:
        assert notebook.run_all(), notebook.errors_in_cells()
        wait_for_state(notebook, "finished")
        notebook.page.screenshot(path=tmp_path / "finished.png")
        assert f"{num_steps:,} of {num_steps:,}" in notebook.text(READOUT)
        assert notebook.outside_requests == []
    record = RunRecord(home / "runs" / run_id)
    assert [row["step"] for row in record.rows("step")] == list(range(1, num_steps + 1))
    assert len(record.read("processes")) == processes


def test_a_person_runs_notebook_50_and_moves_the_schedule(lab: Lab, tmp_path: Path):
    path = tmp_path / NOTEBOOK.name
    content = NOTEBOOK.read_text()
    overrides = json.dumps(OVERRIDES).replace('"', '\\"')
    for given, used in (
        ("decision:11", "python-docs"),
        ("num_tokens: int = 400_000", "num_tokens: int = 20_000"),
        ("d_model: int = 128", "d_model: int = 32"),
        ('tracking: str = \\"offline\\"', 'tracking: str = \\"off\\"'),
        ("overrides: dict = {}", f"overrides: dict = {overrides}"),
    ):
        assert given in content
        content = content.replace(given, used)
    path.write_text(content)
    with lab.page_of(path) as notebook:
        assert notebook.run_all(), notebook.errors_in_cells()
        assert "finished" in notebook.text(READOUT)
        panel = ".labkit-panel:has(.labkit-form)"
        curve = f"{panel} path.js-line"
        notebook.page.locator(curve).first.wait_for(state="attached")
        before = notebook.page.locator(curve).first.get_attribute("d") or ""
        notebook.page.locator(f"{panel} .labkit-field-schedule-preset select").select_option(
            "cosine"
        )
        notebook.wait_for_change(curve, before, "d")
        notebook.page.locator(panel).screenshot(path=tmp_path / "panel.png")
        assert notebook.ask_kernel("print(panel.value.schedule.shape)") == "cosine"
        assert notebook.console_errors == []
        assert notebook.outside_requests == []


def click(notebook, name: str) -> None:
    notebook.page.locator(f".labkit-{name}").click()


def wait_for_answer(notebook, said: str) -> None:
    """A click that never came to the kernel is told from a run that does not do as asked."""
    notebook.page.get_by_text(said).wait_for()


def wait_for_state(notebook, state: str) -> None:
    script = """([selector, state]) =>
        document.querySelector(selector)?.innerText.split('\\n').some(l => l.includes(state))"""
    notebook.page.wait_for_function(script, arg=[READOUT, state], timeout=90_000)
