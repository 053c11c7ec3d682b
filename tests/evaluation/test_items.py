"""Questions from files of published layouts, from held-out text, and their controls."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labkit.core.errors import LabError
from labkit.evaluation.item import Item, fault_of
from labkit.evaluation.item_files import LAYOUTS, read_task
from labkit.evaluation.own_tasks import OWN_TASKS, OwnTaskConfig, make_task
from labkit.evaluation.prompts import (
    as_letters,
    with_examples,
    with_options_rotated,
    with_stems_exchanged,
)
from tests.evaluation.asked import items

ROWS = {
    "lab": {"stem": "s", "choices": [" a", " b"], "gold": 1},
    "hellaswag": {"ctx": "c", "endings": ["x", "y", "z"], "label": "1"},
    "piqa": {"goal": "g", "sol1": "x", "sol2": "y", "label": 1},
    "winogrande": {"sentence": "The _ fell.", "option1": "cup", "option2": "lid", "answer": "2"},
    "openbookqa": {
        "question_stem": "q ",
        "choices": {"text": ["x", "y"], "label": ["A", "B"]},
        "answerKey": "B",
    },
    "arc": {
        "question": "q",
        "choices": [{"text": "x", "label": "1"}, {"text": "y", "label": "2"}],
        "answerKey": "2",
    },
    "mmlu": {"question": "q", "choices": ["x", "y", "z", "w"], "answer": 1, "subject": "law"},
    "siqa": {
        "context": "c",
        "question": "q",
        "answerA": "x",
        "answerB": "y",
        "answerC": "z",
        "label": "2",
    },
    "boolq": {"passage": "p", "question": "q", "answer": True},
    "ceval": {"question": "q", "A": "x", "B": "y", "C": "z", "D": "w", "answer": "B"},
    "cmmlu": {"Question": "q", "A": "x", "B": "y", "C": "z", "D": "w", "Answer": "B"},
    "blimp": {"sentence_good": "it is", "sentence_bad": "it are"},
}


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("kind", ["jsonl", "json", "parquet"])
def test_published_layouts_are_read(name, kind, tmp_path):
    path = tmp_path / f"task.{kind}"
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist([ROWS[name]] * 2), path)
    else:
        text = json.dumps(ROWS[name])
        path.write_text(f"[{text}, {text}]" if kind == "json" else f"{text}\n{text}\n")
    task = read_task(path)
    assert len(task.items) == 2
    assert task.items[0].gold == (0 if name == "blimp" else 1)
    assert task.form == ("letters" if name in ("mmlu", "ceval", "cmmlu") else "continuation")


def test_prompts_are_those_of_lm_evaluation_harness(tmp_path):
    path = tmp_path / "task.jsonl"

    def first(name: str) -> Item:
        path.write_text(json.dumps(ROWS[name]))
        return read_task(path).items[0]

    assert first("winogrande").stem + first("winogrande").choices[1] == "The lid fell."
    assert first("boolq").stem == "p\nQuestion: q?\nAnswer:"
    shown = as_letters(first("mmlu"))
    assert shown.stem == "q\nA. x\nB. y\nC. z\nD. w\nAnswer:"
    assert shown.choices == (" A", " B", " C", " D")


def test_rows_without_an_answer_are_counted_and_a_strange_file_is_refused(tmp_path):
    path = tmp_path / "task.jsonl"
    path.write_text(json.dumps(ROWS["piqa"]) + "\n" + json.dumps({**ROWS["piqa"], "label": ""}))
    task = read_task(path)
    assert (len(task.items), sum(task.refused.values())) == (1, 1)
    path.write_text('{"a": 1}')
    with pytest.raises(LabError, match="no known layout has the fields a"):
        read_task(path)
    path.write_text("{")
    with pytest.raises(LabError, match="no JSON Lines"):
        read_task(path)


TEXTS = [
    " ".join(f"{word}{n}" if n % 3 else word for n in range(400))
    for word in "alpha beta gamma delta epsilon zeta".split()
]


@pytest.mark.parametrize("name", OWN_TASKS)
def test_own_questions_have_one_right_answer_that_stands_in_the_text(name):
    config = OwnTaskConfig(num_items=30)
    task = make_task(name, TEXTS, config, "held out")
    assert 10 < len(task.items) <= 30
    for item in task.items:
        text = TEXTS[int(item.group.removeprefix("document "))]
        flat = " ".join(text.split())
        assert " ".join((item.stem + item.choices[item.gold]).split()) in flat
        assert not fault_of(item)
    assert len({item.gold for item in task.items}) > 1
    assert make_task(name, TEXTS, config).hash == task.hash
    assert make_task(name, TEXTS, config.model_copy(update={"seed": 1})).hash != task.hash


def test_too_little_text_is_refused():
    with pytest.raises(LabError, match="gives 0 questions"):
        make_task("continuation", ["short"], OwnTaskConfig())


def test_controls_change_what_they_say_and_nothing_else():
    asked = items(20, group="g")
    swapped = with_stems_exchanged(asked)
    assert sorted(one.stem for one in swapped) == sorted(one.stem for one in asked)
    assert all(a.stem != b.stem for a, b in zip(asked, swapped, strict=True))
    assert [(a.choices, a.gold) for a in asked] == [(b.choices, b.gold) for b in swapped]
    for by in range(4):
        turned = with_options_rotated(asked, by)
        assert all(
            a.choices[a.gold] == b.choices[b.gold] for a, b in zip(asked, turned, strict=True)
        )
    assert with_options_rotated(asked, 4) == asked


def test_examples_are_other_items_with_their_right_answers():
    asked = items(6)
    for item, shown in zip(asked, with_examples(asked, 3), strict=True):
        *examples, last = shown.stem.split("\n\n")
        answered = [one.stem + one.choices[one.gold] for one in asked if one != item]
        assert len(set(examples)) == 3
        assert set(examples) <= set(answered)
        assert last == item.stem
    with pytest.raises(LabError, match="6 examples from 6 items"):
        with_examples(asked, 6)
