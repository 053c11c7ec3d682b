"""A curated dataset comes with its card, in the folder and without a second call."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from labkit import lab
from labkit.core import artifacts
from labkit.core.config import ConfigError
from labkit.data.cards.card import check_card
from labkit.data.cards.front_matter import split_card
from labkit.data.curation import Curation, CurationConfig, curate
from tests.data.prose import BAKER, ISLANDS


def write(path: Path, *records: dict[str, str]) -> str:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return str(path)


def head(curation: Curation) -> dict[str, Any]:
    readme = curation.curated.folder / "README.md"
    return split_card(readme.read_text("utf-8"), "README.md")[0]


def test_what_is_known_of_the_source_is_carried_over(lab_home):
    config = CurationConfig(corpus="python-docs", steps="exact_duplicates, personal_data")
    first = curate(config)
    again = curate(CurationConfig(corpus=first.curated.corpus, steps="exact_duplicates"))
    for curation in (first, again):
        data = head(curation)
        assert data["pretty_name"] == "Python's language reference as `help()` shows it, curated"
        assert (data["license"], data["license_name"]) == ("other", "psf-2.0")
        assert data["language"] == ["en"]
        readme = (curation.curated.folder / "README.md").read_text("utf-8")
        assert "Under half a megabyte" in readme
        assert "it is what is installed here (`python-3." in readme
        assert check_card(curation.curated.folder) == []
        artifacts.read_manifest(curation.curated.folder)
    stats = json.loads((first.curated.folder / "stats.json").read_text("utf-8"))
    assert stats["steps"]["2 personal_data"]["documents_kept"] == stats["documents"]


def test_what_nobody_knows_is_said_to_be_unknown_until_somebody_says_it(tmp_path, lab_home):
    said: list[str] = []
    corpus = write(tmp_path / "mine.jsonl", {"text": ISLANDS}, {"text": BAKER}, {"txt": ""})
    given = {"corpus": corpus, "steps": "exact_duplicates"}
    before = curate(CurationConfig(**given), said.append)
    assert (head(before)["license"], head(before)["language"]) == ("unknown", ["und"])
    assert said[-1].endswith("; nobody has said card.license and card.language: set them")
    folder = before.curated.folder
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert b"1 record of the source could not be read" in files["README.md"]
    card = {"license": "cc-by-4.0", "language": ["en"]}
    after = curate(CurationConfig(**given, card=card), said.append)
    assert after.curated.folder == folder
    assert (head(after)["license"], head(after)["language"]) == ("cc-by-4.0", ["en"])
    assert said[-1] == f"card: {folder / 'README.md'}"
    curate(CurationConfig(**given))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == files


def test_a_curated_folder_is_published_in_one_call_without_what_was_dropped(tmp_path, lab_home):
    corpus = write(tmp_path / "mine.jsonl", {"text": ISLANDS}, {"text": BAKER}, {"text": BAKER})
    curation = curate(CurationConfig(corpus=corpus, steps="exact_duplicates"))
    folder = curation.curated.folder
    written = lab.write_card(folder, license="mit")
    assert lab.write_card(curation, license="mit") == written
    names = {"README.md", "stats.json", "documents.parquet", "funnel.json", artifacts.MANIFEST}
    assert {path.name for path in written.iterdir()} == names
    assert "Not to publish" in (folder / "README.md").read_text("utf-8")
    published = (written / "README.md").read_text("utf-8")
    assert "license: mit" in published
    assert "Not to publish" not in published
    assert "licence; find it out" not in published
    assert lab.check_card(written).empty


def test_words_in_it_stay_and_an_edited_part_is_found(tmp_path, lab_home):
    corpus = write(tmp_path / "mine.jsonl", {"text": ISLANDS}, {"text": BAKER})
    config = CurationConfig(corpus=corpus, steps="exact_duplicates")
    folder = curate(config).curated.folder
    readme = folder / "README.md"
    readme.write_text(readme.read_text("utf-8") + "\nWords of mine.\n", "utf-8")
    assert check_card(folder) == []
    curate(config)
    assert readme.read_text("utf-8").endswith("Words of mine.\n")
    (folder / "funnel.json").write_text((folder / "funnel.json").read_text() + " ")
    assert any("funnel.json.sha256 is" in said for said in check_card(folder))
    with pytest.raises(artifacts.DamagedArtifact, match="funnel.json"):
        curate(config)


@pytest.mark.parametrize(
    ("licences", "found"),
    [
        (["MIT", "mit"], ("mit", None)),
        (["Public-Domain"] * 2, ("other", "public-domain")),
        (["MIT", "Apache-2.0"], ("other", "several")),
        (["unknown"] * 2, ("unknown", None)),
        (["<b>", "<b>"], ("other", "b")),
        (["?", "?"], ("other", "unnamed")),
    ],
)
def test_a_licence_that_the_records_name_is_the_cards(tmp_path, lab_home, licences, found):
    records = [
        {"text": f"{ISLANDS} {n}", "license": name, "language": ("zh-CN", "Klingon")[n]}
        for n, name in enumerate(licences)
    ]
    corpus = write(tmp_path / "mine.jsonl", *records)
    data = head(curate(CurationConfig(corpus=corpus, steps="exact_duplicates")))
    assert (data["license"], data.get("license_name")) == found
    assert data["language"] == ["zh"]


def test_a_dataset_of_nothing_has_none_and_a_wrong_licence_is_refused_before(tmp_path, lab_home):
    corpus = write(tmp_path / "mine.jsonl", {"text": ISLANDS})
    nothing = curate(CurationConfig(corpus=corpus, steps="rules", preset="chinese"))
    assert not (nothing.curated.folder / "README.md").exists()
    with pytest.raises(ConfigError, match="card: license 'CC' is no identifier of the hub"):
        CurationConfig.from_parameters({"corpus": corpus, "overrides": {"card.license": "CC"}})


def test_what_a_second_curation_leaves_is_what_its_card_says(tmp_path, lab_home):
    texts = {"en": ISLANDS, "zh": f"{ISLANDS} {BAKER}"}
    licences = {"en": "mit", "zh": "apache-2.0"}
    records = [{"text": texts[n], "language": n, "licence": licences[n]} for n in texts]
    corpus = write(tmp_path / "mine.jsonl", *records)
    first = curate(CurationConfig(corpus=corpus, steps="exact_duplicates"))
    assert (head(first)["language"], head(first)["license"]) == (["en", "zh"], "other")
    only = {"steps": "licence", "licence": {"allowed": ["mit"]}}
    second = curate(CurationConfig(corpus=first.curated.corpus, **only))
    assert (head(second)["language"], head(second)["license"]) == (["en"], "mit")
    assert "license_name" not in head(second)
    third = curate(CurationConfig(corpus=second.curated.corpus, **only))
    readme = (third.curated.folder / "README.md").read_text("utf-8")
    assert readme.count("Of the source: Personal data was not looked for.") == 1


def test_a_card_is_written_of_the_path_that_a_curation_prints(tmp_path, lab_home):
    corpus = write(tmp_path / "mine.jsonl", {"text": ISLANDS}, {"text": BAKER})
    curated = curate(CurationConfig(corpus=corpus, steps="exact_duplicates")).curated
    assert lab.write_card(curated.corpus, license="mit") == lab.write_card(
        curated.folder, license="mit"
    )
    assert lab.check_card(curated.corpus).empty


@pytest.mark.parametrize("edited", ['{"card": {}, "files": {}}', "[]", "{", None])
def test_figures_that_were_edited_are_counted_again(tmp_path, lab_home, edited):
    corpus = write(tmp_path / "mine.jsonl", {"text": ISLANDS}, {"text": BAKER})
    config = CurationConfig(corpus=corpus, steps="exact_duplicates")
    folder = curate(config).curated.folder
    stats = folder / "stats.json"
    counted = stats.read_bytes()
    stats.write_text(edited or counted.decode().replace('"documents": 2', '"documents": 3'))
    curate(config)
    assert stats.read_bytes() == counted
    assert check_card(folder) == []


def test_a_name_of_the_source_is_inert_where_a_line_begins(tmp_path, lab_home):
    corpus = write(tmp_path / "1. www.a.com $$x$$ <b>.jsonl", {"text": ISLANDS})
    folder = curate(CurationConfig(corpus=corpus, steps="exact_duplicates")).curated.folder
    readme = (folder / "README.md").read_text("utf-8")
    name = r"1. www\.a.com \$\$x\$\$ &lt;b&gt;.jsonl"
    assert f"\nCurated by labkit from {name} in these steps: exact_duplicates." in readme
    assert f"\nWithout a card: {name}." in readme


def test_a_card_without_a_task_is_refused_before_the_run(tmp_path):
    corpus = write(tmp_path / "mine.jsonl", {"text": ISLANDS})
    with pytest.raises(ConfigError, match="the hub asks for one or more"):
        CurationConfig.from_parameters(
            {"corpus": corpus, "overrides": {"card.task_categories": []}}
        )
