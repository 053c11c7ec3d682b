"""datatrove's executors run the same steps: they keep what `run_pipeline` keeps."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from labkit.core.errors import LabError
from labkit.data.pipeline.run import run_pipeline
from tests.data.pipeline.small_steps import (
    STEPS,
    TEXTS,
    Copies,
    Mask,
    MinLength,
    write_corpus,
)

pytest.importorskip("datatrove")
from datatrove.executor import LocalPipelineExecutor, SlurmPipelineExecutor
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter

from labkit.data.personal_data.redact import RedactPersonalData
from labkit.data.pipeline.executors import datatrove_blocks
from labkit.data.readers import read_documents
from labkit.data.rules.c4 import C4
from labkit.data.rules.presets import english

PER_DOCUMENT = (MinLength(12), Mask())
THE_LABS_OWN = (
    english(),
    C4(requires_terminator=False, min_sentences=1),
    RedactPersonalData(),
)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A folder of two files: a task each."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    licences = next(read_documents("package-licences")).column("text").to_pylist()[:60]
    for name, texts in zip(
        "ab", (TEXTS[:90] + licences[:30], TEXTS[90:] + licences[30:]), strict=True
    ):
        write_corpus(folder / f"{name}.jsonl", texts)
    return folder


def blocks(corpus: Path, out: Path, steps: Any = PER_DOCUMENT, **keywords: Any) -> list[Any]:
    middle = datatrove_blocks(steps, lambda name: JsonlWriter(f"{out}/dropped/{name}"), **keywords)
    return [JsonlReader(str(corpus)), *middle, JsonlWriter(str(out / "kept"))]


def rows(folder: Path) -> list[dict[str, Any]]:
    found = []
    for path in sorted(folder.rglob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            found += [json.loads(line) for line in file]
    return found


@pytest.mark.parametrize("steps", [PER_DOCUMENT, THE_LABS_OWN])
def test_a_local_executor_keeps_and_drops_what_the_pipeline_does(
    tmp_path: Path, corpus: Path, steps
):
    logs = str(tmp_path / "logs")
    pipeline = blocks(corpus, tmp_path, steps)
    LocalPipelineExecutor(pipeline, tasks=2, workers=1, logging_dir=logs).run()
    ours = run_pipeline(str(corpus), steps)
    kept = rows(tmp_path / "kept")
    assert [row["text"] for row in kept] == ours.documents("text")["text"].to_pylist()
    sources = ours.documents("source")["source"].to_pylist()
    assert [row["metadata"]["source"] for row in kept] == sources
    dropped = sorted(
        (row["metadata"]["filter_reason"], row["metadata"]["rule_value"], row.get("text", ""))
        for row in rows(tmp_path / "dropped")
    )
    lost = ours.dropped("rule", "value", "text").to_pylist()
    assert kept
    assert dropped
    # datatrove's reader leaves out empty texts, before any filter sees them
    assert dropped == sorted(tuple(row.values()) for row in lost if row["text"])


def test_a_finished_task_is_not_run_again(tmp_path: Path, corpus: Path):
    def run() -> None:
        logs = str(tmp_path / "logs")
        LocalPipelineExecutor(blocks(corpus, tmp_path), tasks=2, workers=1, logging_dir=logs).run()

    run()
    expected = rows(tmp_path / "kept")
    (tmp_path / "logs" / "completions" / "00001").unlink()
    files = sorted((tmp_path / "kept").iterdir())
    before = [path.stat().st_mtime_ns for path in files]
    run()
    after = [path.stat().st_mtime_ns for path in files]
    assert (before[0] == after[0], before[1] == after[1]) == (True, False)
    assert rows(tmp_path / "kept") == expected


def test_a_survey_is_refused_and_what_it_settled_to_needs_the_rows(tmp_path: Path, corpus: Path):
    with pytest.raises(LabError, match="exact must see the whole corpus.* settle it with"):
        datatrove_blocks(STEPS)
    settled = Copies(frozenset({2}))
    [block] = datatrove_blocks([settled])
    reader = JsonlReader(str(corpus))
    with pytest.raises(
        LabError, match="goes by rows of the corpus it was settled on; give row_key"
    ):
        list(block.run(reader.run()))
    [block] = datatrove_blocks([settled], row_key="row")
    documents = list(reader.run())
    for number, document in enumerate(documents):
        document.metadata["row"] = number
    assert len(list(block.run(iter(documents)))) == len(documents) - 1


def test_the_slurm_script_starts_tasks_that_keep_the_same(
    tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch
):
    programs = tmp_path / "programs"
    programs.mkdir()
    sbatch = programs / "sbatch"
    sbatch.write_text(f'#!/bin/bash\necho "$@" >> {tmp_path}/submitted\necho "Submitted job 7"\n')
    sbatch.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}")
    SlurmPipelineExecutor(
        blocks(corpus, tmp_path),
        tasks=2,
        time="01:00:00",
        partition="cpu",
        logging_dir=str(tmp_path / "logs"),
        with_srun=False,
    ).run()
    script = tmp_path / "logs" / "launch_script.slurm"
    subprocess.run(["bash", "-n", str(script)], check=True)
    assert "#SBATCH --array=0-1" in script.read_text()
    assert "--export=ALL,RUN_OFFSET=0" in (tmp_path / "submitted").read_text()
    (programs / "scontrol").write_text("#!/bin/bash\necho localhost\n")
    (programs / "scontrol").chmod(0o755)
    variables = {"SLURM_ARRAY_TASK_ID": "1", "SLURM_NODELIST": "n", "PYTHONPATH": os.getcwd()}
    done = subprocess.run(
        ["bash", str(script)], env=os.environ | variables, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    second = run_pipeline(str(corpus / "b.jsonl"), PER_DOCUMENT)
    found = [row["text"] for row in rows(tmp_path / "kept")]
    assert found == second.documents("text")["text"].to_pylist()
