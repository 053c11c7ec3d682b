from __future__ import annotations

import json
from collections import Counter

import numpy as np
import plotly.graph_objects as go
import pyarrow as pa
import pytest

from labkit import lab
from labkit.core.config import ConfigError
from labkit.core.errors import LabError
from labkit.core.parameter_file import load_parameters
from labkit.data.pipeline.run import run_pipeline
from labkit.data.readers import SCHEMA, read_documents
from labkit.data.rules.measured import MeasuredDocuments, measure
from labkit.data.rules.presets import english
from labkit.data.rules.rule import Rule, RuleSet
from labkit.widgets.threshold_panel import ThresholdPanel
from tests.hostile import HOSTILE_TEXTS, active_elements

NUM_TRIALS, NUM_TEXTS, MAX_CHARACTERS = 100, 240, 3000
SHORT = Rule(
    id="short",
    value="num_words",
    refuse="below",
    threshold=2,
    highest=10,
    unit="words",
    source="us",
)
SHOUTING = Rule(id="loud", value="num_uppercase / num_letters", refuse="above", threshold=0.5)
RULES = RuleSet(name="two", rules=(SHORT, SHOUTING))
TEXTS = ["one", "one two", "ONE TWO", "one two three", "one TWO", "ring bob@web.de at once"]


def batch(texts: list[str], language: str = "en") -> pa.RecordBatch:
    columns = {name: [""] * len(texts) for name in SCHEMA.names}
    columns |= {"id": [str(n) for n in range(len(texts))], "text": texts}
    columns |= {"source": [f"s{n % 2}" for n in range(len(texts))]}
    columns |= {"language": [language] * len(texts)}
    return pa.RecordBatch.from_pydict(columns, SCHEMA)


def real_texts() -> pa.RecordBatch:
    texts: list[str] = []
    for given in read_documents("python-docs"):
        for text in given.column("text").to_pylist():
            texts += [
                text[at : at + MAX_CHARACTERS] for at in range(0, len(text), 4 * MAX_CHARACTERS)
            ]
    return batch(texts[:NUM_TEXTS])


@pytest.fixture
def panel(monkeypatch: pytest.MonkeyPatch) -> ThresholdPanel:
    monkeypatch.setenv("LABKIT_MODE", "interactive")
    return ThresholdPanel(measure([batch(TEXTS)], RULES))


def move(panel: ThresholdPanel, name: str, value: str) -> None:
    panel.controls[name].number.main.value = value


def random_changes(documents: MeasuredDocuments, rng: np.random.Generator) -> dict:
    """Thresholds that some document has exactly, or between two of them; some rules off."""
    changes = {}
    for rule, values in zip(documents.rule_set.rules, documents.values, strict=True):
        quantile = rng.beta(0.3, 3) if rule.refuse == "below" else rng.beta(3, 0.3)
        method = str(rng.choice(["nearest", "midpoint"]))
        drawn = float(np.quantile(values, quantile, method=method))
        changes[rule.id] = None if rng.random() < 0.1 else drawn
    return changes


def test_counts_equal_a_pipelines_for_a_hundred_random_threshold_sets(monkeypatch):
    monkeypatch.setenv("LABKIT_MODE", "interactive")
    given = real_texts()
    panel = ThresholdPanel(measure([given.slice(0, 100), given.slice(100)], english()))
    rng = np.random.default_rng(0)
    num_kept = set()
    for _ in range(NUM_TRIALS):
        panel.show(random_changes(panel.documents, rng))
        kept, dropped = panel.value.apply(given)
        verdict = panel.verdict
        assert f"<p>{kept.num_rows:,} of {given.num_rows:,} documents are kept" in (
            panel.readout.value
        )
        ours = dict(zip(panel.documents.rule_set.ids, verdict.num_dropped.tolist(), strict=True))
        assert {name: n for name, n in ours.items() if n} == Counter(
            dropped.column("rule").to_pylist()
        )
        ratio = kept.num_rows / given.num_rows
        assert f">{ratio:.1%}, {kept.num_rows:,} of {given.num_rows:,}</td>" in panel.rates.value
        num_kept.add(kept.num_rows)
    assert len(num_kept) > 30


def test_the_pipeline_drops_what_the_panel_says(monkeypatch, tmp_path):
    monkeypatch.setenv("LABKIT_MODE", "interactive")
    corpus = tmp_path / "corpus.jsonl"
    lines = [json.dumps({"text": text}) for text in real_texts().column("text").to_pylist()]
    corpus.write_text("\n".join(lines))
    panel = ThresholdPanel(measure(read_documents(str(corpus)), english()))
    move(panel, "gopher_short_doc", "250")
    panel.controls["char_dup_ratio"].switch.value = False
    curated = run_pipeline(str(corpus), [panel.value])
    rows = {row["rule"]: row["documents"] for row in curated.funnel.rules().to_pylist()}
    counts = dict(zip(english().ids, panel.verdict.num_dropped.tolist(), strict=True))
    assert rows == {name: n for name, n in counts.items() if n}
    assert "char_dup_ratio" not in panel.value.ids


