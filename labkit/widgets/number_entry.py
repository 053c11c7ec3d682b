"""Numbers as people type them, and the notches of a slider.

A typed number is exact and is the truth; a slider is a coarse handle that writes notches into the
box: multiples of a step, or on a logarithmic scale twenty notches per decade rounded to two
digits (1, 1.1, 1.3, 1.4, 1.6, 1.8, 2, ... the R20 series).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Literal

from labkit.core.schema import FieldFace

NOTCHES_PER_DECADE = 20
DECADES_AROUND_DEFAULT = 3
MAX_EXPONENT = 400
_LINEAR_NOTCHES = 200


def number_text(value: float) -> str:
    """A short text that `parse_number` reads back exactly; from a million on with an exponent.

    >>> number_text(2_000_000_000_000), number_text(0.0003), number_text(100_000)
    ('2e12', '3e-4', '100000')
    """
    exact = Decimal(repr(value or 0)).normalize()
    plain = f"{exact:f}"
    scientific = f"{exact:e}".replace("e+", "e")
    is_far = exact != 0 and not -3 <= exact.adjusted() <= 5
    return scientific if is_far and len(scientific) < len(plain) else plain


def parse_number(text: str, kind: Literal["int", "float"]) -> int | float:
    """The number a person typed; thousands may be set apart by `_` or spaces.

    Raises:
        ValueError: what is wrong, without the field's name.
    """
    cleaned = "".join(text.split()).replace("_", "")
    try:
        number = Decimal(cleaned)
    except InvalidOperation:
        comma = "; thousands are set apart by _ or a space" if "," in cleaned else ""
        raise ValueError(f"should be a number such as 2e12 or 0.0003{comma}") from None
    if not number.is_finite() or abs(number.adjusted()) > MAX_EXPONENT:
        raise ValueError("should be a finite number")
    if kind == "float":
        return float(number)
    if number != number.to_integral_value():
        raise ValueError("should be a whole number")
    return int(number)


@dataclass(frozen=True)
class Notches:
    """Where a slider can stand, between `lower` and `upper`."""

    lower: float
    upper: float
    step: float
    is_log: bool
    is_whole: bool = False

    def position(self, value: float) -> float:
        """The slider's own coordinate: the value, or its decimal logarithm."""
        low, high = self.ends
        at = math.log10(max(value, 1e-300)) if self.is_log else value
        return min(max(at, low), high)

    def nearest(self, position: float) -> float:
        """The clean value of the notch nearest to a position.

        >>> Notches(0, 1, 0.01, False).nearest(0.09999999999999999)
        0.1
        >>> Notches(1, 1e15, 0.05, True).nearest(12.3)
        2000000000000.0
        """
        grid = _clean(round(position / self.step) * self.step)
        value = float(f"{10.0**grid:.2g}") if self.is_log else grid
        value = round(value) if self.is_whole else value
        return min(max(value, self.lower), self.upper)

    @property
    def ends(self) -> tuple[float, float]:
        """The slider's range, outwards to whole steps so that notches are round numbers."""
        low, high = self.lower, self.upper
        if self.is_log:
            low, high = math.log10(low), math.log10(high)
        down, up = math.floor(low / self.step + 1e-9), math.ceil(high / self.step - 1e-9)
        return _clean(down * self.step), _clean(up * self.step)


def notches(face: FieldFace) -> Notches | None:
    """The notches of a numeric field, or None where a slider has no end to reach."""
    lower, upper = face.lower, face.upper
    if face.scale == "log":
        span = 10.0**DECADES_AROUND_DEFAULT
        middle = face.default or lower or 1.0
        low = lower if lower else middle / span
        high, step = upper or middle * span, 1 / NOTCHES_PER_DECADE
        return Notches(low, high, step, is_log=True, is_whole=face.kind == "int")
    if lower is None or upper is None or face.lower_is_open:
        return None
    return Notches(lower, upper, face.step or _linear_step(face, upper - lower), is_log=False)


def _linear_step(face: FieldFace, span: float) -> float:
    if face.kind == "int":
        return 1 if span <= 2 * _LINEAR_NOTCHES else 2 ** math.floor(math.log2(span / 400))
    return 10.0 ** math.floor(math.log10(span / _LINEAR_NOTCHES * 2))


def _clean(value: float) -> float:
    return float(f"{value:.12g}")
