"""A corpus through ordered steps, to one artefact: `run_pipeline(corpus, steps)`.

The corpus is read once, in batches of about 4 MB; what a stage keeps lies on disk until the next
one is through, so that memory follows neither the corpus nor the number of steps. Each finished
batch is kept through a crash: the same call goes on where it stopped, and ends with the bytes of
a run that was never broken. What a survey gathered is held in memory alone, and gathered again
from the finished batches.
"""

from __future__ import annotations

import contextlib
import glob
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from labkit.core import artifacts, disk, lock, provenance
from labkit.core.canonical_json import hash_json
from labkit.core.config import Config
from labkit.core.errors import LabError
from labkit.data.pipeline.corpus import Corpus
from labkit.data.pipeline.curated import DOCUMENTS, Curated
from labkit.data.pipeline.identity import describe
from labkit.data.pipeline.memory import allocated_by_malloc
from labkit.data.pipeline.passage import Passage
from labkit.data.pipeline.progress import Say, say_nothing
from labkit.data.pipeline.stages import cut_stages
from labkit.data.pipeline.step import Step, Survey
from labkit.data.pipeline.workers import StartMethod, Workers
from labkit.data.readers import ReadPolicy
from labkit.data.reading.parts import record_suffix


def run_pipeline(
    corpus: str,
    steps: Sequence[Step | Survey],
    *,
    folder: Path | None = None,
    processes: int = 1,
    start_method: StartMethod = "spawn",
    policy: ReadPolicy | None = None,
    config: Config | None = None,
    say: Say = say_nothing,
) -> Curated:
    """The curated corpus, made unless it is there; `say` gets the lines that a person wants.

    `config` is what the steps were made from, where there is one: it is kept with the artefact.

    Raises:
        LabError: no document, a record that can't be read (where the policy says stop), a step that
            loses a document, too little memory, or a `folder` that holds something else.
    """
    stages = cut_stages(steps)
    source = Corpus(corpus, policy or ReadPolicy())
    described = [describe(step) for step in steps]
    inputs = {
        "corpus": source.fingerprint,
        "steps": hash_json(described),
        "code": provenance.source_hash("data"),
    }
    folder = Path(folder) if folder else curated_folder(corpus, inputs)
    _check_free(folder)
    aside = folder.with_name(f"{folder.name}.{hash_json(inputs)}.unfinished")
    if artifacts.exists(folder) and not aside.exists():
        curated = _finished(folder, inputs)
        say("done before, with these steps and this code: nothing was run")
        return curated
    with lock.hold(folder.with_name(f"{folder.name}.lock"), f"the curation {folder.name}"):
        _discard_others(aside, folder)
        is_new = not artifacts.exists(folder)
        if is_new:
            kept = _kept_if_begun(aside, source, inputs["corpus"])
            allocated = allocated_by_malloc() if processes == 1 else contextlib.nullcontext()
            with kept, allocated, Workers(processes, start_method) as workers:
                passage = Passage(source, stages, aside, workers, say)
                passage.run(folder, inputs=inputs, described=described, config=config)
        shutil.rmtree(aside, ignore_errors=True)
    return _finished(folder, inputs, verify=not is_new)


@contextlib.contextmanager
def _kept_if_begun(aside: Path, source: Corpus, fingerprint: str) -> Iterator[None]:
    """A run leaves nothing to go on with that was refused before a batch was through, or whose
    corpus is another one now."""
    try:
        yield
    except LabError:
        if not any(aside.glob("stage-*/*.arrow")) or source.has_changed_from(fingerprint):
            shutil.rmtree(aside, ignore_errors=True)
        raise
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(f"what is finished lies in {aside}") from error


def curated_folder(corpus: str, inputs: dict[str, str]) -> Path:
    name = disk.slug(_title(corpus))
    return artifacts.home() / "datasets" / f"{name}-curated-{hash_json(inputs)}"


def _title(corpus: str) -> str:
    """A registered corpus by its name, a curated one as what it came from, a file without the
    suffix of its format.

    >>> _title("texts/web.train.jsonl.gz")
    'web.train'
    """
    path = Path(corpus)
    if "/" not in corpus or path.is_dir():
        return path.name
    if path.name == DOCUMENTS and artifacts.exists(path.parent):
        return re.sub("-curated-[0-9a-f]{16}$", "", path.parent.name)
    return path.name.removesuffix(record_suffix(path.name) or path.suffix) or path.name


def _check_free(folder: Path) -> None:
    """An artefact takes the place of what has its name, so that must be an artefact or nothing."""
    if artifacts.exists(folder) or not folder.exists():
        return
    if not folder.is_dir() or any(folder.iterdir()):
        raise LabError(f"{folder} holds something else than a curation; give another folder")


def _discard_others(aside: Path, folder: Path) -> None:
    """Unfinished runs into the same folder, of other steps or other code: never gone on with."""
    for path in folder.parent.glob(f"{glob.escape(folder.name)}.*.unfinished"):
        is_of_folder = path.name.count(".") == aside.name.count(".")  # or of one called FOLDER.v2
        if is_of_folder and path != aside:
            shutil.rmtree(path, ignore_errors=True)


def _finished(folder: Path, inputs: dict[str, str], *, verify: bool = True) -> Curated:
    curated = Curated(folder, verify=verify)
    there = artifacts.read_manifest(folder, verify=False).inputs
    if different := [name for name, value in inputs.items() if there.get(name) != value]:
        raise LabError(f"{folder} was made with other {', '.join(different)}; give another folder")
    return curated
