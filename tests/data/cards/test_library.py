from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import pytest
import yaml

from labkit import lab
from labkit.core.errors import LabError
from labkit.data.cards import library
from labkit.data.cards.library import SECTIONS, card_rows, find_card, load_cards, read_card
from labkit.data.corpora import CORPORA

ROOT = Path(__file__).resolve().parents[3]
PUBLISHED = sorted((ROOT / "data_cards" / "published").glob("*.md"))
NAMED_IN_THE_FIELD = {
    *("common-crawl", "c4", "refinedweb", "the-pile", "hugging-face-hub", "bookcorpus", "webtext"),
    *("openwebtext", "wikipedia", "books1-books2", "roots", "wudao", "cc-news", "the-stack"),
    *("pushshift-reddit", "dolma", "fineweb"),
}


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.stem)
def test_a_card_has_facts_with_sources_in_each_section(path: Path):
    card = read_card(path)
    assert list(card.facts) == list(SECTIONS)
    assert card.markdown.strip().startswith(f"# {card.title}\n")
    for reference in card.front_matter["sources"].values():
        assert re.search(r"arXiv:\d{4}\.\d{4,5}|\.co/|\.org|20\d\d|documentation", reference)
    assert re.fullmatch(r"20\d\d-\d\d", card.front_matter["as_of"])


def test_languages_and_fields_are_those_of_the_hub():
    """Oracles: huggingface_hub's parser, and the languages that `datasets` ships."""
    from huggingface_hub import DatasetCard

    text = resources.files("datasets.utils.resources").joinpath("languages.json")
    known = {*yaml.safe_load(text.read_text("utf-8")), "multilingual"}
    for path in PUBLISHED:
        data = DatasetCard.load(path).data.to_dict()
        assert set(data["language"]) <= known, path
        assert data["pretty_name"] == read_card(path).title


def test_every_corpus_of_the_field_and_of_the_registry_is_there():
    cards = load_cards()
    assert {card.name for card in cards if card.kind == "published"} >= NAMED_IN_THE_FIELD
    assert {card.name for card in cards if card.kind == "registered"} <= set(CORPORA)
    rows = {row["corpus"]: row for row in card_rows(cards)}
    assert rows["c4"]["size"] == "About 750 GB of text."
    assert rows["c4"]["known problems"] == 4
    assert rows["milton"]["size"] == "14 documents, 2.85 MB"
    assert rows["milton"]["known problems"] == 3
    assert all(all(rows[name].values()) for name in NAMED_IN_THE_FIELD)


def test_the_lab_shows_them(lab_home: Path):
    exploration = lab.explore(corpus="python-docs")
    assert lab.published_mixtures(exploration).iloc[0]["source"] == "python-docs"
    assert lab.composition_table(exploration)["your corpus"].sum() == pytest.approx(1)
    folder = lab.write_card(exploration, known_problems=("Small.",))
    assert "- Small." in (folder / "README.md").read_text("utf-8")
    assert lab.check_card(folder).empty
    mixture = lab.mixture_table(num_tokens={"a": 100, "b": 300}, budget=800)
    assert mixture["epochs"].tolist() == [2, 2]
    assert "of 17 published corpora have one licence" in lab.card_sentence().markup
    table = lab.data_cards()
    assert len(table) == len(load_cards())
    page = lab.data_card("the-stack").markup
    assert "<h4>Known problems</h4>" in page
    assert "Kocetkov et al. 2022" in page
    with pytest.raises(LabError, match="no card of 'c5'; there are: .*c4"):
        lab.data_card("c5")
    assert find_card("sanguo").kind == "registered"


def test_what_a_card_says_does_nothing_on_the_page(tmp_path: Path, monkeypatch):
    folder = tmp_path / "data_cards" / "published"
    folder.mkdir(parents=True)
    text = (ROOT / "data_cards" / "published" / "c4.md").read_text("utf-8")
    bad = "<script>alert(1)</script> [x](javascript:alert(1)) ![i](http://tracker/i.png)"
    (folder / "c4.md").write_text(text.replace("About 750 GB of text.", bad))
    monkeypatch.setattr(library, "cards_folder", lambda: tmp_path / "data_cards")
    page = lab.data_card("c4").markup + lab.data_cards()._repr_html_()
    assert "<script" not in page
    assert "javascript:" not in re.findall(r'href="([^"]*)"', page)
    assert not re.search(r'(href|src)="(javascript|http://tracker)', page)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (" [dodge2021, table 1]", "", "a fact is a line '- text \\[source, place\\]'"),
        ("[dodge2021, table 1]", "[nobody2021]", "'nobody2021' is no source of this card"),
        ("## Access", "## Price", "nothing under Access; a card has facts under Size"),
        ("as_of: 2026-11\n", "", "needs sources \\(key: reference\\) and as_of"),
        ("sources:\n", "sources:\n  spare: A book\n", "source 'spare' is behind no fact"),
        ("license: odc-by\n", "", "missing: license;"),
    ],
)
def test_a_card_without_its_evidence_is_refused(tmp_path: Path, old, new, said):
    (tmp_path / "published").mkdir()
    path = tmp_path / "published" / "c4.md"
    text = (ROOT / "data_cards" / "published" / "c4.md").read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(LabError, match=said):
        read_card(path)


def test_without_the_repository_one_line_says_so(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(library.labkit, "__file__", str(tmp_path / "site/labkit/__init__.py"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LabError, match="not of the installed package; start from a checkout"):
        load_cards()
