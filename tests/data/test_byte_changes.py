from __future__ import annotations

import random

from labkit.data import byte_changes
from labkit.data.byte_changes import Change, find_changes
from tests.data.byte_changes import apply_changes


def test_changes_of_two_lines_by_hand():
    before = "über uns\ncall 555 or 556\nend"
    assert find_changes(before, "über uns\ncall <A> or <B>\n") == [
        Change(15, b"555", b"<A>"),
        Change(22, b"556", b"<B>"),
        Change(26, b"end", b""),
    ]
    assert find_changes(before, before) == []


def test_applied_to_the_text_before_they_give_the_text_after(monkeypatch):
    rng = random.Random(0)
    pieces = ["a", "b", " ", "\n", "第一回", "é", "<EMAIL>", "\r\n", "\x85"]
    for number in range(300):
        monkeypatch.setattr(byte_changes, "MAX_PIECES", rng.choice([1, 5, 5000]))
        before = [rng.choice(pieces) for _ in range(rng.randrange(40))]
        after = [rng.choice(pieces) if rng.random() < 0.2 else piece for piece in before]
        del after[rng.randrange(len(after) + 1) :][: number % 3]
        old, new = "".join(before), "".join(after)
        changes = find_changes(old, new)
        assert apply_changes(old.encode(), changes) == new.encode()
        for change in changes:
            stop = change.start + len(change.removed)
            assert old.encode()[change.start : stop] == change.removed
