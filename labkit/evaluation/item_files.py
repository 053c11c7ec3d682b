"""Questions from a user's file: JSON Lines, a JSON array or Parquet, in any layout of `LAYOUTS`.

A layout is known by the fields that it needs. Its prompt is the one of lm-evaluation-harness
(v0.4), so that figures can be put beside published ones. A row without a right answer is counted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from labkit.core.errors import LabError
from labkit.evaluation.item import Form, Item, ItemSet, accepted
from labkit.evaluation.prompts import LETTERS

Row = Mapping[str, Any]
Question = tuple[str, list[str], int]
"""Stem, choices, and the place of the right one, -1 where the row doesn't say."""


class Layout(NamedTuple):
    """How rows of a published set become questions; `needs` are the fields that tell it."""

    needs: tuple[str, ...]
    read: Callable[[Row], Question]
    form: Form = "continuation"


def _texts(options: list[Any]) -> list[str]:
    return [f" {option}" for option in options]


def _labelled(row: Row, stem: str) -> Question:
    """Options as {"text": [...], "label": [...]} or a list of such pairs; the answer is a label."""
    choices = row["choices"]
    if isinstance(choices, list):
        choices = {key: [one[key] for one in choices] for key in ("text", "label")}
    gold = _place(choices["label"], row["answerKey"])
    return stem, _texts(choices["text"]), gold


def _place(labels: list[str], answer: Any) -> int:
    return labels.index(answer) if answer in labels else -1


def _number(answer: Any, begins_at: int = 0) -> int:
    """A number, also as text; -1 where there is none."""
    text = str(answer).strip()
    return int(text) - begins_at if text.isdigit() else -1


def _hellaswag(row: Row) -> Question:
    return row["ctx"], _texts(row["endings"]), _number(row["label"])


def _piqa(row: Row) -> Question:
    options = [row["sol1"], row["sol2"]]
    return f"Question: {row['goal']}\nAnswer:", _texts(options), _number(row["label"])


def _winogrande(row: Row) -> Question:
    """An option stands in the gap; scored is the text from there to the end of the sentence."""
    before, _, after = row["sentence"].partition("_")
    options = [row["option1"], row["option2"]]
    return before, [f"{option}{after}" for option in options], _number(row["answer"], 1)


def _mmlu(row: Row) -> Question:
    answer = row["answer"]
    gold = LETTERS.find(answer) if isinstance(answer, str) and len(answer) == 1 else answer
    gold = gold if isinstance(gold, int) else _number(gold)
    return row["question"].strip(), _texts(row["choices"]), gold


def _ceval(row: Row) -> Question:
    options = [row[letter] for letter in LETTERS[:4]]
    answer = str(row.get("answer", row.get("Answer", ""))).strip()
    stem = row.get("question", row.get("Question", ""))
    return str(stem), _texts(options), LETTERS.find(answer) if answer else -1


def _boolq(row: Row) -> Question:
    stem = f"{row['passage']}\nQuestion: {row['question']}?\nAnswer:"
    return stem, [" no", " yes"], int(bool(row["answer"]))


def _siqa(row: Row) -> Question:
    options = [row[f"answer{letter}"] for letter in "ABC"]
    stem = f"Q: {row['context']} {row['question']}\nA:"
    return stem, _texts(options), _number(row["label"], 1)


def _blimp(row: Row) -> Question:
    return "", [row["sentence_good"], row["sentence_bad"]], 0


def _lab(row: Row) -> Question:
    return row["stem"], list(row["choices"]), _number(row["gold"])


LAYOUTS: dict[str, Layout] = {
    "lab": Layout(("stem", "choices", "gold"), _lab),
    "hellaswag": Layout(("ctx", "endings", "label"), _hellaswag),
    "piqa": Layout(("goal", "sol1", "sol2", "label"), _piqa),
    "winogrande": Layout(("sentence", "option1", "option2", "answer"), _winogrande),
    "openbookqa": Layout(
        ("question_stem", "choices", "answerKey"), lambda row: _labelled(row, row["question_stem"])
    ),
    "arc": Layout(
        ("question", "choices", "answerKey"),
        lambda row: _labelled(row, f"Question: {row['question']}\nAnswer:"),
    ),
    "mmlu": Layout(("question", "choices", "answer"), _mmlu, "letters"),
    "siqa": Layout(("context", "question", "answerA", "answerB", "answerC", "label"), _siqa),
    "boolq": Layout(("passage", "question", "answer"), _boolq),
    "ceval": Layout(("question", "A", "B", "C", "D"), _ceval, "letters"),
    "cmmlu": Layout(("Question", "A", "B", "C", "D"), _ceval, "letters"),
    "blimp": Layout(("sentence_good", "sentence_bad"), _blimp),
}


def read_task(path: str | Path) -> ItemSet:
    """The questions of a file; rows that are none are counted by reason.

    Raises:
        LabError: no such file, no JSON or Parquet, or no row in a known layout.
    """
    path = Path(path).expanduser()
    items, faults, forms = [], dict[str, int](), set[Form]()
    for place, row in _rows(path):
        layout = layout_of(row)
        if layout is None:
            fields = ", ".join(map(str, row))[:200] or "none"
            if not items:
                raise LabError(
                    f"{place}: no known layout has the fields {fields}; give stem, choices and "
                    f"gold, or one of {', '.join(LAYOUTS)}"
                )
            faults["another layout"] = faults.get("another layout", 0) + 1
            continue
        try:
            stem, choices, gold = LAYOUTS[layout].read(row)
            group = str(row.get("subject", row.get("group", "")))
            items.append(Item(place, stem, tuple(choices), gold, group))
            forms.add(LAYOUTS[layout].form)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError):
            faults["a field of another kind"] = faults.get("a field of another kind", 0) + 1
    form: Form = "letters" if forms == {"letters"} else "continuation"
    found = accepted(path.stem, items, str(path), form=form)
    return replace(found, refused={**faults, **found.refused})


def layout_of(row: Row) -> str | None:
    """The first layout whose fields the row has."""
    return next((name for name, one in LAYOUTS.items() if set(one.needs) <= set(row)), None)


def _rows(path: Path) -> Iterator[tuple[str, Row]]:
    """(file and number of the row, the row)."""
    try:
        if path.suffix.lower() == ".parquet":
            import pyarrow.parquet as pq

            rows: list[Any] = pq.read_table(path).to_pylist()
        else:
            text = path.read_text("utf-8-sig")
            is_array = text.lstrip().startswith("[")
            rows = (
                json.loads(text)
                if is_array
                else [json.loads(line) for line in text.split("\n") if line.strip()]
            )
    except OSError as error:
        raise LabError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise LabError(f"{path}: no JSON Lines, JSON array or Parquet ({error})") from error
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise LabError(f"{path}:{number}: a {type(row).__name__}; a question is an object")
        yield f"{path.name}:{number}", row
