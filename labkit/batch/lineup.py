"""What `labkit run` does: one corpus through the notebooks, each reading the decision before it.

Real text where it can be had, else what comes with Python.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from labkit.batch.job import Job, make_job
from labkit.core.errors import LabError
from labkit.data.corpora import find_corpus
from labkit.data.decided_corpora import CURATED, EXPLORED
from labkit.data.fetch import fetch

CORPORA = ("shakespeare", "sanguo")
"""The first that can be had goes through all notebooks; the others are measured beside it."""
BUILT_IN_CORPUS, BUILT_IN_CODE = "python-docs", "python-stdlib"


def lineup(notebooks: Path) -> Iterator[list[Job]]:
    """Stages of jobs with the corpora they need here.

    A stage is made when it is asked for, so that its jobs know the decisions of the one before.

    Raises:
        LabError: no notebooks folder, or a refused parameter.
    """
    if not notebooks.is_dir():
        raise LabError(f"{notebooks}: no such folder; run this where notebooks/ is, or --notebooks")
    corpora = available_corpora()
    others = ", ".join(name for name in (*corpora[1:], BUILT_IN_CODE) if name != corpora[0])
    stages: list[list[tuple[str, dict[str, Any]]]] = [
        [("10_data_exploration", {"corpus": corpora[0]}), ("40_cost_and_scaling", {})],
        [("11_data_curation", {"corpus": EXPLORED})],
        [("20_tokenizer_comparison", {"corpus": CURATED, "compare_on": others})],
        *(
            [(name, {"corpus": CURATED})]
            for name in (
                "30_architecture_ablation",
                "50_fsdp_training",
                "60_run_comparison",
                "70_evaluation",
            )
        ),
    ]
    for stage in stages:
        yield [make_job(notebooks / f"{name}.ipynb", parameters) for name, parameters in stage]


def available_corpora() -> list[str]:
    """The real corpora, fetched where needed; without a network, what is here, and a line on it."""
    here = []
    for name in CORPORA:
        try:
            fetch(find_corpus(name))
            here.append(name)
        except LabError as error:
            print(f"going on without: {error}", flush=True)
    return here or [BUILT_IN_CORPUS]
