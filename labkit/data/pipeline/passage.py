"""The passage of a corpus through its stages, each from the parts of the one before."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from labkit.core import artifacts, disk
from labkit.core.config import Config
from labkit.core.counted import counted
from labkit.core.errors import LabError
from labkit.data.pipeline.corpus import Corpus
from labkit.data.pipeline.curated import REJECTED, timing_file
from labkit.data.pipeline.funnel import Funnel, add_flows
from labkit.data.pipeline.memory import check_memory, estimate_memory
from labkit.data.pipeline.parts import Part, Texts, kept_file, read_batch, read_dropped
from labkit.data.pipeline.progress import Progress, Say
from labkit.data.pipeline.stage_folder import StageFolder
from labkit.data.pipeline.stages import Stage
from labkit.data.pipeline.workers import Done, ReadTask, Task, Workers
from labkit.data.pipeline.writing import CurationWriter
from labkit.data.readers import Lines, Portion
from labkit.data.utf8 import utf8_lengths


class Passage:
    """One run, new or resumed; `aside` holds what is finished of it."""

    def __init__(
        self, corpus: Corpus, stages: list[Stage], aside: Path, workers: Workers, say: Say
    ):
        self.corpus, self.stages, self.workers, self.say = corpus, stages, workers, say
        self.aside = aside
        self.folders = [StageFolder(aside / f"stage-{n + 1}") for n in range(len(stages))]
        self._has_said_memory = False
        self.names = [step.name for stage in stages for step in stage.own_steps]

    def run(
        self, folder: Path, *, inputs: dict[str, str], described: list[Any], config: Config | None
    ) -> None:
        """Work off the stages that are not finished, and publish what the last one keeps."""
        started = time.monotonic()
        self._discard_damaged()
        with artifacts.write_artifact(folder, config=config, inputs=inputs) as temporary:
            writer = CurationWriter(temporary)
            parts = self._pass_all(writer)
            if self.corpus.has_changed_from(inputs["corpus"]):
                raise LabError(f"{self.corpus.name}: changed while it was read; try again")
            stages = [*(before.parts for before in self.folders[:-1]), parts]
            facts = {"corpus": self.corpus.label, "steps": described}
            writer.close(self._funnel(stages), _given(stages[0]), facts, self.aside / REJECTED)
        seconds = time.monotonic() - started
        timing = self._timing(stages, seconds)
        disk.write_json(timing_file(folder), timing)
        self.say(_summary(_given(stages[0]), writer.documents.amount, seconds))

    def _pass_all(self, writer: CurationWriter) -> list[Part]:
        """Of the last stage; what a stage dropped is written while it works, as what is kept."""
        sketches: deque[Any] | None = None
        parts: list[Part] = []
        for index, folder in enumerate(self.folders):
            if folder.facts is not None:
                for part in folder.parts:
                    writer.drop(read_dropped(folder.path, part))
                continue
            opened = self._opened(index, sketches)
            sketches, parts = deque(), []
            for done in self._pass(index, opened):
                sketches.append(done.sketch)
                parts.append(done.part)
                writer.drop(read_dropped(folder.path, done.part))
                if opened.is_last:
                    writer.keep(read_batch(kept_file(folder.path, done.part.number)))
        return parts

    def _discard_damaged(self) -> None:
        """Start anew where a finished stage isn't whole: files may be lost with the power."""
        finished = [folder for folder in self.folders[:-1] if folder.facts is not None]
        found = [folder.find_damage(has_kept=folder is finished[-1]) for folder in finished]
        if finished and not (self.aside / REJECTED).is_file():
            found.append(REJECTED)
        if damage := next(filter(None, found), ""):
            self.say(f"what was finished is damaged ({damage}): begun anew")
            shutil.rmtree(self.aside)

    def _opened(self, index: int, sketches: deque[Any] | None) -> Stage:
        """The stage, with the step that the survey before it settles to."""
        if index == 0:
            return self.stages[0]
        before, folder = self.stages[index - 1], self.folders[index - 1]
        assert before.survey is not None
        if sketches is None:  # held in memory by the run that was killed
            self.say(f"{before.survey.name}: gathered again from what is finished")
            tasks = (Task(p.number, folder.path, folder.path, p.given) for p in folder.parts)
            sketches = deque(done.sketch for done in self.workers.work(before, tasks))
        started = time.monotonic()
        texts = Texts(folder.path, folder.parts)
        settled = before.survey.settle(_let_go(sketches), texts)
        self.say(f"{before.survey.name}: settled in {time.monotonic() - started:,.1f} s")
        return self.stages[index].opened_by(settled)

    def _pass(self, index: int, stage: Stage) -> Iterator[Done]:
        """What becomes of each batch, in order; the stage is finished when all are through."""
        folder = self.folders[index]
        folder.open()
        if index == 0:
            tasks, total = self._read(folder.path), self.corpus.num_bytes()
        else:
            parts, source = self.folders[index - 1].parts, self.folders[index - 1].path
            tasks = (Task(p.number, source, folder.path, p.kept) for p in parts)
            total = sum(part.kept.bytes for part in parts)
            documents = sum(part.kept.documents for part in parts)
            largest = max(part.kept.bytes for part in parts)
            self._check_memory(documents, total, largest)
        progress = Progress(f"stage {index + 1} of {len(self.stages)}", total, self.say)
        working = self.workers.work(stage, tasks)
        num_parts = num_documents = 0
        for done in self._keep_rejections(working) if index == 0 else working:
            given = done.part.given
            num_parts += 1
            num_documents += given.documents
            progress.advance(given.documents, given.bytes)
            yield done
        if index == 0 and not num_documents:
            raise LabError(f"{self.corpus.name}: no documents in it{self._rejected_all()}")
        if not stage.is_last:
            folder.finish(num_parts)
            if index:
                self.folders[index - 1].remove_kept()

    def _read(self, folder: Path) -> Iterator[ReadTask]:
        """Memory is checked by the first documents."""
        is_checked = False
        for number, piece in enumerate(self.corpus.cut()):
            if not is_checked:
                is_checked = self._check_first(piece)
            yield ReadTask(number, piece, folder)

    def _check_first(self, piece: Portion | Lines) -> bool:
        """Whether there is something in it to tell by."""
        if isinstance(piece, Lines):
            head = piece.head()
            first, num_bytes, largest = head.read().kept, head.num_bytes, piece.num_bytes
        else:
            first = piece.kept
            num_bytes = largest = int(utf8_lengths(first.column("text")).sum())
        if not first.num_rows or not num_bytes:
            return False
        known = self.corpus.num_bytes()
        size = known or largest
        documents = round(size * first.num_rows / num_bytes)
        self._check_memory(documents, size, largest, is_guess=known is None)
        return True

    def _keep_rejections(self, working: Iterator[Done]) -> Iterator[Done]:
        """On disk before the stage is called finished."""
        with (self.aside / REJECTED).open("w", encoding="utf-8") as file:
            for done in working:
                for one in done.rejected:
                    file.write(json.dumps(one, ensure_ascii=False, sort_keys=True) + "\n")
                yield done
            file.flush()
            os.fsync(file.fileno())

    def _rejected_all(self) -> str:
        """Why there is none, where records were met."""
        with (self.aside / REJECTED).open("rb") as file:
            line, num_rejected = file.readline(), 1 + sum(1 for _ in file)
        if not line:
            return ""
        first = json.loads(line)
        place = f"{first['file']}:{first['line']}" if first["line"] else first["file"]
        return f"; {num_rejected:,} rejected, the first at {place}: {first['reason']}"

    def _check_memory(
        self, documents: int, num_bytes: int, largest: int, *, is_guess: bool = False
    ) -> None:
        estimate = estimate_memory(
            [step for one in self.stages for step in one.own_steps],
            num_documents=documents,
            num_bytes=num_bytes,
            batch_bytes=largest,
            processes=self.workers.processes,
        )
        if not self._has_said_memory:
            more = "; more by the documents behind the first batch, not counted yet"
            self.say(f"needs {estimate}{more if is_guess else ''}")
            self._has_said_memory = not is_guess
        check_memory(estimate)

    def _funnel(self, stages: list[list[Part]]) -> Funnel:
        flows = add_flows(flow for parts in stages for part in parts for flow in part.flows)
        return Funnel(names=self.names, flows=flows)

    def _timing(self, stages: list[list[Part]], seconds: float) -> dict[str, Any]:
        spent: defaultdict[str, float] = defaultdict(float)
        for part in itertools.chain.from_iterable(stages):
            for number, cpu_seconds in part.cpu_seconds.items():
                name = f"{number} {self.names[number - 1]}" if number else "statistics, sketches"
                spent[name] += cpu_seconds
        return {
            "seconds": round(seconds, 3),
            "processes": self.workers.processes,
            "cpu_seconds": {name: round(value, 3) for name, value in spent.items()},
        }


def _let_go(sketches: deque[Any]) -> Iterator[Any]:
    """Each once, and held no longer; a batch of which nothing was left has none."""
    while sketches:
        if (sketch := sketches.popleft()) is not None:
            yield sketch


def _given(parts: list[Part]) -> tuple[int, int]:
    return sum(part.given.documents for part in parts), sum(part.given.bytes for part in parts)


def _summary(read: tuple[int, int], kept: tuple[int, int], seconds: float) -> str:
    return (
        f"kept {kept[0]:,} of {counted(read[0], 'document')} ({kept[0] / read[0]:.1%}), "
        f"{kept[1] / 1e6:,.1f} of {read[1] / 1e6:,.1f} MB; {seconds:,.1f} s"
    )
