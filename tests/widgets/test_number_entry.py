from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.widgets.number_entry import Notches, number_text, parse_number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_are_read_back_exactly(value):
    assert parse_number(number_text(value), "float") == value


@given(st.integers(min_value=-(10**15), max_value=10**15))
def test_integers_are_read_back_exactly(value):
    assert parse_number(number_text(value), "int") == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (1.0, "1"),
        (100_000, "100000"),
        (1_000_000, "1e6"),
        (0.00025, "2.5e-4"),
        (0.001, "0.001"),
    ],
)
def test_short_texts(value, text):
    assert number_text(value) == text


@pytest.mark.parametrize(
    "text", ["2e12", " 2E12 ", "2_000_000_000_000", "2 000 000 000 000", "2.0e12"]
)
def test_ways_to_type_two_trillion(text):
    assert parse_number(text, "int") == 2 * 10**12


def test_log_notches_are_the_r20_series():
    notches = Notches(1, 10, 0.05, is_log=True)
    series = [notches.nearest(step * 0.05) for step in range(21)]
    assert series[:8] == [1, 1.1, 1.3, 1.4, 1.6, 1.8, 2, 2.2]
    assert series[-1] == 10


@given(st.floats(min_value=-20, max_value=30))
def test_notches_stay_inside_their_bounds(position):
    for notches in (Notches(3, 777, 0.05, True), Notches(-1, 2.5, 0.1, False)):
        assert notches.lower <= notches.nearest(position) <= notches.upper


def test_notches_of_a_whole_number_are_whole():
    notches = Notches(1, 1000, 0.05, is_log=True, is_whole=True)
    series = [notches.nearest(step * 0.05) for step in range(61)]
    assert all(isinstance(one, int) for one in series)
    assert series == sorted(series)
    assert {1, 2, 3, 4, 5, 6, 7, 8, 9, 10} <= set(series)