def test_a_moved_control_moves_counts_bars_and_flips(panel):
    assert panel.readout.value.startswith("<p>4 of 6 documents are kept (66.7%), 2 dropped.")
    move(panel, "short", "3")
    assert panel.value == RULES.with_thresholds({"short": 3})
    assert "0 more kept, 2 more dropped" in panel.readout.value
    assert "width:33.33%" in panel.rates.value
    assert ">33.3%, 2 of 6</td>" in panel.rates.value
    assert "2 of 2 documents whose verdict changed" in panel.flips.value
    assert "now DROPPED: short, 2 against 3 · s1 · en · 1" in panel.flips.value
    row = panel.controls["short"]
    assert row.dropped.value == "drops 4, +3 against preset"
    row.switch.value = False
    assert row.dropped.value == "switched off, -1 against preset"


def test_how_many_rules_there_are_is_said_where_some_are_out_of_sight(panel):
    assert panel.heading.value.startswith("<p>2 rules in their order")
    assert "scroll" not in panel.heading.value
    whole = ThresholdPanel(measure([batch(TEXTS)], english()))
    assert f"<p>{len(whole.controls)} rules in their order" in whole.heading.value
    assert "12 are seen at a time, scroll for the others" in whole.heading.value


def test_value_and_threshold_are_shown_apart_however_near():
    long = SHORT.with_overrides({"refuse": "above", "threshold": 100_000, "highest": 1e6})
    near = SHOUTING.with_overrides({"threshold": 0.9})
    values = np.array([[100_001.0, 1.0], [0.0, 0.100004]])
    facts = pa.table({"id": ["1", "2"], "source": ["s", "s"], "language": ["en", "en"]})
    rules = RuleSet(name="two", rules=(long, near))
    documents = MeasuredDocuments(rules, values, facts, lambda rows: ["text"] * len(rows))
    panel = ThresholdPanel(documents)
    kept = panel.flip_samples(documents.judge({"short": None, "loud": 0.1})).markup
    assert "preset dropped it: short, 100,001 against 100,000 ·" in kept
    assert "now DROPPED: loud, 0.100004 against 0.1 ·" in kept
    assert "1e+06" not in panel.rule_table(documents.judge({"short": 1e6})).markup


def test_a_kept_flip_names_the_rule_that_dropped_it(panel):
    panel.controls["loud"].switch.value = False
    (flip,) = panel.documents.flips(panel.verdict, 20, seed=0)
    assert flip[:7] == ("2", "s0", "en", True, "loud", 1.0, 0.5)
    assert panel.value.ids == ["short"]
    assert panel.changes == {"loud": None}


def test_examples_hold_still_show_no_personal_data_and_are_drawn_anew(panel):
    move(panel, "short", "10")
    assert "&lt;EMAIL&gt;" in panel.flips.value
    assert "bob@" not in panel.flips.value
    first = [flip.id for flip in panel.documents.flips(panel.verdict, 2, seed=1)]
    move(panel, "short", "9")
    assert [flip.id for flip in panel.documents.flips(panel.verdict, 2, seed=1)] == first
    drawn = {
        tuple(flip.id for flip in panel.documents.flips(panel.verdict, 2, seed))
        for seed in range(20)
    }
    assert len(drawn) > 3


def test_ids_are_shown_as_texts_are_and_only_what_is_shown_is_held():
    given = batch(TEXTS)
    ids = pa.array([f"ann@web.de/{n}" for n in range(len(TEXTS))])
    documents = measure([given.set_column(given.schema.get_field_index("id"), "id", ids)], RULES)
    for least in range(3, 9):
        for seed in range(4):
            flips = documents.flips(documents.judge({"short": least}), 2, seed)
            assert all(flip.id in [f"<EMAIL>/{n}" for n in range(len(TEXTS))] for flip in flips)
            assert len(documents._shown) == len(flips)


def test_what_cannot_be_read_is_said_and_changes_nothing(panel, tmp_path):
    move(panel, "short", "many")
    assert "short=&#x27;many&#x27;: should be a number" in panel.controls["short"].line.value
    assert panel.value == RULES
    with pytest.raises(ConfigError, match="short"):
        panel.save(tmp_path / "params.yaml")
    move(panel, "short", "2")
    assert panel.controls["short"].line.value == ""


