from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from labkit.core.config import validate
from labkit.core.errors import LabError
from labkit.data.duplicates.exact import ExactDuplicates
from labkit.data.duplicates.lines import RepeatedLines
from labkit.data.duplicates.near import NearDuplicates
from labkit.data.life_trace import Lives
from labkit.data.mixture.weights import MixtureConfig
from labkit.data.personal_data.config import PersonalDataConfig
from labkit.data.personal_data.redact import RedactPersonalData
from labkit.data.pipeline.run import run_pipeline
from labkit.data.readers import read_documents
from labkit.data.rules.c4 import C4
from labkit.data.rules.presets import english
from labkit.data.rules.rule import Rule, RuleSet
from labkit.data.training_windows import TokenSpan
from tests.data.byte_changes import apply_changes

LONG = " ".join(f"word{n} and the rest of it" for n in range(40))
MAIL = "Write to bob@web.de or to ann.lee@mail.example.org. " + LONG.replace("word", "page")
TEXTS = [LONG, "too short", LONG, LONG.replace("word7 ", "ward7 "), MAIL, "also short"]


def write(path: Path, texts: list[str]) -> str:
    sources = ("web", "books")
    lines = [
        {"text": text, "id": f"d{n}", "source": sources[n % 2], "licence": "CC0-1.0"}
        for n, text in enumerate(texts)
    ]
    path.write_text("\n".join(map(json.dumps, lines)))
    return str(path)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    corpus = write(folder / "c.jsonl", TEXTS)
    rules = english().with_thresholds({"gopher_short_doc": 5, "gopher_enough_stop_words": 0})
    off = {name: 1.0 for name in rules.ids if name.startswith(("dup", "top", "char_dup"))}
    rules = rules.with_thresholds(off | {"line_punct_ratio": 0})
    steps = [ExactDuplicates(), rules, NearDuplicates(threshold=0.7), RedactPersonalData()]
    return run_pipeline(corpus, steps, folder=folder / "out"), corpus, steps


def test_a_document_that_a_rule_dropped(small):
    trace = Lives(*small).trace(1)
    assert trace.fate == "dropped by gopher_short_doc, step 2"
    assert trace.origin["id"] == "d1"
    assert trace.origin["licence"] == "CC0-1.0"
    values = {check.rule: check for check in trace.checks}
    assert values["gopher_short_doc"][2:] == (2.0, 5.0, "below", "dropped by it", "words")
    assert values["gopher_long_doc"].verdict == "passed"
    assert len(trace.checks) == 1 + len(small[2][1].rules)
    assert (trace.text, trace.windows, trace.copies) == (b"too short", None, [])


def test_copies_name_each_other_and_the_one_that_stays(small):
    lives = Lives(*small)
    for row in (0, 2):
        (copies,) = [one for one in lives.trace(row).copies if one.rule == "exact_duplicates"]
        assert (copies.kept_row, [one.row for one in copies.members]) == (0, [0, 2])
    near = lives.trace(3)
    assert near.fate == "dropped by near_duplicates, step 3"
    assert near.copies[0][:3] == ("near_duplicates", 0, 2)
    assert near.copies[0].members[0] == (0, "d0", "kept")
    assert lives.trace(4).copies == []


def test_personal_data_is_counted_and_never_in_the_trace(small):
    trace = Lives(*small).trace(4)
    assert (trace.fate, trace.personal_data) == ("kept", {"EMAIL": 2})
    assert trace.is_redacted
    assert trace.text.startswith(b"Write to <EMAIL> or to <EMAIL>. page0 and")
    assert "bob" not in repr(trace)
    assert "ann.lee" not in repr(trace)


def test_rewriting_gives_the_kept_bytes(tmp_path):
    corpus = write(tmp_path / "c.jsonl", [f"Ask bob@web.de, {n}. {LONG[n:]}" for n in range(3)])
    steps = [RedactPersonalData()]
    lives = Lives(run_pipeline(corpus, steps), corpus, steps)
    for row, given in enumerate(read_documents(corpus).__next__().column("text").to_pylist()):
        trace = lives.trace(row)
        (rewriting,) = trace.rewritings
        assert apply_changes(given.encode(), rewriting.changes) == trace.text
        assert rewriting.changes[0][:2] == (4, b"*" * len("bob@web.de"))
        assert trace.checks[0].verdict == "rewritten"
        assert trace.personal_data == {"EMAIL": 1}
        assert "web.de" not in repr(trace)


def test_personal_data_that_no_step_replaces_is_masked(tmp_path):
    corpus = write(tmp_path / "c.jsonl", ["Ask bob@web.de."])
    trace = Lives(run_pipeline(corpus, []), corpus, []).trace(0)
    assert (trace.personal_data, trace.is_redacted) == ({"EMAIL": 1}, False)
    assert trace.shown == "Ask **********."
    assert trace.text == b"Ask bob@web.de."


def test_personal_data_in_an_address_and_in_ids_is_masked(tmp_path):
    path = tmp_path / "c.jsonl"
    record = {"text": LONG, "id": "sent/bob@web.de/1", "url": "https://x.org/?to=bob@web.de"}
    path.write_text("\n".join([json.dumps(record)] * 2))
    corpus, steps = str(path), [ExactDuplicates()]
    lives = Lives(run_pipeline(corpus, steps), corpus, steps)
    for row in (0, 1):
        trace = lives.trace(row)
        assert trace.origin["url"].startswith("https://x.org/")
        assert trace.origin["id"] == "sent/**********/1"
        assert trace.num_of_id == len(trace.copies[0].members) == 2
        assert "bob@web.de" not in repr(trace)
    assert lives.trace("sent/bob@web.de/1") == lives.trace(0)


