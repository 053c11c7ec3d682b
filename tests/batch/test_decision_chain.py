from __future__ import annotations

from pathlib import Path

from labkit.batch.decision_chain import decision_chain
from labkit.batch.status import Status
from labkit.core.records.decision import Decision, record_decision, reference
from labkit.cost.config import CostConfig
from tests.hostile import active_elements


def record(notebook: str, choice: str, **reads: Path) -> Path:
    decision = Decision(
        notebook=notebook,
        question="which?",
        choice=choice,
        artifact=f"datasets/{choice[:3]}",
        corpus_hash=choice[:3],
        reads={f"decision:{name[1:]}": reference(folder) for name, folder in reads.items()},
        alternatives=[],
        evidence={},
        scope="toy",
    )
    return record_decision(decision, CostConfig(), {})


def test_the_chain_is_what_was_read_and_links_to_the_reports(lab_home: Path):
    explored = record("10_data_exploration", "old text")
    curated = record("11_data_curation", "<b>clean</b> text", n10=explored)
    record("20_tokenizer_comparison", "bpe of it", n11=curated)
    record("10_data_exploration", "new text that nobody read")
    folder = Path("11_data_curation/0123")
    (lab_home / "reports" / folder).mkdir(parents=True)
    (lab_home / "reports" / folder / "report.html").touch()
    name = reference(curated)
    run = Status(run=1, notebook="11_data_curation", key="0123", parameters={}, state="completed")
    run = run.model_copy(update={"decision": name, "folder": str(folder)})
    shown = decision_chain({name: run})
    rows = shown.partition("<tbody>")[2].split("<tr>")[1:]
    assert len(rows) == 3
    assert "old text" in rows[0]
    assert "bpe of it" in rows[2]
    link = '<a href="11_data_curation/0123/report.html">11_data_curation</a>'
    assert rows[1].startswith(f"<td>{link}</td>")
    assert f"<td>{link}</td>" in rows[2]
    assert "<td>10_data_exploration</td>" in rows[1]
    assert "new text" not in shown
    assert active_elements(shown) == ["<a>", "<a>"]


def test_decisions_that_rest_on_nothing_are_no_chain():
    record("40_cost_and_scaling", "8 GPUs")
    assert decision_chain({}) == ""
