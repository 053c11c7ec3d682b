"""The README's figures as SVG, from committed facts and results.

python -m benchmarks.figures      needs Chromium, in which plotly draws them
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from urllib.parse import unquote

import plotly.graph_objects as go
from playwright.sync_api import sync_playwright

from labkit import lab
from labkit.cli.doctor import find_browser
from labkit.comparison.study_tables import effects
from labkit.plots.comparison import Effect, effect_figure

DOCS = Path(__file__).resolve().parents[1] / "docs"
WIDTH, HEIGHT = 820, 420


def architectures_figure() -> go.Figure:
    study = json.loads((DOCS / "results" / "architectures.json").read_bytes())
    found = [Effect(**effect) for effect in effects(study["result"])]
    return effect_figure(found, study["result"]["study"]["margin"])


def main() -> int:
    figures = {
        "published_runs.svg": lab.published_hours_figure(),
        "architectures.svg": architectures_figure(),
    }
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_browser(), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        page = browser.new_page()
        for name, figure in figures.items():
            page.set_content(figure.to_html(include_plotlyjs=True, div_id="figure"))
            size = f"{{format: 'svg', width: {WIDTH}, height: {HEIGHT}}}"
            address = page.evaluate(f"Plotly.toImage(document.getElementById('figure'), {size})")
            (DOCS / name).write_text(unquote(address.partition(",")[2]), "utf-8")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
