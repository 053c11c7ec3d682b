from __future__ import annotations

import json

import pytest

from labkit.core.display import escape
from labkit.data.curation import CurationConfig, curate
from labkit.data.rules.language import predict_language
from labkit.questions.curation import scripts as rooms
from labkit.questions.curation.languages import other_languages
from labkit.questions.curation.scripts import dropped_scripts, scripts
from labkit.questions.curation.sentences import curation_sentences
from tests.data.prose import ISLANDS

CHINESE = "他们的孩子在这里上学，老师说今年的学生比去年多。我们都知道这是一个很好的学校。"
JAPANESE = "昨日は東京で雨が降りましたが、今日は晴れています。子供たちは公園で遊んでいます。"
KOREAN = "어제는 서울에 비가 왔지만 오늘은 맑습니다. 아이들이 공원에서 놀고 있습니다."
RUSSIAN = "Вчера в Москве шёл дождь, а сегодня светит солнце. Дети играют в парке."


@pytest.fixture
def curated(tmp_path, lab_home):
    def curated(counts: dict[str, int], **given):
        texts = [text for text, number in counts.items() for _ in range(number)]
        path = tmp_path / "mine.jsonl"
        path.write_text(
            "".join(json.dumps({"text": f"{t} {n}"}) + "\n" for n, t in enumerate(texts))
        )
        return curate(CurationConfig(corpus=str(path), steps="rules", **given))

    return curated


def test_undeclared_text_in_other_letters_is_said_with_the_way_to_keep_it(curated):
    curation = curated({ISLANDS: 6, "Buy now": 1, CHINESE: 4, JAPANESE: 2, RUSSIAN: 1})
    told = other_languages(curation)
    assert told == (
        "Of the 8 documents that the rules dropped, 7 (87.5%) begin in letters that preset english "
        "is not made for: 4 in Han letters without kana, 2 in kana, 1 in Cyrillic letters. A run "
        "has one preset; curate once for each language, with the step language: if this is zh, "
        'language.allowed=["zh"] and preset=chinese; if this is ja, language.allowed=["ja"] (no '
        "preset is made for it); which language others are in, the step says."
    )
    assert escape(told) in curation_sentences(curation)["rules"].markup


def test_a_sample_is_said_to_be_one(curated, monkeypatch):
    monkeypatch.setattr(rooms, "NUM_DOCUMENTS", 4)
    curation = curated({CHINESE: 9, ISLANDS: 6})
    assert dropped_scripts(curation) == {"han": 4}
    assert "Of 4 sampled of the 9 documents that the rules dropped, 4 (100.0%)" in other_languages(
        curation
    )


def test_a_sample_is_of_all_the_corpus_and_not_of_its_beginning(curated, monkeypatch):
    monkeypatch.setattr(rooms, "NUM_DOCUMENTS", 10)
    assert dropped_scripts(curated({CHINESE: 10, "Buy now": 90})) == {"han": 1, "latin": 9}


@pytest.mark.parametrize(
    ("counts", "preset"),
    [
        ({ISLANDS: 2, "Buy now": 6}, "english"),  # Latin letters are its own
        ({ISLANDS: 2, "1 2 3": 6}, "english"),  # no letters
        ({ISLANDS: 40, CHINESE: 1}, "english"),  # a stray
        ({ISLANDS: 2, CHINESE: 6}, "code"),  # made for no language
        ({ISLANDS: 2}, "english"),  # nothing is dropped
    ],
)
def test_nothing_is_said_where_nothing_is_known(curated, counts, preset):
    assert other_languages(curated(counts, preset=preset)) == ""


def test_the_language_model_agrees():
    texts = {"zh": CHINESE, "ja": JAPANESE, "ko": KOREAN, "ru": RUSSIAN, "en": ISLANDS}
    assert [predict_language(text)[0] for text in texts.values()] == list(texts)
    assert scripts(list(texts.values())) == ["han", "kana", "hangul", "cyrillic", "latin"]
    assert scripts([CHINESE * 9 + "の"]) == ["han"]
