from __future__ import annotations

import pickle
import random
import re
from functools import cache

import pyarrow as pa
import pytest

from labkit.core.config import ConfigError
from labkit.data.pipeline.step import Step
from labkit.data.readers import read_documents
from labkit.data.rules.c4 import C4, POLICY_PHRASES

CLOSING = "[\"'\\])’”」』）]*+"
BOUNDARY = re.compile(rf"[.!?]{CLOSING}\s++(?=\S)|[。！？；]{CLOSING}\s*+(?=[^\s.!?。！？；])")
PIECES = [
    *(
        "The ship sailed.",
        'He said "no"!',
        "It was 3.14 or so.",
        "'tis true?",
        "Wait...",
        "Go. On!",
    ),
    *("[1]", "[12]", "[٣]", "[]", "[edit]", "[citation needed]", "[[2]]", "[2", "[x]", "[1 2]"),
    *(
        "{",
        "}",
        "Lorem Ipsum",
        "JavaScript",
        "javascrİpt",
        "cooKie policy",
        "uses Cookies",
        "terms",
    ),
    *(*POLICY_PHRASES, "\n", "\n", "\n", "\r\n", "\r", "\x0b", "\x1c", "\x85", "\u2028", "\u2029"),
    *(
        " ",
        "  ",
        "\t",
        "\u3000",
        "\u00a0",
        "\x1f",
        "你好。",
        "真的！？",
        "“是。”",
        "他说；",
        "。",
        "é",
        "𝒳",
        ".",
    ),
    *("a" * 999 + ".", "a" * 1000, "字" * 1001, "", "\x00", "three small words.", '"', "…", "?"),
]


def batch_of(texts: list[str]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"text": texts})


def decide(step: Step, texts: list[str]) -> list[tuple[str | None, str]]:
    """(first reason, text afterwards) of each."""
    rows = pa.array(range(len(texts)))
    outcome = step.apply(batch_of(texts).append_column("row", rows))
    kept = [(row["row"], None, row["text"]) for row in outcome.kept.to_pylist()]
    dropped = [(row["row"], row["rule"], row["text"]) for row in outcome.dropped.to_pylist()]
    return [found[1:] for found in sorted([*kept, *dropped], key=lambda found: found[0])]


def test_by_hand():
    text = (
        "Call me Ishmael.[1] Some years ago. \r\n"
        "Contents\u2028"
        "We use cookies on this page.\n"
        "Please turn JavaScript on now.\n"
        "It goes on...\n"
        "Too short.\n"
        "  “And I?” he asked, “what of me?” Nothing. Said she; no one!  "
    )
    step = C4(min_sentences=5)
    expected = (
        "Call me Ishmael. Some years ago.\n"
        "“And I?” he asked, “what of me?” Nothing. Said she; no one!"
    )
    assert decide(step, [text]) == [(None, expected)]
    counts = {name: int(count[0]) for name, count in step.counts(pa.array([text])).items()}
    assert counts == {
        "num_lines": 7,
        "num_sentences": 2 + 4,
        "num_kept_lines": 2,
        "num_long_word_lines": 0,
        "num_unterminated_lines": 2,
        "num_few_word_lines": 1,
        "num_javascript_lines": 1,
        "num_policy_lines": 1,
    }
    dropped = C4(min_sentences=7).apply(batch_of([text])).dropped.to_pylist()
    assert dropped == [{"text": text, "rule": "too_few_sentences", "value": 6.0, "threshold": 7.0}]


def test_chinese_lines_are_sentences_of_characters():
    first, last = (
        "话说天下大势，分久必合。周末七国分争！",
        "如何是好？他说：“去。”众人皆去；无人留下。",
    )
    text = f"{first}\n目录\n{last}\n第一回。"
    assert decide(C4(), [text]) == [("too_few_sentences", text)]
    kept = f"{first}\n{last}"
    assert decide(C4.from_preset("chinese"), [text]) == [(None, kept)]
    counts = C4.from_preset("chinese").counts(pa.array([text]))
    assert [counts[name][0] for name in ("num_kept_lines", "num_sentences")] == [2, 2 + 4]


def test_what_is_kept_stays_as_it_is():
    """Citations aside: taking one out may make another, [1[2]]."""
    step = C4(min_sentences=1, removes_citations=False)
    texts = [*real_texts(), *fuzzed(300)]
    once = [text for reason, text in decide(step, texts) if reason is None]
    assert len(once) > 100
    assert decide(step, once) == [(None, text) for text in once]


