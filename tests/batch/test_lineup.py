from __future__ import annotations

from pathlib import Path

import pytest

from labkit.batch import lineup
from labkit.core.errors import LabError

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(corpus):
        raise LabError(f"{corpus.name} is not here and cannot be downloaded")

    monkeypatch.setattr(lineup, "fetch", fetch)


@pytest.mark.usefixtures("no_network")
def test_without_a_network_every_notebook_has_a_corpus_and_a_line_says_which_are_missing(capsys):
    jobs = [job for stage in lineup.lineup(NOTEBOOKS) for job in stage]
    said = capsys.readouterr().out.splitlines()
    assert len(said) == len(lineup.CORPORA)
    assert all(line.startswith("going on without: ") for line in said)
    assert {job.name for job in jobs} == {path.stem for path in NOTEBOOKS.glob("*.ipynb")}
    assert jobs[0].parameters == {"corpus": lineup.BUILT_IN_CORPUS}


@pytest.mark.usefixtures("no_network")
def test_each_notebook_reads_the_corpus_of_the_one_before():
    stages = list(lineup.lineup(NOTEBOOKS))
    stage_of = {job.name[:2]: number for number, jobs in enumerate(stages) for job in jobs}
    chain = ["10", "11", "20", "30", "50", "60", "70"]
    assert sorted(chain, key=stage_of.__getitem__) == chain
    assert len({stage_of[name] for name in chain}) == len(chain)
    corpora = {job.name[:2]: job.parameters.get("corpus") for jobs in stages for job in jobs}
    assert corpora.pop("10") == lineup.BUILT_IN_CORPUS
    assert corpora == {
        "11": "decision:10",
        **dict.fromkeys(("20", "30", "50", "60", "70"), "decision:11"),
        "40": None,
    }


def test_a_folder_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(LabError, match="none: no such folder; run this where notebooks/ is"):
        list(lineup.lineup(tmp_path / "none"))
