"""Each notebook as a person sees it: it runs, a control moves number and figure, nothing leaks."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from tests.browser.lab import Lab

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
READOUT, MARK = ".labkit-readout", ".barlayer .point path"
pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


class Case(NamedTuple):
    """What to move in a notebook's panel (or to type, where times is 0), where no lost key press
    lands, and what to replace so that it runs offline.
    """

    field: str
    key: str
    times: int
    lands_on: str
    replaced: tuple[tuple[str, str], ...] = ()


CASES = {
    "10_data_exploration": Case(
        "max_characters", "PageDown", 20, "10000", (("shakespeare", "python-docs"),)
    ),
    "20_tokenizer_comparison": Case(
        "text",
        "antidisestablishmentarianism",
        0,
        "antidisestablishmentarianism",
        (("sanguo, python-stdlib", ""), ("decision:11", "python-docs"), ("gpt2, qwen3", "")),
    ),
    "40_cost_and_scaling": Case("num_gpus", "ArrowLeft", 40, "10"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_person_runs_it_and_moves_a_control(lab: Lab, tmp_path: Path, name: str):
    case, path = CASES[name], tmp_path / f"{name}.ipynb"
    content = (NOTEBOOKS / path.name).read_text()
    for given, used in case.replaced:
        content = content.replace(given, used)
    path.write_text(content)
    with lab.page_of(path) as notebook:
        assert notebook.run_all(), notebook.errors_in_cells()
        panel = notebook.page.locator(".jp-OutputArea-output:has(.labkit-form)")
        panel.locator(MARK).first.wait_for(state="attached")
        notebook.page.screenshot(path=tmp_path / "before.png")
        readout = panel.locator(READOUT).inner_text()
        mark = panel.locator(MARK).first.get_attribute("d") or ""

        if case.times:
            row = panel.locator(f".widget-hbox:has(> .labkit-field-{case.field})")
            notebook.press(row.locator(".noUi-handle"), case.key, case.times)
        else:
            box = panel.locator(f".labkit-field-{case.field} input")
            box.fill(case.key)
            box.press("Enter")

        within = ".jp-OutputArea-output:has(.labkit-form) "
        notebook.wait_for_change(within + READOUT, readout)
        notebook.wait_for_change(within + MARK, mark, "d")
        panel.screenshot(path=tmp_path / "after.png")
        assert notebook.ask_kernel(f"print(panel.value.{case.field})") == case.lands_on
        assert notebook.console_errors == []
        assert notebook.outside_requests == []


def test_forms_first_display_and_mode(lab: Lab, write_notebook, tmp_path: Path):
    """0.1 x 3 has no short float: a slider that reports its noise would change the hash."""
    path = write_notebook(
        "form",
        "from labkit.cost.config import CostConfig\n"
        "from labkit.widgets.form import ConfigForm\n"
        "from labkit.widgets.mode import is_interactive\n"
        "given, seen = CostConfig(mfu=0.1, goodput=0.1 * 3, num_gpus=1000), []\n"
        "form = ConfigForm(given)\n"
        "form.observe(seen.append)\n"
        "form",
    )
    with lab.page_of(path) as notebook:
        assert notebook.run_all(), notebook.errors_in_cells()
        for title in ("model: advanced", "memory: advanced"):
            notebook.page.get_by_text(title).click()
        notebook.page.locator(".labkit-field-memory-micro_batch").wait_for()
        notebook.page.wait_for_timeout(1000)
        notebook.page.screenshot(path=tmp_path / "form.png")
        asked = "print(is_interactive(), form.value.hash == given.hash, len(seen))"
        assert notebook.ask_kernel(asked) == "True True 0"

        box = notebook.page.locator(".labkit-field-mfu input")
        box.fill("3")
        box.press("Enter")
        fault = notebook.page.get_by_role("alert")
        fault.wait_for()
        notebook.page.screenshot(path=tmp_path / "fault.png")
        assert fault.inner_text() == "mfu=3.0: should be less than or equal to 0.95"
        box.fill("0.35")
        box.press("Enter")
        fault.wait_for(state="detached")
        assert notebook.ask_kernel("print(form.value.mfu, len(seen))") == "0.35 1"
        assert notebook.console_errors == []