def test_what_the_config_of_the_run_finds_is_masked_too(tmp_path):
    corpus = write(tmp_path / "c.jsonl", ["the host is 10.77.88.99 today"])
    steps = [RedactPersonalData(PersonalDataConfig(ip_ranges="all"))]
    trace = Lives(run_pipeline(corpus, steps), corpus, steps).trace(0)
    assert trace.text == b"the host is <IP_ADDRESS> today"
    assert "10.77" not in repr(trace)


def test_lines_that_a_survey_took_out_are_seen(tmp_path):
    texts = [f"This is line {n} of the text.\nbuy now, buy here\nAnd more {n}." for n in range(9)]
    texts[4] = "a text without the line\nand another one"
    corpus = write(tmp_path / "c.jsonl", texts)
    steps = [RepeatedLines(max_documents=3), RedactPersonalData()]
    lives = Lives(run_pipeline(corpus, steps), corpus, steps)
    trace = lives.trace(2)
    assert [one.step for one in trace.rewritings] == ["repeated_lines"]
    assert b"".join(change.removed for change in trace.rewritings[0].changes).count(b"buy") == 2
    assert not trace.is_exact
    assert lives.trace(4).is_exact


def test_what_only_the_lost_lines_would_have_dropped_is_traced(tmp_path):
    texts = [f"### ### ### menu\nWrite to bob{n}@web.de, this is the body." for n in range(9)]
    corpus = write(tmp_path / "c.jsonl", texts)
    hashes = {"value": "num_hashes / num_words", "refuse": "above", "threshold": 0.1}
    shouting = {"value": "num_uppercase", "refuse": "above", "threshold": 3}  # [EMAIL] would be
    rules = [validate(Rule, {"id": "a"} | hashes), validate(Rule, {"id": "b"} | shouting)]
    steps = [
        RepeatedLines(max_documents=3),
        RuleSet(name="rules", rules=tuple(rules)),
        RedactPersonalData(PersonalDataConfig(placeholder="square")),
    ]
    lives = Lives(run_pipeline(corpus, steps), corpus, steps)
    trace = lives.trace(2)
    assert (trace.fate, trace.text) == ("kept", b"Write to [EMAIL], this is the body.")
    assert not trace.is_exact
    assert trace.is_redacted
    assert trace.personal_data == {"EMAIL": 1}
    assert "dropped by it" not in {check.verdict for check in trace.checks}
    assert "bob" not in repr(trace)


def test_traces_of_real_documents_are_what_the_run_stored(tmp_path, monkeypatch):
    monkeypatch.setattr("labkit.data.pipeline.writing.GROUP_BYTES", 20_000)
    texts = next(iter(read_documents("python-docs"))).column("text").to_pylist()
    corpus = write(tmp_path / "c.jsonl", [text[:6000] for text in texts[:40]])
    steps = [ExactDuplicates(), C4(), english(), RedactPersonalData()]
    curated = run_pipeline(corpus, steps)
    lives = Lives(curated, corpus, steps)
    kept = curated.documents("row", "text").to_pylist()
    dropped = curated.dropped("row", "text", "rule", "value", "threshold").to_pylist()
    assert kept
    assert dropped
    for row in kept:
        trace = lives.trace(row["row"])
        assert (trace.fate, trace.text) == ("kept", row["text"].encode())
        assert {check.verdict for check in trace.checks} <= {"passed", "rewritten"}
    for row in dropped:
        (check,) = [one for one in lives.trace(row["row"]).checks if "dropped" in one.verdict]
        assert (check.rule, check.value, check.threshold) == (
            row["rule"],
            row["value"],
            row["threshold"],
        )


def test_mixture_and_windows_come_with_a_kept_document(small):
    curated, corpus, steps = small
    text = curated.documents("text")["text"][0].as_py().encode()
    span = TokenSpan(0, len(text), 100, len(text) // 100, lambda at, size: text[at : at + size])
    mixture = MixtureConfig(num_tokens={"web": 300, "books": 100}, budget=800)
    lives = Lives(curated, corpus, steps, mixture=mixture, span={0: span}.get)
    trace = lives.trace(0)
    assert (trace.share, trace.epochs) == (0.75, 2.0)
    assert trace.windows is not None
    assert trace.windows.equals_text
    assert b"".join(one.content for one in trace.windows.windows) == text[: len(text) // 100 * 100]


def test_other_steps_another_corpus_and_no_such_row_are_refused(small, tmp_path):
    curated, corpus, steps = small
    with pytest.raises(LabError, match="made with other steps"):
        Lives(curated, corpus, steps[1:])
    with pytest.raises(LabError, match="made with other corpus"):
        Lives(curated, write(tmp_path / "other.jsonl", ["x"]), steps)
    with pytest.raises(LabError, match="row 99: the corpus has rows 0 to 5"):
        Lives(*small).trace(99)
    for wrong in ("zzz", "9" * 5000, 1.5, True, None):
        with pytest.raises(LabError, match="give a row, from 0 to 5, or an id of the corpus as te"):
            Lives(*small).trace(wrong)
    assert Lives(*small).rows_of("d3") == [3]
    assert [Lives(*small).find(one) for one in ("d3", "3", 3, np.int64(3))] == [3] * 4
    assert np.array_equal(
        np.sort(np.r_[Lives(*small).kept_rows, Lives(*small).dropped_rows]), np.arange(6)
    )
