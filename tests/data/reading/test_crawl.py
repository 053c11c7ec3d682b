"""WARC and WET: the plain text of a crawl, and what of it is no text."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from labkit.core.errors import LabError
from tests.data.reading.test_reading import SKIP, rows


def record(kind: str, body: bytes, headers: str = "") -> bytes:
    head = f"WARC/1.0\r\nWARC-Type: {kind}\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body + b"\r\n\r\n"


def test_plain_text_of_a_crawl_and_not_its_html(tmp_path: Path):
    http = "WARC-Target-URI: http://a/b\r\nContent-Type: application/http; msgtype=response\r\n"
    plain = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=latin-1\r\n\r\ncaf\xe9"
    html = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>caf\xe9"
    raw = b"".join(
        gzip.compress(part)
        for part in (
            record("warcinfo", b"software: x"),
            record("conversion", "第一回".encode(), "WARC-Record-ID: <urn:1>\r\n"),
            record("response", plain, http),
            record("response", html, http),
            record("request", b"GET / HTTP/1.1\r\n\r\n", http),
        )
    )
    (tmp_path / "a.warc.gz").write_bytes(raw)
    kept, rejected = rows(tmp_path / "a.warc.gz", SKIP)
    assert [(row["id"], row["text"], row["url"]) for row in kept] == [
        ("<urn:1>", "第一回", ""),
        ("a-3", "café", "http://a/b"),
    ]
    assert [(row["line"], row["reason"]) for row in rejected] == [
        (4, "text/html is not read; give WET files")
    ]
    with pytest.raises(LabError, match=r"a\.warc\.gz: record 4: text/html is not read"):
        rows(tmp_path / "a.warc.gz")


@pytest.mark.parametrize("coding", ["transfer-encoding: chunked", "Content-Encoding: gzip"])
def test_a_response_as_it_was_sent_is_no_text(tmp_path: Path, coding):
    """5, hello, 0 is how a server cut it; wget and Heritrix keep that, Common Crawl doesn't."""
    http = "Content-Type: application/http; msgtype=response\r\n"
    head = "HTTP/1.1 200 OK\r\nContent-Type: Text/Plain\r\n"
    sent = record("response", f"{head}{coding}\r\n\r\n5\r\nhello\r\n0\r\n\r\n".encode(), http)
    whole = record("response", f"{head}Content-Encoding: identity\r\n\r\nhello".encode(), http)
    (tmp_path / "a.warc").write_bytes(sent + whole)
    kept, rejected = rows(tmp_path / "a.warc", SKIP)
    assert [row["text"] for row in kept] == ["hello"]
    assert [(row["line"], row["rule"]) for row in rejected] == [(1, "read_content_type")]
    assert "is not undone; give WET files" in rejected[0]["reason"]


@pytest.mark.parametrize(
    ("charset", "rule"),
    [
        ("gb2312", None),
        ("unicode_escape", "read_encoding"),
        ("utf-7", "read_encoding"),
        ("zlib", "read_encoding"),
        ("../../x", "read_encoding"),
        ("\x00", "read_encoding"),
    ],
)
def test_a_declared_charset_is_one_of_text(tmp_path: Path, charset, rule):
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset={charset}\r\n\r\n".encode()
    http = "WARC-Target-URI: http://\xff/\r\nContent-Type: application/http; msgtype=response\r\n"
    (tmp_path / "a.warc").write_bytes(record("response", head + b"\\ud800 +2AA-", http) * 2)
    kept, rejected = rows(tmp_path / "a.warc", SKIP)
    assert [row["rule"] for row in rejected] == ([rule] * 2 if rule else [])
    assert [row["text"] for row in kept] == ([] if rule else ["\\ud800 +2AA-"] * 2)
