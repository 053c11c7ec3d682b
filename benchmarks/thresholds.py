"""From a key press on a threshold's slider to the page drawn anew, 50,000 documents, in Chromium.

    python -m benchmarks.thresholds [--moves 60] [--documents 50000]

A JupyterLab of its own in a headless Chromium. The clock is the page's: from the key press to the
first frame after counts, bars, what each rule drops and examples have all changed in the document.
The floor is ipywidgets alone, a slider whose observer writes into a label, on the same page; the
two take turns, move by move. Documents are passages of real text, `CHARACTERS` each; sources are
made up, as many as the panel shows.

Before any figure: the numbers on the page are those of the rule set applied to the texts, at the
first and at the last threshold.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from benchmarks.result import Record, conditions, ratios, write
from benchmarks.texts import gather
from labkit.cli.doctor import find_browser
from labkit.core.errors import LabError

CHARACTERS, NUM_SOURCES, WARM_UP, TARGET_MS = 1500, 12, 5, 150
RULE, START, SWING = "gopher_short_doc", 200, 15
"""From a threshold that many passages are near, so many presses up and as many down again."""
CELLS = (
    "import ipywidgets\n"
    "from labkit.data.readers import read_documents\n"
    "from labkit.data.rules.measured import measure\n"
    "from labkit.data.rules.presets import english\n"
    "from labkit.widgets.threshold_panel import ThresholdPanel\n"
    "slider, label = ipywidgets.IntSlider(max=10**4), ipywidgets.Label('-')\n"
    "slider.observe(lambda change: setattr(label, 'value', str(change['new'])), names='value')\n"
    "floor = ipywidgets.HBox([slider, label])\n"
    "_ = floor.add_class('floor'), label.add_class('floor-label')\n"
    "floor",
    "panel = ThresholdPanel(measure(read_documents(CORPUS), english()))\n"
    f"panel.show({{{RULE!r}: {START}}})\n"
    "panel",
)
COUNTS = """
kept = sum(panel.value.apply(batch).kept.num_rows for batch in read_documents(CORPUS))
said = f"{kept:,} of {len(panel.documents):,} documents are kept"
print(said, panel.verdict.is_kept.sum() == kept)
"""
OURS = (
    ".labkit-panel .labkit-readout",
    ".labkit-panel .labkit-rules",
    ".labkit-panel .labkit-flips",
    ".labkit-panel .labkit-rates",
)
PEER = (".floor-label",)
WATCH = """selectors => {
    const shown = () => selectors.map(one => document.querySelector(one)?.textContent);
    const before = shown();
    let start = null;
    addEventListener('keydown', () => { start = performance.now() }, {capture: true, once: true});
    window.__move = new Promise((done, refuse) => {
        setTimeout(() => refuse(new Error('unchanged: ' + shown())), 20000);
        const look = () => {
            const now = shown();
            if (start === null || now.some((text, i) => !text || text === before[i])) return false;
            observer.disconnect();
            requestAnimationFrame(() => setTimeout(() => done(performance.now() - start)));
            return true;
        };
        const observer = new MutationObserver(look);
        observer.observe(document.body, {subtree: true, childList: true, characterData: true});
    }) }"""


def main() -> None:
    from tests.browser.lab import running_lab

    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--moves", type=int, default=60)
    parser.add_argument("--documents", type=int, default=50_000)
    arguments = parser.parse_args()
    browser = find_browser()
    if browser is None:
        raise LabError("no Chromium: apt-get install chromium, or set LABKIT_CHROMIUM to its path")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        corpus = root / "corpus.jsonl"
        num_documents = write_passages(corpus, arguments.documents)
        notebook = root / "thresholds.ipynb"
        write_notebook(notebook, corpus)
        facts = conditions("ipywidgets", "plotly", "jupyterlab")
        with running_lab(root / "lab", browser) as lab, lab.page_of(notebook) as page:
            assert page.run_all(), page.errors_in_cells()
            page.page.locator(OURS[-1]).first.wait_for(state="attached")
            check_counts(page)
            ours, peer = move_both(page, arguments.moves)
            check_counts(page)
            in_kernel = float(page.ask_kernel(IN_KERNEL))
        shutil.rmtree(root / "lab", ignore_errors=True)
    result = record(ours, peer, in_kernel, num_documents) | facts
    print(json.dumps(result, indent=1))
    write("thresholds", result)


IN_KERNEL = """
import time
times = []
for step in range(20):
    started = time.perf_counter()
    panel.controls['gopher_short_doc'].number.main.value = str(200 + step)
    times.append(time.perf_counter() - started)
