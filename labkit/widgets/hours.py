"""Hours as a person reads them."""

from __future__ import annotations


def shown_hours(hours: float) -> str:
    """
    >>> [shown_hours(one) for one in (0.001, 0.03, 0.5, 2.5, 73102)]
    ['3.6 s', '108 s', '30 min', '2.5 h', '73,102 h']
    """
    size, unit = hours, "h"
    if hours < 1 / 30:
        size, unit = hours * 3600, "s"
    elif hours < 1:
        size, unit = hours * 60, "min"
    return f"{size:.2g} {unit}" if size < 10 else f"{size:,.0f} {unit}"
