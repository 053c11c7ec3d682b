from __future__ import annotations

import pytest

from labkit.core.errors import LabError
from labkit.core.records.decision import (
    Decision,
    choose_decision,
    current_decision,
    record_decision,
    reference,
)
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


def test_a_notebook_has_a_current_decision_whatever_its_corpus_and_an_earlier_one_is_chosen_again():
    first = record_decision(decide("a", corpus="c1"), CostConfig(), {})
    second = record_decision(decide("b", corpus="c2"), CostConfig(), {})
    assert current_decision("20_x", None)[1] == second
    choose_decision(reference(first))
    assert current_decision("20_x", None)[1] == first
    assert current_decision("20_x", "c2")[1] == second
    with pytest.raises(LabError, match="no decision of 30_y; run notebooks/30_y.ipynb"):
        current_decision("30_y", None)
