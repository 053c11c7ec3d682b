"""papermill as a person calls it, and what a notebook recorded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from labkit.core.records.decision import current_decision

ROOT = Path(__file__).resolve().parents[2]


def write_corpus(folder: Path, num_texts: int) -> str:
    path = folder / "mine.jsonl"
    words = "one two three four five six seven eight nine ten".split()
    texts = [" ".join(words[n % 10 :] * (n % 7 + 12)) + f" {n}." for n in range(num_texts)]
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return str(path)


def papermill(notebook: str, home: Path, parameters: dict[str, Any]) -> None:
    """In its own process, as a person calls it: parameters from a file."""
    source, folder = ROOT / "notebooks" / f"{notebook}.ipynb", home.parent
    given = folder / "params.yaml"
    given.write_text(yaml.safe_dump(parameters))
    command = [sys.executable, "-m", "papermill", source, folder / "out.ipynb", "-f", given]
    done = subprocess.run(
        [*command, "--cwd", folder, "--no-progress-bar"],
        capture_output=True,
        text=True,
        env=os.environ | {"LABKIT_HOME": str(home)},
    )
    assert done.returncode == 0, done.stderr[-3000:]


def result_of(notebook: str, corpus_hash: str | None = None) -> dict[str, Any]:
    arguments = (notebook, corpus_hash) if corpus_hash else (notebook,)
    _, folder = current_decision(*arguments)
    return json.loads((folder / "result.json").read_text())
