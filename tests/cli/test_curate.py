from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from labkit.cli import main
from labkit.data.curation import STEPS, CurationConfig, curate
from labkit.data.readers import read_documents

GOOD = "The reader of this page has come to the end of the line, and with that to its stop.\n" * 2


def write(folder: Path) -> Path:
    folder.mkdir()
    texts = [GOOD + f"Letter {n} is from the office of number {n * n}, to you." for n in range(8)]
    for number, text in enumerate(
        [*texts, texts[0], "", "call ann@example.org, she said. " + GOOD]
    ):
        (folder / f"{number:02d}.txt").write_text(text)
    return folder


def test_the_command_line_does_what_the_config_says(tmp_path: Path, capsys):
    corpus = write(tmp_path / "letters")
    steps = "exact_duplicates, personal_data"
    assert main(["curate", str(corpus), "--steps", steps, "--processes", "1"]) == 0
    out, said = capsys.readouterr()
    *funnel, replaced, path = out.splitlines()
    assert replaced.startswith("Replaced by placeholders in what was kept: 1 EMAIL.")
    same = curate(CurationConfig(corpus=str(corpus), steps=steps)).curated
    assert path == same.corpus
    assert [line.split()[:4] for line in funnel[1:]] == [
        ["1", "exact_duplicates", "11", "1"],
        ["exact_duplicates", "1"],
        ["2", "personal_data", "10", "0"],
    ]
    assert said.splitlines()[0].startswith("needs about")
    texts = [t for batch in read_documents(path) for t in batch.column("text").to_pylist()]
    assert len(texts) == 10
    assert texts[-1].startswith("call <EMAIL>, she said.")


def test_a_curation_that_keeps_nothing_says_so(tmp_path, lab_home, capsys):
    corpus = str(write(tmp_path / "letters"))
    assert main(["curate", corpus, "--steps", "rules", "--preset", "chinese"]) == 0
    assert "nothing is kept: is this the preset" in capsys.readouterr().out


def test_the_unread_are_counted_on_the_last_lines(tmp_path, lab_home, capsys):
    corpus = tmp_path / "letters.jsonl"
    corpus.write_text('{"text": "one"}\n{"txt": "two"}\nthree\n')
    assert main(["curate", str(corpus), "--steps", "exact_duplicates"]) == 0
    *_, unread, path = capsys.readouterr().out.splitlines()
    count, _, rest = unread.partition(" records could not be read: ")
    where, _, has = rest.partition(" has ")
    assert (count, has) == ("2", "file, line and reason")
    assert Path(where).parent == Path(path).parent
    assert len(Path(where).read_text().splitlines()) == 2


@pytest.mark.parametrize("presses", [1, 3])
def test_ctrl_c_while_workers_start_is_one_word(tmp_path, lab_home, presses: int):
    command = [sys.executable, "-m", "labkit", "curate", str(write(tmp_path / "letters"))]
    with subprocess.Popen(
        [*command, "--processes", "2"], stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as started:
        this = psutil.Process(started.pid)
        while sum("spawn_main" in " ".join(one.cmdline()) for one in this.children()) < 2:
            assert started.poll() is None
            time.sleep(0.01)
        for _ in range(presses):
            os.killpg(started.pid, signal.SIGINT)
            time.sleep(0.1)
        _, said = started.communicate(timeout=60)
    assert started.returncode in (130, -signal.SIGINT)  # 130 to a shell; -2 from within exec()
    assert "Traceback" not in said
    assert "interrupted; what is finished lies in " in said.splitlines()[-1]


@pytest.mark.parametrize("columns", ["80", "1"])
def test_help_names_every_step(capsys, monkeypatch, columns: str):
    monkeypatch.setenv("COLUMNS", columns)
    with pytest.raises(SystemExit):
        main(["curate", "--help"])
    help_text = " ".join(capsys.readouterr().out.split())
    for name, step in STEPS.items():
        assert f"{name} (needs --" in help_text if step.needs else f" {name}," in help_text
    assert 'language. allowed=["en"]; min_score=0.65;' in help_text
    assert "reading. on_error=skip;" in help_text
    assert "the variable LABKIT_HOME names another place" in help_text
    assert "default decision:10" not in help_text
    assert "a record: JSON with a field text" in help_text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["shakespear"], "neither a registered corpus"),
        (["--steps", "rules"], "no corpus; give a path, such as labkit curate my_texts.jsonl, or"),
        (["shakespeare", "--corpus", "milton"], "two corpora: shakespeare and --corpus milton"),
        (["sotu", "--set", "language.allowed=zh"], 'should be a list, such as ["zh"]'),
        (["sotu", "--steps", "polish"], "unknown polish; steps: exact_duplicates"),
        (["sotu", "--thresholds", '{"list_ratio": false}'], "list_ratio should be a number, or"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(capsys, arguments, message):
    assert main(["curate", *arguments]) == 2
    line = capsys.readouterr().err
    assert message in line
    assert len(line.splitlines()) == 1


def test_a_corpus_may_be_an_override(tmp_path, lab_home, capsys):
    corpus = tmp_path / "mine.jsonl"
    corpus.write_text('{"text": "One."}\n')
    assert main(["curate", "--set", f"corpus={corpus}", "--steps", "exact_duplicates"]) == 0
    assert capsys.readouterr().out.endswith("/documents.parquet\n")
