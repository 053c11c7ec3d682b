from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from labkit.core import artifacts
from labkit.core.errors import LabError
from labkit.data.build import build_documents
from labkit.data.cards.card import CardConfig, card_files, card_of_corpus, check_card, write_card
from labkit.data.cards.statistics import dataset_statistics
from labkit.data.pipeline.run import run_pipeline
from tests.data.pipeline.small_steps import STEPS, write_corpus

TEXTS = ["a", "bb", "字", "dddd", "\x00e"]
CARD = CardConfig(pretty_name="Five", license="mit", license_text="Ours.", description="Five.")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "five"
    folder.mkdir()
    columns = {
        "text": TEXTS,
        "source": ["x", "x", "y", "y", "<b>|`z`"],
        "language": ["en", "en", "zh", "python", "unknown"],
    }
    pq.write_table(pa.table(columns), folder / "documents.parquet")
    return folder


def test_figures_by_hand(folder: Path):
    figures = dataset_statistics(folder)
    assert (figures["documents"], figures["bytes"]) == (5, 1 + 2 + 3 + 4 + 2)
    assert figures["sources"]["x"] == {"documents": 2, "bytes": 3}
    assert figures["languages"]["zh"] == {"documents": 1, "bytes": 3}
    assert figures["bytes_of_a_document"]["0.5"] == 2
    assert figures["bytes_of_a_document"]["1"] == 4
    assert list(figures["files"]) == ["documents.parquet"]


def test_the_hubs_libraries_read_the_card_and_the_data_by_it(folder: Path, tmp_path: Path):
    """Oracles: huggingface_hub for the fields, datasets for the configs."""
    datasets = pytest.importorskip("datasets")
    from huggingface_hub import DatasetCard

    written = write_card(folder, CARD)
    data = DatasetCard.load(written / "README.md").data.to_dict()
    assert data["license"] == "mit"
    assert data["language"] == ["code", "en", "zh"]
    assert data["size_categories"] == ["n<1K"]
    read = datasets.load_dataset(str(written), split="train", cache_dir=str(tmp_path / "cache"))
    assert read["text"][:] == TEXTS


def test_bytes_depend_on_data_and_config_alone(folder: Path):
    assert card_files(folder, CARD) == card_files(folder, CARD)
    first = write_card(folder, CARD)
    assert write_card(folder, CARD) == first
    assert first.parent == artifacts.home() / "cards"
    artifacts.read_manifest(first)
    assert check_card(first) == []
    other = write_card(folder, CARD.model_copy(update={"description": "Other."}))
    assert other != first


def test_names_from_the_data_do_nothing_on_the_page(folder: Path):
    readme = card_files(folder, CARD)["README.md"].decode()
    assert "<b>" not in readme
    assert r"| &lt;b&gt;\|\`z\` | 1 | 2 |" in readme


def test_drift_is_named_figure_by_figure(folder: Path):
    for name, content in card_files(folder, CARD).items():
        (folder / name).write_bytes(content)
    assert check_card(folder) == []
    readme = (folder / "README.md").read_text()
    (folder / "README.md").write_text(readme.replace("Five.\n", "Five, and words of mine.\n"))
    assert check_card(folder) == []
    (folder / "README.md").write_text(readme.replace("5 documents, 12 bytes", "6 documents"))
    [said] = check_card(folder)
    assert "says '6 documents of text.', the data '5 documents, 12 bytes of text.'" in said
    (folder / "README.md").write_text(readme.replace("license: mit\n", ""))
    assert [d for d in check_card(folder) if "missing: license;" in d]
    (folder / "README.md").write_text(readme)
    table = pq.read_table(folder / "documents.parquet")
    pq.write_table(table.slice(0, 4), folder / "documents.parquet")
    found = check_card(folder)
    assert "stats.json: documents is 5, the data has 4" in found
    assert any(d.startswith("stats.json: files.documents.parquet.sha256 is") for d in found)
    assert any(d.startswith("README.md: says '5 documents, 12 bytes") for d in found)


def test_a_registered_corpus_has_its_card_from_the_registry(lab_home: Path):
    folder = build_documents("python-docs")
    written = write_card(folder, card_of_corpus("python-docs"))
    assert check_card(written) == []
    assert "Under half a megabyte" in (written / "README.md").read_text("utf-8")
    stats = json.loads((written / "stats.json").read_text("utf-8"))
    documents = pq.read_table(folder / "documents.parquet", columns=["num_bytes", "language"])
    assert stats["bytes"] == sum(documents["num_bytes"].to_pylist())
    assert stats["languages"] == {"en": {"documents": len(documents), "bytes": stats["bytes"]}}
    head = yaml.safe_load((written / "README.md").read_text("utf-8").split("---")[1])
    assert (head["license"], head["license_name"]) == ("other", "psf-2.0")
    artifacts.read_manifest(folder)


def test_a_curated_corpus_tells_its_steps_and_publishes_nothing_it_dropped(tmp_path: Path):
    texts = ["short", "a b c d e f 1", "a b c d e f 1", "1234567890123", "long enough to stay"]
    curated = run_pipeline(str(write_corpus(tmp_path / "c.jsonl", texts)), STEPS)
    card = CARD.model_copy(update={"language": ("en",)})
    written = write_card(curated.folder, card)
    stats = json.loads((written / "stats.json").read_text("utf-8"))
    lost = sum(rule["documents"] for rule in stats["rules"].values())
    assert stats["documents"] + lost == len(texts)
    assert lost == curated.dropped("rule").num_rows
    [first, *_] = stats["steps"].values()
    assert first["documents_in"] == len(texts)
    names = {path.name for path in written.iterdir()} - {artifacts.MANIFEST}
    assert names == {"README.md", "stats.json", "documents.parquet", "funnel.json"}
    assert check_card(written) == []
    (tmp_path / "funnel.json").write_text("{}")
    (tmp_path / "documents.parquet").symlink_to(curated.folder / "documents.parquet")
    with pytest.raises(LabError, match="funnel.json: not the funnel of a pipeline"):
        card_files(tmp_path, card)


def test_what_is_missing_is_asked_for(folder: Path, tmp_path: Path):
    with pytest.raises(
        LabError, match="missing: pretty_name, license; .* or .other. with license_name"
    ):
        card_files(folder, CardConfig())
    pq.write_table(pa.table({"text": ["a"]}), folder / "documents.parquet")
    with pytest.raises(LabError, match="missing: language; the hub asks"):
        card_files(folder, CARD)
    assert card_files(folder, CARD.model_copy(update={"language": ("en",)}))
    with pytest.raises(LabError, match="documents.parquet: missing; a card is made of"):
        card_files(tmp_path, CARD)
    with pytest.raises(LabError, match="no card; it has a README.md and a stats.json"):
        check_card(folder)
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), folder / "documents.parquet")
    with pytest.raises(LabError, match="no document in it; a card needs one"):
        card_files(folder, CARD)