def test_the_last_rule_stays_on(panel):
    panel.controls["short"].switch.value = False
    panel.controls["loud"].switch.value = False
    assert panel.controls["loud"].switch.value
    assert "every rule is switched off" in panel.controls["loud"].line.value
    assert panel.value.ids == ["loud"]


def test_what_is_saved_makes_the_same_rules(panel, tmp_path):
    move(panel, "short", "4")
    panel.controls["loud"].switch.value = False
    changes = load_parameters(panel.save(tmp_path / "params.yaml"))["thresholds"]
    assert changes == {"short": 4.0, "loud": None}
    again = ThresholdPanel(panel.documents)
    again.show(changes)
    assert again.value == panel.value
    rules = json.loads(panel.save_rules(tmp_path / "rules.json").read_text())
    assert RuleSet.model_validate(rules) == panel.value


def test_a_folder_that_is_not_there_is_named_not_made(panel, tmp_path):
    for save in (panel.save, panel.save_rules):
        with pytest.raises(
            LabError, match=r"there is no folder .*/a/b; make it, or .*/params.yaml"
        ):
            save(tmp_path / "a" / "b" / "params.yaml")
    assert list(tmp_path.iterdir()) == []


def test_what_is_saved_of_a_curation_is_the_curation_with_all_its_thresholds(
    monkeypatch, tmp_path, lab_home
):
    monkeypatch.setenv("LABKIT_MODE", "interactive")
    given = {"corpus": "python-docs", "steps": "rules", "thresholds": {"gopher_short_doc": 30}}
    curation = lab.curate(**given)
    panel = lab.threshold_panel(curation)
    assert panel.value == curation.config.rules
    assert panel.verdict.is_kept.sum() == curation.curated.documents().num_rows
    move(panel, "dup_line_frac", "0.2")
    saved = load_parameters(panel.save(tmp_path / "params.yaml"))
    assert saved["thresholds"] == {"gopher_short_doc": 30, "dup_line_frac": 0.2}
    again = type(curation.config).from_parameters(saved)
    assert again.corpus == "python-docs"
    assert again.rules == panel.value


def test_in_batch_it_is_static_and_its_value_what_was_given(monkeypatch):
    monkeypatch.setenv("LABKIT_MODE", "batch")
    shown: list = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    panel = ThresholdPanel(measure([batch(TEXTS)], RULES))
    panel._ipython_display_()
    assert panel.value is RULES
    assert panel.controls == {}
    assert type(shown[1]) is go.Figure
    assert "drops first" in shown[2].markup


def test_hostile_documents_and_rules_stay_text(monkeypatch):
    monkeypatch.setenv("LABKIT_MODE", "interactive")
    given = batch(HOSTILE_TEXTS)
    for name in ("id", "source", "language"):
        given = given.set_column(given.schema.get_field_index(name), name, pa.array(HOSTILE_TEXTS))
    rules = [
        Rule(id=text, value="num_words", refuse="below", threshold=0, unit=text, source=text)
        for text in HOSTILE_TEXTS
    ]
    panel = ThresholdPanel(measure([given], RuleSet(name=HOSTILE_TEXTS[0], rules=tuple(rules))))
    panel.show({HOSTILE_TEXTS[0]: 10**6})
    assert panel.flips.value.count("<details") == len(HOSTILE_TEXTS)
    shown = [part.value for part in (panel.readout, panel.rates, panel.flips)]
    for markup in [*shown, panel.rule_table(panel.verdict).markup]:
        assert active_elements(markup) == []
    for trace in panel.static_figure().data:
        labels = [*trace.y, *(trace.text or []), trace.name or "", trace.hovertemplate or ""]
        assert active_elements(" ".join(map(str, labels)).replace("<extra></extra>", "")) == []


def test_small_groups_are_counted_as_one():
    texts = [f"word {n}" for n in range(40)]
    given = batch(texts)
    sources = pa.array([f"s{n}" for n in range(20)] * 2)
    documents = measure(
        [given.set_column(given.schema.get_field_index("source"), "source", sources)], RULES
    )
    rates = documents.keep_rates(documents.as_given)
    assert [one.num_documents for one in rates] == [40, *[2] * 11, 18]
    assert rates[-1].name == "others (9 groups)"


def test_a_threshold_that_no_value_can_have_is_a_fault_and_changes_nothing(panel, tmp_path):
    move(panel, "short", "-1")
    assert panel.controls["short"].fault == "short='-1': should be 0 or more"
    assert panel.changes == {}
    with pytest.raises(ConfigError, match="should be 0 or more"):
        panel.save(tmp_path / "params.yaml")
