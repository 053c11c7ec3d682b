"""The notebooks, executed with small parameters: what they record, show and load."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from labkit.batch.execute import Limits, execute
from labkit.batch.job import make_job
from labkit.core.records.decision import current_decision
from labkit.data.curation import CurationConfig
from labkit.data.readers import fingerprint, read_documents
from tests.data.prose import BAKER, COPPER, ISLANDS
from tests.hostile import HOSTILE_TEXTS, active_elements

ROOT = Path(__file__).resolve().parents[2]
EXPLORATION = ROOT / "notebooks" / "10_data_exploration.ipynb"
CURATION = ROOT / "notebooks" / "11_data_curation.ipynb"
TOKENIZERS = ROOT / "notebooks" / "20_tokenizer_comparison.ipynb"
COST = ROOT / "notebooks" / "40_cost_and_scaling.ipynb"


def test_exploring_an_own_corpus_records_its_figures_and_shows_it_inert(tmp_path, lab_home):
    path = tmp_path / "mine.jsonl"
    texts = [*HOSTILE_TEXTS, "twice the same", "twice the same"]
    rows = [{"text": text, "source": "web"} for text in texts]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    job = make_job(EXPLORATION, {"corpus": str(path), "num_examples": 14})
    status = execute(job, Limits(60, 120))
    assert status.state == "completed", status.reason
    decision, folder = current_decision("10_data_exploration", fingerprint(str(path)))
    assert status.decision == f"10_data_exploration/{folder.name}"
    result = json.loads((folder / "result.json").read_text())
    assert result["sizes"][-1]["documents"] == 14
    assert result["sizes"][-1]["bytes"] == sum(len(text.encode()) for text in texts)
    assert [row["copies"] for row in result["exact_duplicates"]] == [2]
    assert (lab_home / decision.artifact / "documents.parquet").is_file()
    body = (job.folder / "report.html").read_text().partition("<body>")[2]
    assert body.count('class="figure"') == 4
    allowed = {"<a>", "<script>"}  # links of our prose and the figures' data
    assert set(active_elements(body)) <= allowed
    for text in HOSTILE_TEXTS:
        assert text not in body or not active_elements(text)


def test_curating_an_own_corpus_drops_with_a_reason_and_hands_on_a_corpus(tmp_path, lab_home):
    path = tmp_path / "mine.jsonl"
    long = [ISLANDS, BAKER, COPPER]
    texts = [*HOSTILE_TEXTS, *long, long[0], "Ask bob@example.org. " + "".join(long)]
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    steps = "exact_duplicates, rules, personal_data"
    job = make_job(CURATION, {"corpus": str(path), "steps": steps, "num_examples": 14})
    status = execute(job, Limits(120, 200))
    assert status.state == "completed", status.reason
    decision, folder = current_decision(
        "11_data_curation", CurationConfig(corpus=str(path)).inputs()["corpus"]
    )
    result = json.loads((folder / "result.json").read_text())
    assert [(row["documents in"], row["kept"]) for row in result["funnel"]] == [
        (len(texts), len(texts) - 1),
        (len(texts) - 1, 4),
        (4, 4),
    ]
    [kept] = read_documents(str(lab_home / decision.artifact / "documents.parquet"))
    assert kept["text"].to_pylist() == [*long, "Ask <EMAIL>. " + "".join(long)]
    body = (job.folder / "report.html").read_text().partition("<body>")[2]
    assert "bob@example.org" not in body
    assert set(active_elements(body)) <= {"<a>", "<script>"}


@pytest.mark.parametrize(
    ("notebook", "parameters"),
    [
        (EXPLORATION, {"corpus": "python-docs"}),
        (CURATION, {"corpus": "python-docs"}),
        (TOKENIZERS, {"corpus": "python-docs", "compare_on": "", "published": ""}),
        (COST, {}),
    ],
)
def test_a_notebook_loads_no_torch(notebook, parameters, tmp_path):
    cells = [c for c in json.loads(notebook.read_text())["cells"] if c["cell_type"] == "code"]
    code = ["".join(cell["source"]) for cell in cells]
    code.insert(1, "\n".join(f"{name} = {value!r}" for name, value in parameters.items()))
    code.append("import sys\nassert not {'torch', 'lightning', 'wandb'} & set(sys.modules)")
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(code)], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "recorded: " in done.stdout
