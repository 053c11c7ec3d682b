from __future__ import annotations

import torch

from labkit.training.dry_run.storages import Storage, StorageLog, from_then_on, peak


def test_the_peak_is_of_all_parts_together():
    a, b, c = Storage(4, "x"), Storage(2, "x"), Storage(3, "y")
    changes = [(a, True), (b, True), (b, False), (c, True), (a, False), (b, True)]
    assert peak(changes) == {"x": 4, "y": 3}
    assert peak(from_then_on(changes, 4)) == {"x": 4, "y": 3}
    assert peak(from_then_on(changes, 5)) == {"x": 2, "y": 3}


def test_views_count_once_and_what_is_dropped_goes():
    with StorageLog() as log:
        whole = torch.ones(10, 10)
        view = whole[:5]
        twice = whole * 2
        del whole, view
        again = twice + 1
    sizes = [(storage.num_bytes, has_come) for storage, has_come in log.changes]
    assert sizes == [(400, True), (400, True), (400, False), (400, True)]
    assert again.sum() == 300


def test_a_part_may_be_learned_late():
    with StorageLog(logit_counts=[21]) as log:
        first = torch.ones(5)
        logits = torch.ones(3, 7)
        log.phase = "workspace"
        last = first + 1
        log.mark([first, {"state": last}], "optimizer")
    assert [storage.part for storage, _ in log.changes] == ["optimizer", "logits", "optimizer"]
    assert logits.numel() == 21


def test_a_storage_emptied_in_place_is_gone_until_it_is_filled():
    with StorageLog() as log:
        tensor = torch.ones(100)
        tensor.untyped_storage().resize_(0)
        tensor.untyped_storage().resize_(400)
    assert [has_come for _, has_come in log.changes] == [True, False, True]
    assert peak(log.changes) == {"activations": 400}