print(1e3 * sorted(times)[10])
"""


def write_passages(path: Path, num_documents: int) -> int:
    """One record a passage; the number written, less where the machine has less text."""
    number = 0
    with path.open("w", encoding="utf-8") as file:
        for text in gather(num_documents * CHARACTERS / 1e6 * 1.3):
            for start in range(0, len(text), CHARACTERS):
                if number == num_documents:
                    return number
                passage = text[start : start + CHARACTERS]
                source = f"source {number % NUM_SOURCES + 1}"
                file.write(json.dumps({"text": passage, "source": source}) + "\n")
                number += 1
    return number


def write_notebook(path: Path, corpus: Path) -> None:
    import nbformat

    cells = [f"CORPUS = {str(corpus)!r}", *CELLS]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in cells], metadata={"kernelspec": kernel}
    )
    nbformat.write(notebook, path)


def check_counts(page: Any) -> None:
    """What the page says is what the rule set keeps of the texts."""
    said, is_same = page.ask_kernel(COUNTS).rsplit(" ", 1)
    shown = page.text(OURS[0])
    assert is_same == "True", said
    assert shown.startswith(said), f"{shown} is not {said}"


def move_both(page: Any, num_moves: int) -> tuple[list[float], list[float]]:
    """Milliseconds of each move of the panel, and of the floor's slider just after it."""
    ours, peer = [], []
    threshold = page.page.locator(f".labkit-rule-{RULE} .noUi-handle")
    floor = page.page.locator(".floor .noUi-handle")
    for number in range(WARM_UP + num_moves):
        key = "ArrowLeft" if number // SWING % 2 else "ArrowRight"
        ours.append(milliseconds_of_move(page, threshold, OURS, key))
        peer.append(milliseconds_of_move(page, floor, PEER, key))
    return ours[WARM_UP:], peer[WARM_UP:]


def milliseconds_of_move(page: Any, handle: Any, selectors: tuple[str, ...], key: str) -> float:
    handle.focus()
    page.page.wait_for_timeout(100)
    page.page.evaluate(WATCH, list(selectors))
    page.page.keyboard.press(key)
    return page.page.evaluate("() => window.__move")


def record(ours: list[float], peer: list[float], in_kernel: float, num_documents: int) -> Record:
    return {
        "name": f"threshold panel: a key press on {RULE} until the page is drawn anew",
        "equal": "counts on the page are the rule set's on the texts, first and last threshold",
        "peer": "ipywidgets alone on the same page: IntSlider, observer, Label (floor)",
        "ratio": ratios(ours, peer),
        "unit": "ms by the page's clock, per move",
        "num_documents": num_documents,
        "num_moves": len(ours),
        "target_ms": TARGET_MS,
        "share_within_target": sum(one < TARGET_MS for one in ours) / len(ours),
        "ours_ms": figures(ours),
        "peer_ms": figures(peer),
        "ours_in_kernel_median_ms": round(in_kernel, 1),
    }


def figures(values: list[float]) -> dict[str, float]:
    p95 = quantiles(values, n=20)[-1]
    named = {"median": median(values), "p95": p95, "max": max(values)}
    return {name: round(value, 1) for name, value in named.items()}


if __name__ == "__main__":
    main()
