from __future__ import annotations

from labkit.core.records.run import RunRecord
from labkit.training import run_at_work
from labkit.training.run import run
from tests.training.tiny import tiny_plan, write_tiny_corpus


def test_what_is_asked_while_a_run_goes_on_from_its_checkpoint_is_taken_up(lab_home, monkeypatch):
    """The process before it was killed: it counts as running as soon as it is held."""
    plan, record = tiny_plan(write_tiny_corpus(lab_home), 20_000), RunRecord(lab_home / "run")
    record.set_status("running", 0)
    newest_good = run_at_work.newest_good

    def asked_meanwhile(*arguments):
        assert record.status().state == "running"
        record.ask("pause")
        return newest_good(*arguments)

    monkeypatch.setattr(run_at_work, "newest_good", asked_meanwhile)
    status = run(plan, record.folder, until=2000, step_seconds=[0.01], say=lambda _: None)
    assert (status.state, status.reason) == ("paused", "asked to pause")
