"""Bytes of a file, plain or unpacked, in blocks of bounded size.

`.gz` and `.zst` are unpacked by pyarrow, several members or frames one after the other. What a
compressed file may unpack to is bounded by its size (`max_expansion_ratio`), so that a bomb costs
at most what its author had to store. A file that isn't what its suffix says is recognised by its
first bytes.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from labkit.data.reading.policy import HARMLESS_BYTES, ReadPolicy
from labkit.data.reading.record import Fault

BLOCK_BYTES = 1 << 18
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
MAGIC = {
    b"\x1f\x8b": ".gz",
    b"\x28\xb5\x2f\xfd": ".zst",
    b"PK\x03\x04": ".zip",
}
UTF_16_32 = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
BOM = b"\xef\xbb\xbf"


def check_regular(path: Path) -> os.stat_result:
    """The file's facts, when it is one that can be read twice.

    Raises:
        Fault: gone, a link to nothing or to itself, a folder, a pipe, a device.
    """
    try:
        facts = path.stat()
    except OSError as error:
        kind = "a link to nothing" if path.is_symlink() else f"cannot be read ({error.strerror})"
        raise Fault("read_open", kind) from error
    if not stat.S_ISREG(facts.st_mode):
        kind = "a folder" if stat.S_ISDIR(facts.st_mode) else "a pipe or a device"
        raise Fault("read_open", f"{kind}; a corpus is read twice, give a file")
    return facts


def read_blocks(path: Path, policy: ReadPolicy) -> Iterator[bytes]:
    """The file's bytes in blocks, unpacked as its last suffix says.

    Raises:
        Fault: cut, damaged, misnamed, or unpacks to more than the policy allows.
    """
    suffix = path.suffix.lower() if path.suffix.lower() in COMPRESSIONS else ""
    with _open(path) as file:
        size = os.fstat(file.fileno()).st_size
        _check_magic(file, suffix, size)
        if not suffix:
            yield from _read(file)
            return
        limit = max(HARMLESS_BYTES, policy.max_expansion_ratio * size)
        num_bytes = 0
        for block in _unpack(file, COMPRESSIONS[suffix]):
            num_bytes += len(block)
            if num_bytes > limit:
                reason = f"{size:,} bytes unpack to more than {limit:,.0f}"
                raise Fault("read_expansion", f"{reason} (max_expansion_ratio)")
            yield block


def read_whole(path: Path, policy: ReadPolicy) -> bytes:
    """The unpacked content of a file that is one document."""
    pieces, num_bytes = [], 0
    for block in read_blocks(path, policy):
        num_bytes += len(block)
        if num_bytes > policy.max_record_bytes:
            raise Fault("read_record_bytes", f"more than {policy.max_record_bytes:,} bytes")
        pieces.append(block)
    return b"".join(pieces)


def decode(raw: bytes, number: int | None = None) -> str:
    """UTF-8 as text; a fault names the first byte that isn't."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        is_windows = any(0x80 <= byte <= 0x9F for byte in raw)  # quotes, dashes, the euro sign
        one_byte = "windows-1252" if is_windows else "latin1"
        charset = "utf-16" if raw.startswith(UTF_16_32) else one_byte
        found = f"not UTF-8 at byte {error.start} (0x{raw[error.start]:02x})"
        advice = f"convert it, for example with iconv -f {charset} -t utf8"
        raise Fault("read_encoding", f"{found}; {advice}", number) from error


@contextlib.contextmanager
def _open(path: Path) -> Iterator[BinaryIO]:
    check_regular(path)
    try:
        file = path.open("rb")
    except OSError as error:
        raise Fault("read_open", f"cannot be read ({error.strerror})") from error
    with file:
        yield file


def _read(file: BinaryIO) -> Iterator[bytes]:
    try:
        while block := file.read(BLOCK_BYTES):
            yield block
    except OSError as error:
        raise Fault("read_damaged", f"cannot be read on ({error.strerror})") from error


def _unpack(file: BinaryIO, compression: str) -> Iterator[bytes]:
    try:
        with pa.CompressedInputStream(pa.PythonFile(file, mode="r"), compression) as stream:
            while block := stream.read(BLOCK_BYTES):
                yield block
    except (pa.ArrowException, OSError) as error:
        raise Fault("read_damaged", f"cut or damaged ({error})") from error


def _check_magic(file: BinaryIO, suffix: str, size: int) -> None:
    start = next(_read(file), b"")[:4]
    file.seek(0)
    if start.startswith(UTF_16_32) and not suffix:
        advice = "convert it with iconv -f utf-16 -t utf8"
        raise Fault("read_encoding", f"UTF-16 or UTF-32, not UTF-8; {advice}")
    found = next((kind for magic, kind in MAGIC.items() if start.startswith(magic)), "")
    if found == suffix or not size:
        return
    if found == ".zip":
        raise Fault("read_suffix", "a zip archive; unpack it")
    if found:
        advice = f"name it so that it ends in {found}"
        raise Fault("read_suffix", f"{found} data, not {suffix or 'text'}; {advice}")
    raise Fault("read_suffix", f"not {suffix} data; take the suffix away")
