from __future__ import annotations

import pickle

import pyarrow as pa
import pytest

from labkit.core.config import ConfigError
from labkit.data.rules.language import (
    LanguageList,
    predict_language,
    predict_languages,
    sample_windows,
)

SENTENCES = {
    "en": [
        "The baker opened his shop at five, long before the first tram came down the hill.",
        "Nobody in the village could remember when the clock tower had last told the right time.",
        "She wrote three letters that evening, and burned two of them before midnight.",
    ],
    "zh": [
        "面包师五点钟就开了店门，那时第一班电车还没有下山。",
        "村里没有人记得钟楼上一次走准是什么时候。",
        "那天晚上她写了三封信，午夜之前烧掉了两封。",
    ],
    "de": [
        "Der Bäcker öffnete seinen Laden um fünf, lange bevor die erste Straßenbahn kam.",
        "Niemand im Dorf konnte sich erinnern, wann die Turmuhr zuletzt richtig gegangen war.",
        "Sie schrieb an jenem Abend drei Briefe und verbrannte zwei davon vor Mitternacht.",
    ],
    "fr": [
        "Le boulanger ouvrait sa boutique à cinq heures, bien avant le premier tramway.",
        "Personne au village ne se rappelait quand l'horloge avait donné l'heure juste.",
        "Ce soir-là, elle écrivit trois lettres et en brûla deux avant minuit.",
    ],
}
SOURCE = "def area(radius):\n    if radius < 0:\n        raise ValueError\n    return 3 * radius\n"


def decide(step: LanguageList, texts: list[str], declared: list[str]) -> list[tuple | None]:
    """(rule, threshold) of each dropped document, None of a kept one."""
    batch = pa.RecordBatch.from_pydict(
        {"row": range(len(texts)), "text": texts, "language": declared}
    )
    outcome = pickle.loads(pickle.dumps(step)).apply(batch)
    assert outcome.kept.schema == batch.schema
    found = {row["row"]: (row["rule"], row["threshold"]) for row in outcome.dropped.to_pylist()}
    assert outcome.kept.num_rows + len(found) == len(texts)
    return [found.get(row) for row in range(len(texts))]


def test_a_text_is_read_beyond_fasttexts_mark_of_a_lines_end():
    prose = "\n".join(SENTENCES["en"])
    for text in (f"</s> {prose}", f"der die das\n</s>\n{prose}"):
        assert predict_language(text) == predict_language(text.replace("</s>", " "))
        assert predict_language(text)[0] == "en"
    assert predict_language("</s>") == ("unknown", 0)


@pytest.mark.parametrize("language", SENTENCES)
def test_sentences_are_of_their_language(language: str):
    for sentence in SENTENCES[language]:
        assert predict_language(sentence)[0] == language
    others = [s for code, texts in SENTENCES.items() if code != language for s in texts]
    step = LanguageList(allowed=(language,), min_score=0)
    assert decide(step, SENTENCES[language], ["unknown"] * 3) == [None] * 3
    assert None not in decide(step, others, ["unknown"] * len(others))


def test_by_hand():
    texts = [SENTENCES["en"][0], SENTENCES["de"][0], "12 + 34", ""]
    unknown = ["unknown"] * 4
    assert decide(LanguageList(min_score=0.5), texts, unknown) == [
        None,
        ("language:de", 0.5),
        ("language:unknown", 0.5),
        ("language:unknown", 0.5),
    ]
    assert decide(LanguageList(min_score=1), texts[:1], ["en"]) == [("language_score", 1.0)]


def test_a_document_of_no_declared_language_gets_the_predicted_one():
    texts = [SENTENCES["en"][0], SENTENCES["zh"][0], SENTENCES["de"][0]]
    batch = pa.RecordBatch.from_pydict(
        {"row": range(3), "text": texts, "language": ["unknown", "unknown", "en-GB"]}
    )
    outcome = LanguageList(allowed=("en", "zh")).apply(batch)
    assert outcome.kept["language"].to_pylist() == ["en", "zh"]
    assert outcome.dropped["language"].to_pylist() == ["en-GB"]


def test_code_is_untouched_by_choice():
    assert decide(LanguageList(allowed=("zh",)), [SOURCE], ["python"]) == [None]
    judged = decide(LanguageList(allowed=("zh",), untouched=()), [SOURCE], ["python"])
    assert judged == [(f"language:{predict_language(SOURCE)[0]}", 0.65)]


def test_a_declared_language_may_decide():
    texts, declared = [SENTENCES["en"][0]] * 3, ["de-AT", "en-GB", "unknown"]
    assert decide(LanguageList(trust="declared"), texts, declared) == [
        ("language:de", 0.65),
        None,
        None,
    ]
    assert decide(LanguageList(trust="model"), texts, declared) == [None] * 3


def test_windows_bound_the_cost_and_see_the_whole():
    config = LanguageList(num_windows=5, window_characters=400)
    german, chinese = " ".join(SENTENCES["de"]), "".join(SENTENCES["zh"])
    text = german + "\n" + chinese * 2000
    sample = sample_windows(text, config)
    assert len(sample) == 5 * 400 + 4
    assert sample.startswith(text[:400])
    assert sample.endswith(text[-400:])
    assert predict_language(sample)[0] == predict_language(chinese)[0] == "zh"
    assert predict_language(text[:200])[0] == "de"
    assert sample_windows(text[:2000], config) == text[:2000]


def test_added_columns_are_what_the_step_decides_by():
    texts = [text for sentences in SENTENCES.values() for text in sentences]
    batch = pa.RecordBatch.from_pydict({"text": texts})
    step = LanguageList(allowed=("en", "fr"), min_score=0.6)
    codes, scores = zip(*predict_languages(batch, step, [True] * len(texts)), strict=True)
    columns = {"text": texts, "language_predicted": codes, "language_score": scores}
    added = pa.RecordBatch.from_pydict(columns)
    for one, other in zip(step.apply(batch), step.apply(added), strict=True):
        assert one.column("text").equals(other.column("text"))
    other = added.set_column(1, "language_predicted", pa.array(["de"] * len(texts)))
    assert step.apply(other).kept.num_rows == 0


def test_refused_configs():
    with pytest.raises(ConfigError, match="'English' is no code of a language, such as en"):
        LanguageList().with_overrides({"allowed": ("English",)})
    with pytest.raises(ConfigError, match="allows nothing"):
        LanguageList().with_overrides({"allowed": ()})
