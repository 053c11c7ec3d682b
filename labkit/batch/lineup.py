"""What `labkit run` does: the notebooks in their order, on real corpora or on those here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from labkit.batch.job import Job, make_job
from labkit.core.errors import LabError
from labkit.data.corpora import find_corpus
from labkit.data.fetch import fetch

CORPORA = ("shakespeare", "sanguo")
RAW_CORPORA = ("spam-assassin", "package-licences")
"""What notebook 11 has most to do with; of these the first that can be had."""
BUILT_IN_CORPUS, BUILT_IN_CODE = "python-docs", "python-stdlib"


def lineup(notebooks: Path) -> Iterator[list[Job]]:
    """Stages of jobs with the corpora they need here.

    A stage is made when it is asked for, so that its jobs know the decisions of the one before.

    Raises:
        LabError: no notebooks folder, or a refused parameter.
    """
    if not notebooks.is_dir():
        raise LabError(f"{notebooks}: no such folder; run this where notebooks/ is, or --notebooks")
    corpora, raw = available_corpora(), available_corpora(RAW_CORPORA)[0]
    others = ", ".join(name for name in (*corpora[1:], BUILT_IN_CODE) if name != corpora[0])
    stages: list[list[tuple[str, dict[str, Any]]]] = [
        [
            *(("10_data_exploration", {"corpus": corpus}) for corpus in corpora),
            ("11_data_curation", {"corpus": raw}),
            ("20_tokenizer_comparison", {"corpus": corpora[0], "compare_on": others}),
            ("40_cost_and_scaling", {}),
        ],
        *(
            [(name, {"corpus": corpora[0]})]
            for name in ("30_architecture_ablation", "50_fsdp_training", "60_run_comparison")
        ),
    ]
    for stage in stages:
        yield [make_job(notebooks / f"{name}.ipynb", parameters) for name, parameters in stage]


def available_corpora(names: Sequence[str] = CORPORA) -> list[str]:
    """The real corpora, fetched where needed; without a network, what is here, and a line on it."""
    here = []
    for name in names:
        try:
            fetch(find_corpus(name))
            here.append(name)
        except LabError as error:
            print(f"going on without: {error}", flush=True)
    return here or [BUILT_IN_CORPUS]
