from __future__ import annotations

from labkit.core.counted import counted


def test_one_is_singular_and_nothing_is_many():
    said = [counted(n, "record") for n in (0, 1, 2, 1000)]
    assert said == ["0 records", "1 record", "2 records", "1,000 records"]
    assert [counted(n, "copy", "copies") for n in (1, 2)] == ["1 copy", "2 copies"]
