from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labkit.core import artifacts
from labkit.core.errors import LabError
from labkit.core.records.certificate import document_set_hash
from labkit.data.leaks import certify
from labkit.data.splits import SplitDocument
from labkit.tokens.kinds import make_bytes, train_bpe
from labkit.tokens.shard_writing import write_shards
from labkit.tokens.shards import Shards

TEXTS = [f"document {number}: " + "the cat sat on the mat " * (number % 9) for number in range(80)]
TEXTS[7] = ""
TEXTS[8] = "第一回 naïve <|endoftext|>"
CUT: dict[str, Any] = {"piece_characters": 700, "shard_bytes": 500}
"""Some twenty shards."""
WRITER = """
import sys
from pathlib import Path
from labkit.tokens.kinds import train_bpe
from labkit.tokens.shard_writing import write_shards
from tests.tokens.test_shards import CUT, TEXTS
if __name__ == "__main__":
    folder, workers = Path(sys.argv[1]), int(sys.argv[2])
    write_shards(TEXTS, train_bpe(TEXTS, 300), folder, num_workers=workers, **CUT)
"""


def content(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
        if path.name != "manifest.json"
    }


def test_shards_hold_every_document_in_order(tmp_path: Path):
    tokenizer = train_bpe(TEXTS, 300)
    shards = Shards(write_shards(TEXTS, tokenizer, tmp_path / "s", **CUT))
    facts = shards.facts
    assert len(facts.shard_tokens) > 5
    assert facts.num_documents == 80
    assert facts.num_bytes == sum(len(text.encode()) for text in TEXTS)
    assert np.dtype(facts.dtype) == np.uint16
    stream = []
    for number, text in enumerate(TEXTS):
        ids = shards.document(number).tolist()
        assert ids[-1] == tokenizer.end_of_text
        assert ids[:-1] == tokenizer.encode(text).tolist()
        assert tokenizer.decode(ids) == text
        stream += ids
    assert shards.tokens(0, facts.num_tokens).tolist() == stream
    for start, length in [(5, 1), (facts.shard_tokens[0] - 3, 700), (facts.num_tokens - 2, 2)]:
        assert shards.tokens(start, length).tolist() == stream[start : start + length]
    assert stream.count(tokenizer.end_of_text) == 80


def test_windows_overlap_by_one_and_cover_the_stream(tmp_path: Path):
    shards = Shards(write_shards(TEXTS, make_bytes(), tmp_path / "s"))
    count = shards.num_windows(32)
    assert count == (shards.facts.num_tokens - 1) // 32
    inputs = np.concatenate([shards.window(n, 32)[:-1] for n in range(count)])
    assert np.array_equal(inputs, shards.tokens(0, count * 32))
    assert shards.window(0, 32)[-1] == shards.window(1, 32)[0]


def test_large_vocabularies_take_four_bytes(tmp_path: Path, monkeypatch):
    tokenizer = make_bytes()
    monkeypatch.setattr(type(tokenizer), "vocab_size", 70_000)
    shards = Shards(write_shards(["a"], tokenizer, tmp_path / "s"))
    assert np.dtype(shards.facts.dtype) == np.uint32


def test_two_workers_write_the_same_bytes(tmp_path: Path):
    script = tmp_path / "write.py"
    script.write_text(WRITER)
    for workers in (1, 2):
        run(script, tmp_path / f"s{workers}", workers)
    assert content(tmp_path / "s1") == content(tmp_path / "s2")


def run(script: Path, folder: Path, workers: int, kill_after: float | None = None) -> None:
    root = Path(__file__).resolve().parents[2]
    process = subprocess.Popen(
        [sys.executable, str(script), str(folder), str(workers)],
        env=os.environ | {"PYTHONPATH": str(root)},
        start_new_session=True,
    )
    if kill_after is not None:
        time.sleep(kill_after)
        os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() in (0, -signal.SIGKILL)


def test_killed_at_any_moment_the_next_run_ends_with_the_same_bytes(tmp_path: Path):
    """A seeded sample of moments; `make faults` makes thirty."""
    script = tmp_path / "write.py"
    script.write_text(WRITER)
    run(script, tmp_path / "whole", 1)
    rng = random.Random(0)
    for trial in range(4):
        folder = tmp_path / f"s{trial}"
        run(script, folder, 1, kill_after=rng.uniform(0.2, 0.9))
        assert not folder.exists() or artifacts.exists(folder)
        run(script, folder, 1)
        assert content(folder) == content(tmp_path / "whole")
        assert not folder.with_name(f"{folder.name}.unfinished").exists()


