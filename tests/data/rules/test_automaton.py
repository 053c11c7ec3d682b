from __future__ import annotations

import random

import pytest

from labkit.core.errors import LabError
from labkit.data.rules import automaton
from labkit.data.rules.automaton import Automaton, build_automaton


def find(found: Automaton, text: bytes) -> list[tuple[int, int]]:
    """(number of a phrase, where it ends), longest first at each end."""
    state, hits = 0, []
    for at, byte in enumerate(text, start=1):
        state = int(found.next_states[state, found.classes[byte]])
        end = state if found.phrase[state] >= 0 else int(found.link[state])
        while end:
            hits.append((int(found.phrase[end]), at))
            end = int(found.link[end])
    return hits


def test_the_example_of_aho_and_corasick():
    found = build_automaton([b"he", b"she", b"his", b"hers"])
    assert find(found, b"ushers") == [(1, 4), (0, 4), (3, 6)]
    assert found.next_states.shape == (10, 1 + len(set("heshishers")))
    assert find(build_automaton([b"he"], ignore_ascii_case=True), b"He hE \xc3\xa9") == [
        (0, 2),
        (0, 5),
    ]


def test_it_finds_what_a_look_at_every_place_finds():
    rng = random.Random(0)
    for _ in range(100):
        phrases = [bytes(rng.choices(b"ab\xe4", k=rng.randrange(1, 6))) for _ in range(8)]
        phrases = list(dict.fromkeys(phrases))
        text = bytes(rng.choices(b"ab\xe4c", k=60))
        expected = [
            (number, end)
            for number, phrase in enumerate(phrases)
            for end in range(len(phrase), len(text) + 1)
            if text[:end].endswith(phrase)
        ]
        assert sorted(find(build_automaton(phrases), text)) == sorted(expected)


def test_a_list_beyond_memory_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(automaton, "MAX_CELLS", 40)
    with pytest.raises(LabError, match="2 phrases need a table of 10 states by 9 bytes"):
        build_automaton([b"whale", b"ship"])
