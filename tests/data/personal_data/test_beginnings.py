from __future__ import annotations

import pytest

from labkit.data.personal_data.beginnings import beginnings


def test_by_hand():
    assert beginnings(["Größe: anna@web.de, berlin", "", "short"], 10) == [
        "Größe: <EM",
        "",
        "short",
    ]
    assert beginnings(["x" * 4 + " bob@web.de and more"], 20) == ["xxxx <EMAIL> and "]


@pytest.mark.parametrize("width", range(20, 60))
def test_no_item_is_shown_in_part(width: int):
    """A list of addresses gets so much shorter that its placeholders alone don't fill the page."""
    address = "a" * (width - 13) + "@example.com"
    [shown] = beginnings([" ".join([address] * 100)], 300)
    assert shown.replace("<EMAIL>", "").strip("<EMAIL ") == ""
