"""Notebooks 30 and 60 as a person sees them: a study, then its runs side by side."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("lightning", reason="needs labkit[train]")

from tests.browser.lab import Lab
from tests.comparison.small import SMALL_STUDY

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def smaller(tmp_path: Path, name: str, *changes: tuple[str, str]) -> Path:
    content = (NOTEBOOKS / f"{name}.ipynb").read_text()
    for given, used in changes:
        assert given in content, given
        content = content.replace(given, used)
    path = tmp_path / f"{name}.ipynb"
    path.write_text(content)
    return path


def test_a_study_is_run_swept_and_its_runs_are_compared(lab: Lab, tmp_path: Path):
    overrides = json.dumps(SMALL_STUDY).replace('"', '\\"')
    study = smaller(
        tmp_path,
        "30_architecture_ablation",
        ('"decision:11\\"', '"python-docs\\"'),
        ('questions: str = \\"all\\"', 'questions: str = \\"positions\\"'),
        ("overrides: dict = {}", f"overrides: dict = {overrides}"),
    )
    with lab.page_of(study) as notebook:
        assert notebook.run_all(), notebook.errors_in_cells()
        panel = notebook.page.locator(".labkit-panel:has(.labkit-form)")
        readout = ".labkit-panel:has(.labkit-form) .labkit-readout"
        before = notebook.text(readout)
        assert "qk_norm=True" in before
        panel.locator("input[placeholder='rope, learned']").fill("none, learned")
        panel.get_by_role("button", name="Add to the grid").click()
        notebook.wait_for_change(readout, before)
        assert "positions=none, positions=learned" in notebook.text(readout)
        panel.screenshot(path=tmp_path / "sweep.png")
        notebook.page.locator(".js-plotly-plot").first.scroll_into_view_if_needed()
        notebook.page.screenshot(path=tmp_path / "study.png")
        assert notebook.ask_kernel("print(panel.study.num_runs)") == str(4 * (2 * 3 + 5))
        assert notebook.console_errors == []
        assert notebook.outside_requests == []

    comparison = smaller(
        tmp_path,
        "60_run_comparison",
        ('"decision:11\\"', '"python-docs\\"'),
        ("decision:30, decision:50", "decision:30"),
    )
    with lab.page_of(comparison) as notebook:
        assert notebook.run_all(), notebook.errors_in_cells()
        curve = ".labkit-panel path.js-line"
        notebook.page.locator(curve).first.wait_for(state="attached")
        before = notebook.page.locator(curve).first.get_attribute("d") or ""
        notebook.page.locator(".labkit-panel select").first.select_option("train/loss")
        notebook.wait_for_change(curve, before, "d")
        notebook.page.locator(".labkit-panel").screenshot(path=tmp_path / "curves.png")
        assert notebook.ask_kernel("print(len(comparison.groups))") == "4"
        assert notebook.console_errors == []
        assert notebook.outside_requests == []
