from __future__ import annotations

import pytest

from labkit.core.errors import LabError
from labkit.core.records.decision import Decision, current_decision, record_decision
from labkit.cost.config import CostConfig


def decide(choice: str, corpus: str = "any") -> Decision:
    return Decision(
        notebook="20_x",
        question="which?",
        choice=choice,
        corpus_hash=corpus,
        alternatives=[],
        evidence={"n": 1},
        scope="toy",
    )


def test_the_pointer_names_the_decision_recorded_last():
    for choice in ("a", "b", "a"):
        record_decision(decide(choice), CostConfig(), {"choice": choice})
    assert current_decision("20_x")[0].choice == "a"


def test_a_decision_for_another_corpus_is_not_found():
    record_decision(decide("a", corpus="c1"), CostConfig(), {})
    with pytest.raises(LabError, match="no decision of 20_x for corpus c2; run notebooks/20_x"):
        current_decision("20_x", "c2")
