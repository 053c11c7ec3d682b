"""How many documents and bytes each step took in, kept, rewrote and dropped, and by which rule.

Counted per step, source and language. `Ledger` follows one batch and counts both sides of each
outcome by the rows in them, so that a step that loses, doubles or invents a document is refused
where it happens; `Funnel.check` then holds the sums of a whole run together. Bytes are UTF-8:
`bytes_kept` is what the kept documents came with, `bytes_out` what they had after rewriting.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from labkit.core.errors import LabError
from labkit.data.pipeline.step import Outcome
from labkit.data.utf8 import utf8_lengths

Amount = tuple[int, int]
"""(documents, bytes)"""
SIDES = ("documents_in", "bytes_in", "documents_kept", "bytes_kept", "bytes_out")


class Flow(BaseModel):
    """What one step did with the documents of one source and language."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: int
    """From 1."""
    source: str
    language: str
    documents_in: int
    bytes_in: int
    documents_kept: int
    bytes_kept: int
    bytes_out: int
    dropped: dict[str, Amount]

    @property
    def place(self) -> tuple[int, str, str]:
        return self.step, self.source, self.language


def add_flows(flows: Iterable[Flow]) -> list[Flow]:
    """One flow per step, source and language, in that order."""
    found: defaultdict[tuple[int, str, str], list[Flow]] = defaultdict(list)
    for flow in flows:
        found[flow.place].append(flow)
    return [_sum(place, found[place]) for place in sorted(found)]


class Ledger:
    """Follows one batch through its steps; `flows` is what was counted so far."""

    def __init__(self, batch: pa.RecordBatch):
        self.flows: list[Flow] = []
        pairs = list(
            zip(
                batch.column("source").to_pylist(),
                batch.column("language").to_pylist(),
                strict=True,
            )
        )
        self._groups = sorted(set(pairs))
        number = {pair: index for index, pair in enumerate(self._groups)}
        self._group = np.array([number[pair] for pair in pairs], dtype=np.int64)
        self._rows, self._sizes = _rows(batch), utf8_lengths(batch.column("text"))

    def count(self, step: int, name: str, outcome: Outcome) -> None:
        """Count an outcome of the batch as the last call left it.

        Raises:
            LabError: the two sides are not the batch's documents, each once and in order.
        """
        kept, dropped = (self._positions(side, name) for side in outcome)
        if not np.array_equal(np.sort(np.concatenate([kept, dropped])), np.arange(len(self._rows))):
            raise LabError(
                f"step {step} ({name}): {len(self._rows)} documents in, {len(kept)} kept and "
                f"{len(dropped)} dropped; each must be on exactly one side"
            )
        out = utf8_lengths(outcome.kept.column("text"))
        rules = outcome.dropped.column("rule").to_pylist()
        by_rule: defaultdict[str, list[int]] = defaultdict(list)
        for position, rule in zip(dropped.tolist(), rules, strict=True):
            by_rule[rule].append(position)
        parts = {rule: self._amounts(np.array(by_rule[rule])) for rule in sorted(by_rule)}
        entered = self._amounts(np.arange(len(self._rows)))
        stayed = self._amounts(kept)
        left = _amounts(self._group[kept], out, len(self._groups))
        for group, (source, language) in enumerate(self._groups):
            if not entered[group][0]:
                continue
            lost = {rule: amounts[group] for rule, amounts in parts.items() if amounts[group][0]}
            self.flows.append(
                Flow(
                    step=step,
                    source=source,
                    language=language,
                    documents_in=entered[group][0],
                    bytes_in=entered[group][1],
                    documents_kept=stayed[group][0],
                    bytes_kept=stayed[group][1],
                    bytes_out=left[group][1],
                    dropped=lost,
                )
            )
        self._group, self._rows, self._sizes = self._group[kept], self._rows[kept], out

    def _amounts(self, positions: np.ndarray) -> list[Amount]:
        return _amounts(self._group[positions], self._sizes[positions], len(self._groups))

    def _positions(self, side: pa.RecordBatch, name: str) -> np.ndarray:
        rows = _rows(side)
        positions = np.searchsorted(self._rows, rows)
        is_known = positions < len(self._rows)
        if not is_known.all() or not np.array_equal(self._rows[positions], rows):
            raise LabError(f"step {name} gave rows that it was not given")
        if (np.diff(positions) <= 0).any():
            raise LabError(f"step {name} changed the order of the documents or gave one twice")
        return positions


