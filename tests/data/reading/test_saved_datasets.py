"""What Hugging Face `datasets` saved, and what it can stream."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from labkit.core.errors import LabError
from labkit.data.readers import (
    find_parts,
    fingerprint,
)
from tests.data.reading.test_reading import SKIP, TEXTS, rows


def test_what_datasets_saved_and_what_it_can_stream(tmp_path: Path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    connections: list[object] = []
    monkeypatch.setattr(socket.socket, "connect", lambda *given: connections.append(given))
    saved = datasets.Dataset.from_dict({"text": TEXTS, "url": [f"u{n}" for n in range(5)]})
    saved.save_to_disk(tmp_path / "saved")
    kept, _ = rows(tmp_path / "saved")
    assert [(row["text"], row["url"]) for row in kept] == [
        (text, f"u{n}") for n, text in enumerate(TEXTS)
    ]
    (tmp_path / "local").mkdir()
    (tmp_path / "local" / "a.csv").write_text("text,id\none,1\n,2\nthree,3\n")
    kept, rejected = rows(f"hf:{tmp_path / 'local'}", SKIP)
    assert [(row["text"], row["id"]) for row in kept] == [("one", "1"), ("three", "3")]
    assert [(row["line"], row["rule"]) for row in rejected] == [(2, "read_text")]
    before = fingerprint(f"hf:{tmp_path / 'local'}")
    (tmp_path / "local" / "b.csv").write_text("text\nmore\n")
    assert fingerprint(f"hf:{tmp_path / 'local'}") != before
    assert connections == []
    with pytest.raises(LabError, match="give hf:FOLDER or hf:OWNER/NAME@COMMIT"):
        find_parts("hf:owner/name")


def test_a_dataset_of_the_hub_is_named_with_its_commit_and_said_to_need_a_network(monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    corpus = "hf:owner/name@0123456789"
    assert fingerprint(corpus) != fingerprint("hf:owner/name@9876543210")
    with (
        pytest.warns(UserWarning, match="owner/name@0123456789 is read over the network"),
        pytest.raises(LabError, match="owner/name@0123456789: datasets cannot stream it"),
    ):
        rows(corpus)
