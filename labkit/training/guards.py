"""What a run watches in every step, so that one bad step cannot spoil the weights unseen.

A loss or gradient norm that is NaN or infinite drops the step: the optimizer is given no
gradients. Three in a row stop the run with a checkpoint (under fp16, where the loss scale is found
by overflowing, twenty). A spike, a loss more than six
standard deviations above the mean of the last 128 steps (OLMo, Groeneveld et al. 2024), is
written down; it changes nothing.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable

WINDOW = 128
MIN_WINDOW = 32
SIGMAS = 6.0
SMALLEST_DEVIATION = 0.01
"""Nats: losses that hardly move would make any flutter a spike."""
MOST_BAD_STEPS, MOST_OVERFLOWS = 3, 20


class BadStepGuard:
    """Counts dropped steps."""

    def __init__(self, most_in_a_row: int = MOST_BAD_STEPS) -> None:
        self.most_in_a_row = most_in_a_row
        self.num_dropped = 0
        self.in_a_row = 0

    def drops(self, *values: float) -> bool:
        """Whether a step with these values (loss, gradient norm) must not be taken."""
        if all(map(math.isfinite, values)):
            self.in_a_row = 0
            return False
        self.num_dropped += 1
        self.in_a_row += 1
        return True

    @property
    def gives_up(self) -> bool:
        return self.in_a_row >= self.most_in_a_row


class SpikeDetector:
    """`recent` holds the losses that were no spikes, newest last."""

    def __init__(self, recent: Iterable[float] = ()):
        self.recent = deque(recent, maxlen=WINDOW)

    def is_spike(self, loss: float) -> bool:
        """Whether this loss stands out from those before it, which it then joins if it doesn't."""
        if len(self.recent) >= MIN_WINDOW:
            mean = sum(self.recent) / len(self.recent)
            variance = sum((one - mean) ** 2 for one in self.recent) / len(self.recent)
            if loss > mean + SIGMAS * max(math.sqrt(variance), SMALLEST_DEVIATION):
                return True
        self.recent.append(loss)
        return False
