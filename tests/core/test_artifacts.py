from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from labkit.core import artifacts, disk
from labkit.core.artifacts import DamagedArtifact, read_manifest, write_artifact
from labkit.core.disk import save_file, write_file
from labkit.core.errors import LabError


def make(folder: Path, text: str = "hello") -> Path:
    with write_artifact(folder, inputs={"corpus": "abc"}, seed=7) as temporary:
        (temporary / "part").mkdir()
        (temporary / "part" / "a.txt").write_text(text)
    return folder


def test_manifest_records_what_was_written(tmp_path: Path):
    manifest = read_manifest(make(tmp_path / "x"))
    entry = manifest.files["part/a.txt"]
    assert entry.bytes == 5
    assert entry.sha256.startswith("2cf24dba5fb0a30e")  # SHA-256 of "hello"
    assert (manifest.inputs, manifest.seed) == ({"corpus": "abc"}, 7)


def test_content_hash_depends_on_content_alone(tmp_path: Path):
    hashes = [
        read_manifest(make(tmp_path / name, text)).content_hash
        for name, text in [("x", "hello"), ("y", "hello"), ("z", "hallo")]
    ]
    assert hashes[0] == hashes[1] != hashes[2]


def test_a_failed_write_leaves_nothing(tmp_path: Path):
    with pytest.raises(RuntimeError), write_artifact(tmp_path / "x") as temporary:
        (temporary / "a").write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_an_existing_artifact_is_kept(tmp_path: Path):
    before = (make(tmp_path / "x") / "manifest.json").read_bytes()
    make(tmp_path / "x")
    assert (tmp_path / "x" / "manifest.json").read_bytes() == before


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: flip(f / "part/a.txt"), r"a\.txt: SHA-256 .* manifest says .* delete .* again"),
        (lambda f: (f / "part/a.txt").write_text("hell"), "4 bytes where the manifest says 5"),
        (lambda f: (f / "part/a.txt").unlink(), "missing"),
        (lambda f: (f / "manifest.json").write_text("{"), "manifest.json: unreadable"),
        (lambda f: (f / "manifest.json").unlink(), "no manifest.json"),
    ],
)
def test_damage_is_named(tmp_path: Path, damage, message):
    folder = make(tmp_path / "x")
    damage(folder)
    with pytest.raises(DamagedArtifact, match=message):
        read_manifest(folder)


def test_a_killed_writer_leaves_a_temporary_that_the_next_one_sweeps(tmp_path: Path):
    script = (
        "import os, signal\n"
        "from pathlib import Path\n"
        "from labkit.core.artifacts import write_artifact\n"
        f"with write_artifact(Path({str(tmp_path / 'x')!r})) as t:\n"
        "    (t / 'a').write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=False)
    assert [path.name[:5] for path in tmp_path.iterdir()] == [".tmp-"]
    make(tmp_path / "x")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_temporaries_of_living_processes_stay(tmp_path: Path):
    with write_artifact(tmp_path / "x") as temporary:
        assert disk.sweep(tmp_path) == 0
        assert temporary.exists()


def test_a_path_that_is_a_folder_is_no_place_for_a_file(tmp_path: Path):
    with pytest.raises(LabError, match="it is a folder; give the name of a file in it"):
        save_file(tmp_path, b"x")


def test_unwritable_folder_is_one_clear_line(tmp_path: Path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(LabError, match=r"cannot write .*file/x.* set LABKIT_HOME"):
        make(tmp_path / "file" / "x")


def test_full_disk_keeps_the_old_file(tmp_path: Path):
    path = write_file(tmp_path / "a.json", b"old")
    script = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from labkit.core.disk import write_file\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))\n"
        f"write_file(Path({str(path)!r}), b'x' * 20_000)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode != 0
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.json"]


def test_home_is_the_checkout_or_the_users_folder(tmp_path: Path, monkeypatch):
    monkeypatch.delenv("LABKIT_HOME")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "labkit"\n')
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    assert artifacts.home() == tmp_path / "artifacts"
    (tmp_path / "pyproject.toml").unlink()
    assert artifacts.home() == Path.home() / ".labkit"


@pytest.mark.parametrize(
    ("text", "name"),
    [("a b/c", "a-b-c"), ("../../etc", "etc"), ("...", "unnamed"), ("红楼", "unnamed")],
)
def test_slug(text, name):
    assert disk.slug(text) == name


def test_json_files_are_byte_identical_for_equal_values(tmp_path: Path):
    first = disk.write_json(tmp_path / "a", {"b": 1, "a": "ü"}).read_bytes()
    assert first == disk.write_json(tmp_path / "c", {"a": "ü", "b": 1}).read_bytes()
    assert json.loads(first) == {"a": "ü", "b": 1}


def test_many_writers_of_one_artifact_agree(tmp_path: Path):
    """Eight at a time: one publishes, the others find it whole."""

    def write(number: int) -> str:
        return read_manifest(make(tmp_path / f"x{number // 8}")).content_hash

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(write, range(160)))) == 1
    assert len(list(tmp_path.iterdir())) == 20


def test_a_file_that_the_manifest_does_not_know_is_damage(tmp_path: Path):
    folder = make(tmp_path / "x")
    (folder / "more.txt").write_text("added")
    with pytest.raises(DamagedArtifact, match=r"more.txt: not in the manifest"):
        read_manifest(folder)
