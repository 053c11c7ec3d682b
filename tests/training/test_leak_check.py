from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from labkit.core.errors import LabError
from labkit.core.records.run import RunRecord
from labkit.tokens.kinds import KINDS
from labkit.tokens.shard_writing import write_shards
from labkit.tokens.shards import Shards
from labkit.training.leak_check import count_copies, leak_check
from labkit.training.run import run
from tests.training.tiny import tiny_plan, tiny_texts


def test_validation_under_another_name_is_refused_and_copies_are_counted(tmp_path: Path):
    tokenizer, texts = KINDS["bytes"]([], 300), tiny_texts(12, 0)

    def shards(name: str, *chosen: str) -> Shards:
        return Shards(write_shards(chosen, tokenizer, tmp_path / name))

    validation = shards("v", *texts[:4])
    with pytest.raises(LabError, match="is trained on"):
        leak_check([shards("t", *texts[8:]), shards("u", *texts[:6])], validation)
    some = [shards("a", *texts[3:6]), shards("b", texts[0], *texts[6:])]
    assert count_copies(some, validation) == 2
    assert "no certificate" in leak_check(some, validation)
    assert "2 of 4" in leak_check(some, validation)


def test_a_missing_certificate_stands_in_the_result(lab_home: Path, data: dict[str, Any]):
    said: list[str] = []
    plan = tiny_plan(data, 2)
    run(plan, lab_home / "runs" / "one", say=said.append)
    result = RunRecord(lab_home / "runs" / "one").read("result")
    assert "no certificate" in result["leak_check"]
    assert result["leak_check"] in said


def test_copied_shards_are_no_validation_text(lab_home: Path, data: dict[str, Any]):
    shutil.copytree(lab_home / "shards/tiny/train", lab_home / "shards/held-out")
    plan = tiny_plan(data | {"validation": "shards/held-out"}, 2)
    with pytest.raises(LabError, match="is trained on"):
        run(plan, lab_home / "runs" / "one")


def test_a_source_shorter_than_a_sample_is_named(lab_home: Path, data: dict[str, Any]):
    write_shards(["short"], KINDS["bytes"]([], 300), lab_home / "shards/short")
    plan = tiny_plan(data | {"train": {"shards/short": 1.0}}, 2)
    with pytest.raises(LabError, match="shards/short has 6 tokens"):
        run(plan, lab_home / "runs" / "one")
