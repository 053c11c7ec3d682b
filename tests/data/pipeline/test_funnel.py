from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from labkit.core.errors import LabError
from labkit.data.pipeline.funnel import Flow, Funnel, Ledger, add_flows
from labkit.data.pipeline.step import Outcome, split_by
from tests.data.pipeline.small_steps import verdicts


def flow(step: int, source: str, entered: int, dropped: int, out: int) -> Flow:
    """Documents of 10 bytes each, rewritten to `out` in all."""
    kept = entered - dropped
    return Flow(
        step=step,
        source=source,
        language="en",
        documents_in=entered,
        bytes_in=10 * entered,
        documents_kept=kept,
        bytes_kept=10 * kept,
        bytes_out=out,
        dropped={"rule": (dropped, 10 * dropped)} if dropped else {},
    )


FLOWS = [flow(1, "a", 5, 2, 30), flow(1, "b", 4, 4, 0), flow(2, "a", 3, 0, 30)]


def test_a_funnel_that_adds_up_and_its_tables():
    funnel = Funnel(names=["one", "two"], flows=FLOWS)
    funnel.check(read=(9, 90), written=(3, 30), dropped=(6, 60))
    assert funnel.table().select(["name", "documents_in", "documents_dropped"]).to_pylist() == [
        {"name": "one", "documents_in": 9, "documents_dropped": 6},
        {"name": "two", "documents_in": 3, "documents_dropped": 0},
    ]
    [first, second] = funnel.rules("source").to_pylist()
    assert (first["source"], first["documents"], first["share_of_documents"]) == ("a", 2, 0.4)
    assert (second["source"], second["documents"], second["share_of_documents"]) == ("b", 4, 1.0)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({2: {"documents_in": 4}}, "step 2, a: 3 documents and 30 bytes against 4 and 30"),
        ({2: {"documents_in": 2, "documents_kept": 2}}, "between steps 1 and 2"),
        ({0: {"dropped": {"rule": (2, 19)}}}, "step 1, a"),
        ({2: {"bytes_out": 29}}, "the last step's output and what is written"),
        ({1: {"documents_in": 5, "dropped": {"rule": (5, 40)}}}, "first step's input"),
    ],
)
def test_one_document_or_one_byte_lost_is_found(changed, message):
    flows = [one.model_copy(update=changed.get(n, {})) for n, one in enumerate(FLOWS)]
    with pytest.raises(LabError, match=message):
        Funnel(names=["one", "two"], flows=flows).check((9, 90), (3, 30), (6, 60))


def test_flows_of_parts_sum_to_those_of_the_whole():
    rng = np.random.default_rng(0)
    texts = ["x" * int(n) for n in rng.integers(0, 50, 400)]
    rules = [("short" if len(text) < 9 else None) for text in texts]
    batch = pa.RecordBatch.from_pydict(
        {
            "text": texts,
            "source": rng.choice(["a", "b"], 400).tolist(),
            "language": rng.choice(["en", "zh"], 400).tolist(),
            "row": range(400),
        }
    )

    def flows(start: int, stop: int) -> list[Flow]:
        part = batch.slice(start, stop - start)
        ledger = Ledger(part)
        ledger.count(1, "s", split_by(part, verdicts(rules[start:stop], [0.0] * len(part), 9)))
        return ledger.flows

    whole = add_flows(flows(0, 400))
    cuts = [0, 1, 130, 131, 400]
    parts = [one for pair in pairwise(cuts) for one in flows(*pair)]
    assert add_flows(parts) == whole
    assert sum(one.bytes_in for one in whole) == sum(map(len, texts))


def test_a_document_on_both_sides_is_refused():
    batch = pa.RecordBatch.from_pydict(
        {"text": ["a", "b"], "source": ["s"] * 2, "language": ["en"] * 2, "row": [4, 9]}
    )
    both = Outcome(batch, split_by(batch, verdicts(["r", None], [0, 0], 0)).dropped)
    with pytest.raises(LabError, match="2 documents in, 2 kept and 1 dropped"):
        Ledger(batch).count(1, "s", both)