def test_any_cut_into_batches_and_any_process_gives_the_same():
    texts = [*fuzzed(200), "", *real_texts()[:20]]
    step = pickle.loads(pickle.dumps(C4()))
    whole = decide(C4(), texts)
    assert [decide(step, [text])[0] for text in texts] == whole
    column = pa.array(["before", *texts], type=pa.large_string())[1:]
    outcome = step.apply(pa.RecordBatch.from_arrays([column], ["text"]))
    assert outcome.kept.column("text").to_pylist() == [text for reason, text in whole if not reason]


@pytest.mark.parametrize("sentences", ["regex", "newline", "datatrove"])
def test_decisions_and_texts_are_those_of_datatrove(
    sentences: str, monkeypatch: pytest.MonkeyPatch
):
    texts = [*fuzzed(300), *real_texts()]
    if sentences == "datatrove":
        pytest.importorskip("spacy")
        texts = [*fuzzed(100), *real_texts()[:20]]
    c4_filters = pytest.importorskip("datatrove.pipeline.filters.c4_filters")
    if sentences != "datatrove":
        splitter = {"regex": split_sentences, "newline": lambda line, language: [line]}[sentences]
        monkeypatch.setattr(c4_filters, "split_into_sentences", splitter)
    for options in ({}, {"min_sentences": 2, "min_words_per_line": 0, "max_word_characters": 20}):
        step = C4(sentences=sentences, **options)
        peer = c4_filters.C4QualityFilter(
            min_num_sentences=step.min_sentences,
            min_words_per_line=step.min_words_per_line,
            max_word_length=step.max_word_characters,
        )
        expected = [decide_as(peer, text) for text in texts]
        assert len({reason for reason, _ in expected}) == 4
        assert decide(step, texts) == expected


def test_rules_that_are_off_are_off_in_datatrove_too(monkeypatch: pytest.MonkeyPatch):
    c4_filters = pytest.importorskip("datatrove.pipeline.filters.c4_filters")
    monkeypatch.setattr(c4_filters, "split_into_sentences", split_sentences)
    switches = {
        "removes_citations": "remove_citations",
        "requires_terminator": "filter_no_terminal_punct",
        "drops_lorem_ipsum": "filter_lorem_ipsum",
        "drops_curly_brackets": "filter_curly_bracket",
        "refuses_javascript": "filter_javascript",
    }
    texts = fuzzed(300)
    for ours, theirs in switches.items():
        peer = c4_filters.C4QualityFilter(**{theirs: False}, min_num_sentences=2)
        step = C4(**{ours: False}, min_sentences=2)
        assert decide(step, texts) == [decide_as(peer, text) for text in texts], ours


def test_a_preset_is_a_start_that_fields_change():
    chinese = C4.from_preset("chinese")
    assert C4.model_validate({"preset": "chinese"}) == chinese
    assert C4.from_parameters(chinese.to_parameters()) == chinese
    changed = C4.model_validate({"preset": "chinese", "min_words_per_line": 9})
    assert (changed.min_words_per_line, changed.words) == (9, "characters")
    assert C4.from_preset("english") == C4()


def test_refused_configs():
    with pytest.raises(ConfigError, match="unknown preset 'klingon'; known: english, chinese"):
        C4.from_parameters({"preset": "klingon"})
    with pytest.raises(ConfigError, match="'Privacy': a phrase is one line in lower case"):
        C4().with_overrides({"policy_phrases": ("Privacy",)})
    with pytest.raises(ConfigError, match="give one character or more, none of them white space"):
        C4().with_overrides({"terminators": ". "})


def decide_as(peer, text: str) -> tuple[str | None, str]:
    from datatrove.data import Document

    document = Document(text=text, id="0")
    verdict = peer.filter(document)
    return (None, document.text) if verdict is True else (verdict[1], text)


def split_sentences(line: str, language: str) -> list[str]:
    return BOUNDARY.split(line)


def fuzzed(count: int) -> list[str]:
    rng = random.Random(0)
    texts = []
    for number in range(count):
        pieces = rng.choices(PIECES, k=rng.randrange(60))
        if number % 3:  # most reach the end only without these
            pieces = [piece for piece in pieces if piece not in ("{", "Lorem Ipsum")]
        texts.append("".join(piece + rng.choice(["", " ", " ", "\n"]) for piece in pieces))
    return texts


@cache
def real_texts() -> list[str]:
    found: list[str] = []
    for corpus in ("python-docs", "python-stdlib"):
        for batch in read_documents(corpus):
            found += batch.column("text").to_pylist()[:200]
            break
    return found