class Funnel(BaseModel):
    """The flows of a whole run; `check` raises where one doesn't add up."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    names: list[str]
    """Of the steps, in order."""
    flows: list[Flow]

    def table(self, *by: str) -> pa.Table:
        """One row per step, and per `by` ("source", "language") where given."""
        return pa.Table.from_pylist(
            [
                {"step": key[0], "name": self.names[key[0] - 1]}
                | dict(zip(by, key[1:], strict=True))
                | _totals(flows)
                for key, flows in self._grouped(by)
            ]
        )

    def rules(self, *by: str) -> pa.Table:
        """One row per step and rule that dropped anything: documents, bytes, share of the input."""
        rows = []
        for key, flows in self._grouped(by):
            whole = sum(flow.documents_in for flow in flows)
            for rule, (documents, num_bytes) in sorted(_dropped(flows).items()):
                rows.append(
                    {"step": key[0], "name": self.names[key[0] - 1]}
                    | dict(zip(by, key[1:], strict=True))
                    | {"rule": rule, "documents": documents, "bytes": num_bytes}
                    | {"share_of_documents": documents / whole}
                )
        return pa.Table.from_pylist(rows)

    def check(self, read: Amount, written: Amount, dropped: Amount) -> None:
        """Raises LabError unless all that was read is written or dropped, step by step."""
        if not self.names:
            _equal(read, written, "what was read and what is written")
            return
        for flow in self.flows:
            lost = _dropped([flow]).values()
            sums = tuple(map(sum, zip((flow.documents_kept, flow.bytes_kept), *lost, strict=True)))
            _equal(sums, (flow.documents_in, flow.bytes_in), f"step {flow.step}, {flow.source}")
        entering = _by_group(read_side := [flow for flow in self.flows if flow.step == 1], "in")
        _equal(_total(entering), read, "the first step's input and what was read")
        for number in range(2, len(self.names) + 1):
            before = _by_group([f for f in self.flows if f.step == number - 1], "out")
            after = _by_group([f for f in self.flows if f.step == number], "in")
            if before != after:
                raise LabError(f"between steps {number - 1} and {number} documents were lost")
        last = [flow for flow in self.flows if flow.step == len(self.names)]
        _equal(
            _total(_by_group(last, "out")), written, "the last step's output and what is written"
        )
        lost = [amount for flow in self.flows for amount in flow.dropped.values()]
        _equal(_add(lost), dropped, "what the rules dropped and what is written of it")
        assert read_side or not read[0]

    def _grouped(self, by: Sequence[str]) -> list[tuple[tuple, list[Flow]]]:
        found: defaultdict[tuple, list[Flow]] = defaultdict(list)
        for flow in self.flows:
            found[(flow.step, *(getattr(flow, name) for name in by))].append(flow)
        return sorted(found.items(), key=lambda item: item[0])


def _rows(batch: pa.RecordBatch) -> np.ndarray:
    return batch.column("row").to_numpy(zero_copy_only=False)


def _amounts(groups: np.ndarray, sizes: np.ndarray, num_groups: int) -> list[Amount]:
    documents = np.bincount(groups, minlength=num_groups)
    num_bytes = np.bincount(groups, weights=sizes, minlength=num_groups)  # exact below 2^53
    return [(int(n), int(size)) for n, size in zip(documents, num_bytes, strict=True)]


def _sum(place: tuple[int, str, str], flows: Sequence[Flow]) -> Flow:
    step, source, language = place
    sums = {name: sum(getattr(flow, name) for flow in flows) for name in SIDES}
    return Flow(step=step, source=source, language=language, dropped=_dropped(flows), **sums)


def _totals(flows: Sequence[Flow]) -> dict[str, Any]:
    sums = {name: sum(getattr(flow, name) for flow in flows) for name in SIDES}
    documents, num_bytes = _add(_dropped(flows).values())
    return sums | {
        "documents_dropped": documents,
        "bytes_dropped": num_bytes,
        "bytes_rewritten": sums["bytes_out"] - sums["bytes_kept"],
        "share_kept": sums["documents_kept"] / sums["documents_in"],
    }


def _dropped(flows: Iterable[Flow]) -> dict[str, Amount]:
    found: defaultdict[str, list[Amount]] = defaultdict(list)
    for flow in flows:
        for rule, amount in flow.dropped.items():
            found[rule].append(amount)
    return {rule: _add(found[rule]) for rule in sorted(found)}


def _add(amounts: Iterable[Amount]) -> Amount:
    documents, num_bytes = 0, 0
    for one, size in amounts:
        documents, num_bytes = documents + one, num_bytes + size
    return documents, num_bytes


def _by_group(flows: Iterable[Flow], side: str) -> dict[tuple[str, str], Amount]:
    """Non-empty amounts that enter or leave a step, per source and language."""
    found = {
        (flow.source, flow.language): (flow.documents_in, flow.bytes_in)
        if side == "in"
        else (flow.documents_kept, flow.bytes_out)
        for flow in flows
    }
    return {group: amount for group, amount in found.items() if amount[0]}


def _total(amounts: dict[tuple[str, str], Amount]) -> Amount:
    return _add(amounts.values())


def _equal(one: Sequence[int], other: Sequence[int], what: str) -> None:
    if tuple(one) != tuple(other):
        raise LabError(
            f"the funnel does not add up at {what}: {one[0]:,} documents and {one[1]:,} bytes "
            f"against {other[0]:,} and {other[1]:,}"
        )
