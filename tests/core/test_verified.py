from __future__ import annotations

from pathlib import Path

import pytest

from labkit.core import artifacts
from labkit.core.artifacts import DamagedArtifact, write_artifact
from labkit.core.verified import note_file, verify_once


def count_hashed(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Gets an entry whenever all files are hashed."""
    hashed, read = [], artifacts.read_manifest

    def counting(folder: Path, *, verify: bool = True) -> artifacts.Manifest:
        if verify:
            hashed.append(True)
        return read(folder, verify=verify)

    monkeypatch.setattr(artifacts, "read_manifest", counting)
    return hashed


def test_files_are_hashed_once_until_one_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "data"
    with write_artifact(folder) as temporary:
        (temporary / "a.bin").write_bytes(b"abc")
    hashed = count_hashed(monkeypatch)
    for _ in range(3):
        assert verify_once(folder).files["a.bin"].bytes == 3
    assert len(hashed) == 1
    (folder / "a.bin").write_bytes(b"abd")
    for _ in range(2):
        with pytest.raises(DamagedArtifact, match="a.bin: SHA-256"):
            verify_once(folder)
    (folder / "a.bin").write_bytes(b"abc")
    note_file(folder).write_bytes(b"{")
    verify_once(folder)
    (folder / "more").write_bytes(b"")
    with pytest.raises(DamagedArtifact, match="not in the manifest"):
        verify_once(folder)
