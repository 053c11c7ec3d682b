"""Six documents of which each step has something to do, and what a config refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from labkit.core.config import ConfigError
from labkit.core.display import escape
from labkit.core.parameter_file import load_parameters
from labkit.core.records.decision import current_decision
from labkit.data.curation import STEPS, CurationConfig, curate
from labkit.data.exploration import Exploration, ExplorationConfig
from labkit.questions.curation.decision import record_curation
from labkit.questions.curation.languages import other_languages
from labkit.questions.curation.sentences import curation_sentences
from labkit.questions.curation.tables import (
    copy_rows,
    dropped_examples,
    funnel_rows,
    kept_rows,
    mixture_table_rows,
    personal_data_rows,
    preset_rows,
    rule_rows,
)
from labkit.questions.exploration.decision import record_corpus
from tests.data.prose import BAKER, COPPER, ISLANDS


@pytest.fixture
def corpus(tmp_path: Path) -> str:
    texts = [
        ("a", "books", ISLANDS),
        ("b", "books", ISLANDS),
        ("c", "books", BAKER + "Write to bob.baker@example.org or to 138 0013 8000."),
        ("d", "web", "Buy now"),
        ("e", "web", COPPER),
        ("f", "web", COPPER + "And so on."),
    ]
    path = tmp_path / "mine.jsonl"
    rows = [{"id": i, "source": source, "text": text} for i, source, text in texts]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + "not JSON\n")
    return str(path)


def test_a_source_of_two_languages_has_the_tokens_of_both(tmp_path, lab_home):
    rows = [("en", ISLANDS), ("zh", "話說天下大勢，分久必合，合久必分。" * 9), ("en", COPPER)]
    path = tmp_path / "two.jsonl"
    documents = [{"source": "web", "language": name, "text": text} for name, text in rows]
    path.write_text("".join(json.dumps(document) + "\n" for document in documents))
    curation = curate(CurationConfig(corpus=str(path), steps="exact_duplicates"))
    [row] = mixture_table_rows(curation, bytes_per_token=1.0)
    assert row["tokens"] == sum(len(text.encode()) for _, text in rows)


def test_every_step_does_its_part_and_nothing_is_lost(corpus, lab_home):
    curation = curate(CurationConfig(corpus=corpus, num_examples=9, token_budget=1000))
    assert [(row["documents in"], row["kept"]) for row in funnel_rows(curation)] == [
        *((6, 5), (5, 4), (4, 3), (3, 3)),
    ]
    assert {row["rule"]: row["documents"] for row in rule_rows(curation)} == {
        "exact_duplicates": 1,
        "gopher_short_doc": 1,
        "near_duplicates": 1,
    }
    by_source = {row["source"]: (row["documents"], row["kept"]) for row in kept_rows(curation)}
    assert by_source == {"books": (3, 2), "web": (3, 1)}
    assert {row["copies of"]: row["for example"] for row in copy_rows(curation)} == {
        "a": "b",
        "e": "f",
    }
    assert {row["kind"]: row["items"] for row in personal_data_rows(curation)} == {
        "EMAIL": 1,
        "PHONE": 1,
    }
    kept = curation.curated.documents("id", "text").to_pylist()
    assert [row["id"] for row in kept] == ["a", "c", "e"]
    assert kept[1]["text"] == BAKER + "Write to <EMAIL> or to <PHONE>."
    assert curation.curated.result["rejected"] == 1
    labels = [label for label, _ in dropped_examples(curation)]
    assert sorted(label.partition(" · ")[0] for label in labels) == [
        "exact_duplicates: of a",
        "gopher_short_doc: 2 (limit 50)",
        "near_duplicates: of e",
    ]
    tokens = {row["source"]: row["tokens"] for row in mixture_table_rows(curation, 4.0)}
    assert tokens["web"] == round(len(COPPER) / 4)


def test_a_step_calls_itself_what_the_user_calls_it(tmp_path, lab_home):
    (words := tmp_path / "words.txt").write_text("sea\n")
    (items := tmp_path / "items.jsonl").write_text(json.dumps({"text": ISLANDS}) + "\n")
    rows = [json.dumps({"text": f"{BAKER} {number}"}) for number in range(30)]
    (texts := tmp_path / "texts.jsonl").write_text("\n".join(rows))
    given = {"word_list": str(words), "benchmarks": str(items), "good_corpus": str(texts)}
    config = CurationConfig(corpus=str(texts), steps=", ".join(STEPS), **given)
    assert [step.name for step in config.make_steps()] == list(STEPS)


def test_sentences_tables_and_decision_speak_of_the_same_text(corpus, lab_home):
    config = CurationConfig(corpus=corpus)
    curation = curate(config)
    assert re.search(
        r"3 of 6 documents .* 1 record could not", curation_sentences(curation)["funnel"].markup
    )
    # <EMAIL> for 21 bytes, <PHONE> for 13
    assert (
        "every byte but the 20 that rewriting took."
        in curation_sentences(curation)["funnel"].markup
    )
    presets = {row["preset"]: row["kept"] for row in preset_rows(curation)}
    assert presets["chinese"] == 0
    assert presets["english"] == 5  # all but "Buy now"
    advice = curation_sentences(curation)["decision"].markup
    assert "3 of 6 documents and" in advice
    assert "inconclusive here: none was trained on either side" in advice
    assert f"-p corpus {curation.curated.corpus}" in advice
    folder = record_curation(curation)
    decision, there = current_decision("11_data_curation", config.inputs()["corpus"])
    assert there == folder
    assert decision.choice.startswith("3 of 6 documents")
    explored = record_corpus(Exploration(ExplorationConfig(corpus=curation.curated.corpus)))
    choice = json.loads((explored / "decision.json").read_bytes())["choice"]
    assert choice.startswith(f"{curation.curated.folder.name}: 3 documents")
    again = record_curation(curate(config.with_overrides({"processes": 2})))
    assert (again / "result.json").read_bytes() == (folder / "result.json").read_bytes()


def test_where_nothing_is_kept_every_table_and_sentence_says_so(corpus, lab_home):
    curation = curate(CurationConfig(corpus=corpus, steps="rules", preset="chinese"))
    assert mixture_table_rows(curation, 4.0) == personal_data_rows(curation) == []
    found = curation_sentences(curation)
    assert "0 of 6 documents are kept (0.0%)" in found["funnel"].markup
    assert "(refuses num_ideographs / num_characters below 0.3) costs most" in found["rules"].markup
    assert "Of each source 0.0% of the documents are kept." in found["rules"].markup
    assert "Nothing was kept" in found["mixture"].markup


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"steps": "rules, polish"}, "unknown polish; steps: exact_duplicates, "),
        ({"steps": " "}, "no step; steps: "),
        ({"steps": "quality"}, "the step quality needs good_corpus"),
        ({"steps": "contamination"}, "the step contamination needs benchmarks"),
        ({"steps": "word_list", "word_list": "none.txt"}, "word_list='none.txt': no such path"),
        ({"benchmarks": __file__}, "no step reads benchmarks: add contamination to steps"),
        (
            {"steps": "rules", "overrides": {"near_duplicates.threshold": 0.7}},
            "no step reads near_duplicates.threshold: add near_duplicates to steps, or leave it",
        ),
        ({"steps": "c4", "thresholds": {"empty": 3}}, "no step reads thresholds: add rules to"),
        ({"good_corpus": "sotu"}, "no step reads good_corpus: add quality or perplexity"),
        ({"steps": "quality", "good_corpus": "none"}, "'none' is neither a registered corpus"),
        ({"preset": "german"}, "presets: published, english"),
        ({"steps": "language", "preset": "code"}, "no step reads preset: add rules or c4 to steps"),
        (
            {"thresholds": {"char_dup_ratio": 30}},
            "char_dup_ratio=30: should be a ratio, from 0 to 1; null",
        ),
        ({"thresholds": {"gopher_short_doc": -3}}, "gopher_short_doc=-3: should be 0 or more"),
        ({"thresholds": {"gopher_shot_doc": 3}}, "no rule 'gopher_shot_doc'; rules: gopher_sh"),
    ],
)
def test_what_cannot_be_done_is_refused_with_what_can(given, said, corpus):
    with pytest.raises(ConfigError, match=re.escape(said)):
        CurationConfig.from_parameters({"corpus": corpus, **given})


def test_a_tie_is_told_as_a_tie(tmp_path, lab_home):
    def sentences(*records: tuple[str, str, str]) -> dict[str, str]:
        path = tmp_path / "mine.jsonl"
        rows = [dict(zip(("id", "source", "text"), one, strict=True)) for one in records]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        curation = curate(CurationConfig(corpus=str(path), steps="exact_duplicates"))
        return {name: said.markup for name, said in curation_sentences(curation).items()}

    texts = {"web": ISLANDS, "books": COPPER}
    said = sentences(*((s, s, t) for s, t in texts.items() for _ in "12"))
    assert "Of each source 50.0% of the documents are kept." in said["rules"]
    assert "Most were of web and 1 other, each: 1." in said["copies"]
    assert "tokens, all sources at once." in said["mixture"]
    assert "2 documents have an id that an earlier one has: `row` tells" in said["funnel"]
    said = sentences(("a", "web", ISLANDS), ("b", "web", ISLANDS), ("c", "books", COPPER))
    assert "Least is kept of web: 50.0% of 2 documents." in said["rules"]
    assert "Most were of a: 1." in said["copies"]
    assert "have an id" not in said["funnel"]


def test_text_in_another_language_is_said_with_the_way_to_keep_it(tmp_path, lab_home):
    chinese = "他们的孩子在这里上学，老师说今年的学生比去年多。我们都知道这是一个很好的学校。" * 3
    texts = [(ISLANDS, "en")] * 6 + [(chinese, "zh-CN")] * 2
    path = tmp_path / "mixed.jsonl"
    lines = [{"text": f"{text} {n}", "language": code} for n, (text, code) in enumerate(texts)]
    path.write_text("\n".join(json.dumps(line) for line in lines))
    for steps, said in (
        ("language, rules", "2 of 8 documents (25.0%) were dropped as another language than en"),
        ("rules", "2 of 8 documents (25.0%) are declared as another language than en, for which"),
    ):
        curation = curate(CurationConfig(corpus=str(path), steps=steps))
        told = other_languages(curation)
        assert told.startswith(said)
        assert 'with the step language: language.allowed=["zh"] and preset=chinese.' in told
        assert escape(told) in curation_sentences(curation)["rules"].markup
    given = {"language": {"allowed": ["zh"]}, "steps": "language"}
    told = other_languages(curate(CurationConfig(corpus=str(path), **given)))
    assert "6 of 8 documents" in told
    assert "preset" not in told
    both = CurationConfig(corpus=str(path), steps="language", language={"allowed": ["en", "zh"]})
    assert other_languages(curate(both)) == ""
    path.write_text(json.dumps({"text": ISLANDS}) + '\n{"text": "1 2 3"}')
    numbers = curate(CurationConfig(corpus=str(path), steps="language"))
    assert numbers.curated.dropped("rule")["rule"].to_pylist() == ["language:unknown"]
    assert other_languages(numbers) == ""
    path.write_text("\n".join(json.dumps({"text": ISLANDS, "language": "und"}) for _ in "12"))
    assert other_languages(curate(CurationConfig(corpus=str(path), steps="rules"))) == ""


def test_an_output_is_named_after_the_corpus_it_came_from(corpus, lab_home):
    first = curate(CurationConfig(corpus=corpus, steps="exact_duplicates")).curated
    again = curate(CurationConfig(corpus=first.corpus, steps="personal_data")).curated
    for curated in (first, again):
        assert re.fullmatch("mine-curated-[0-9a-f]{16}", curated.folder.name)
    assert first.folder != again.folder


def test_thresholds_move_and_switch_off_rules(corpus, lab_home):
    config = CurationConfig.from_parameters(
        {"corpus": corpus, "steps": "rules", "thresholds": {"gopher_short_doc": 1}}
    )
    [first] = [rule for rule in config.rules.rules if rule.id == "gopher_short_doc"]
    assert first.threshold == 1
    off = config.with_overrides({"thresholds": {"gopher_short_doc": None}})
    assert "gopher_short_doc" not in off.rules.ids
    assert config.from_parameters(config.to_parameters()) == config


def test_a_path_is_saved_so_that_it_is_found_from_elsewhere(corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    saved = CurationConfig(corpus=Path(corpus).name).save_parameters("params.yaml").resolve()
    monkeypatch.chdir("/")
    assert CurationConfig.from_parameters(load_parameters(saved)).corpus == corpus


def test_text_unlike_a_good_corpus_is_told_apart(corpus, tmp_path, lab_home):
    good = tmp_path / "good.jsonl"
    with good.open("w") as file:
        for number in range(12):
            file.write(json.dumps({"text": ISLANDS + COPPER * (number % 3)}) + "\n")
    given = {"good_corpus": str(good)}
    surprising = curate(CurationConfig(corpus=corpus, steps="perplexity", **given)).curated
    assert {"id": "d", "rule": "perplexity_tail"} in surprising.dropped("id", "rule").to_pylist()
    unlike = curate(CurationConfig(corpus="python-docs", steps="quality", **given)).curated
    assert unlike.dropped().num_rows > unlike.documents().num_rows


def test_whatever_a_curation_reads_is_part_of_its_identity(corpus, tmp_path):
    words, items = tmp_path / "words.txt", tmp_path / "items"
    items.mkdir()
    words.write_text("sea\n")
    (items / "one.jsonl").write_text('{"text": "one"}\n')
    given = {"word_list": str(words), "benchmarks": str(items), "good_corpus": corpus}
    steps = "word_list, contamination, quality"
    before = CurationConfig(corpus=corpus, steps=steps, **given).inputs()
    words.write_text("ship\n")
    (items / "one.jsonl").write_text('{"text": "two"}\n')
    after = CurationConfig(corpus=corpus, steps=steps, **given).inputs()
    changed = {name for name in before if before[name] != after[name]}
    assert set(before) == {"corpus", *given}
    assert changed == {"word_list", "benchmarks"}


def test_a_file_whose_name_is_no_text_is_refused_before_the_run(tmp_path):
    path = tmp_path / "b\udcff.jsonl"
    path.write_text('{"text": "a"}')
    with pytest.raises(ValueError, match="a name that is not UTF-8; rename it"):
        CurationConfig(corpus=str(path))