def test_an_interrupted_try_is_gone_on_from_as_far_as_it_is_whole(tmp_path: Path):
    tokenizer = train_bpe(TEXTS, 300)
    cut: dict[str, Any] = {"piece_characters": 300, "shard_bytes": 500}
    write_shards(TEXTS, tokenizer, tmp_path / "whole", **cut)
    aside = tmp_path / "s.unfinished"

    def interrupted():
        yield from TEXTS[:40]
        raise KeyboardInterrupt

    def kept_after(damage: Callable[[], object]) -> int:
        with pytest.raises(KeyboardInterrupt):
            write_shards(interrupted(), tokenizer, tmp_path / "s", **cut)
        damage()
        first = (aside / "tokens-00000.bin").stat().st_ino
        write_shards(TEXTS, tokenizer, tmp_path / "s", **cut)
        is_kept = (tmp_path / "s" / "tokens-00000.bin").stat().st_ino == first
        assert content(tmp_path / "s") == content(tmp_path / "whole")
        shutil.rmtree(tmp_path / "s")
        return is_kept

    def flip(name: str) -> None:
        data = bytearray((aside / name).read_bytes())
        data[-1] ^= 1
        (aside / name).write_bytes(data)

    last = f"tokens-{len(Shards(tmp_path / 'whole').facts.shard_tokens) // 3:05d}.bin"
    assert kept_after(lambda: None)
    assert kept_after(lambda: flip(last))
    assert kept_after(lambda: (aside / "pieces.jsonl").open("ab").write(b'{"shard": 0, "te'))
    assert kept_after(lambda: (aside / "tokens-00099.bin").write_bytes(b"of another try"))
    assert kept_after(lambda: flip("hashes-00000.bin"))
    assert not kept_after(lambda: (aside / "pieces.jsonl").write_bytes(b""))


def test_a_flipped_bit_is_found_on_opening(tmp_path: Path):
    folder = write_shards(TEXTS, make_bytes(), tmp_path / "s")
    data = bytearray((folder / "tokens-00000.bin").read_bytes())
    data[100] ^= 1
    (folder / "tokens-00000.bin").write_bytes(data)
    with pytest.raises(LabError, match="tokens-00000.bin: SHA-256"):
        Shards(folder)


def test_the_certificate_is_inherited_and_goes_stale(tmp_path: Path):
    def documents(texts):
        return [
            SplitDocument(hashlib.sha256(t.encode()).hexdigest(), str(n), len(t.encode()), t)
            for n, t in enumerate(texts)
        ]

    certificate = certify(documents(TEXTS[10:]), documents(TEXTS[:10]))
    train = Shards(write_shards(TEXTS[10:], make_bytes(), tmp_path / "t")).facts
    heldout = Shards(
        write_shards(TEXTS[:10], make_bytes(), tmp_path / "v", certificate=certificate)
    ).facts
    assert heldout.certificate == certificate
    heldout.certificate.check(train.document_set, heldout.document_set)
    more = Shards(write_shards(TEXTS[9:], make_bytes(), tmp_path / "m")).facts
    with pytest.raises(LabError, match="stale leak certificate"):
        heldout.certificate.check(more.document_set, heldout.document_set)
    assert document_set_hash([]) != train.document_set


def test_refusals(tmp_path: Path):
    with pytest.raises(LabError, match="no documents to write"):
        write_shards([], make_bytes(), tmp_path / "s")
    with pytest.raises(LabError, match="text 1 holds a lone surrogate"):
        write_shards(["a", "\ud800"], make_bytes(), tmp_path / "s")
    assert not (tmp_path / "s").exists()


def test_two_writers_of_the_same_shards_share_the_work_of_one(tmp_path: Path):
    tokenizer = train_bpe(TEXTS, 300)

    def write(_: int) -> Path:
        return write_shards(TEXTS, tokenizer, tmp_path / "s", **CUT)

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(write, range(4))) == {tmp_path / "s"}
    assert [path.name for path in tmp_path.glob("[!.]*")] == ["s"]
    assert Shards(tmp_path / "s").facts.num_documents == 80


def test_finished_shards_survive_a_failure_at_the_very_end(tmp_path: Path, monkeypatch):
    def fail(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("labkit.tokens.shard_writing.write_json", fail)
        write_shards(TEXTS, make_bytes(), tmp_path / "s", **CUT)
    assert len(list((tmp_path / "s.unfinished").glob("tokens-*.bin"))) > 5
    write_shards(TEXTS, make_bytes(), tmp_path / "s", **CUT)
    with pytest.raises(LabError, match="made with another tokenizer than bpe"):
        write_shards(TEXTS, train_bpe(TEXTS, 300), tmp_path / "s")


MANY_SHARDS = """
import resource, sys, tracemalloc
from pathlib import Path
import psutil
from labkit.tokens.kinds import make_bytes
from labkit.tokens.shard_writing import write_shards
from labkit.tokens.shards import MAX_OPEN_FILES, Shards
LIMIT = MAX_OPEN_FILES + 40
resource.setrlimit(resource.RLIMIT_NOFILE, (LIMIT, LIMIT))
def texts(count):
    return (f"{number:05d} " + "x" * 9_994 for number in range(count))
def write(count):
    tracemalloc.reset_peak()
    folder = Path(sys.argv[1]) / str(count)
    write_shards(texts(count), make_bytes(), folder, piece_characters=20_000, shard_bytes=40_000)
    return Shards(folder), tracemalloc.get_traced_memory()[1]
write(3)
tracemalloc.start()
_, small = write(40)
shards, large = write(600)
assert len(shards.facts.shard_tokens) == 300 > LIMIT
for number in range(600):
    assert bytes(shards.document(number)[:5].astype("u1")) == f"{number:05d}".encode()
    assert psutil.Process().num_fds() < LIMIT
print(small, large)
"""


def test_a_corpus_of_more_shards_than_open_files_is_written_and_read_at_flat_memory(tmp_path: Path):
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", MANY_SHARDS, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    small, large = map(int, done.stdout.split())
    assert large < small + 1_500_000  # of 5.6 MB more text
