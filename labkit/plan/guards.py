"""What a run does about its own losses, beyond writing them down."""

from __future__ import annotations

from typing import Literal

from labkit.core.config import Config, field

Action = Literal["note", "stop", "rewind"]


class GuardPlan(Config):
    """`rewind`: go back to the last good checkpoint and leave out the batches around the event.

    A step that is NaN is dropped in any case, and three of them in a row end the run or rewind it.
    """

    on_divergence: Action = field(
        "stop", "where the loss is NaN, above a uniform guess's, or far above its best, and stays"
    )
    on_spike: Action = field("note", "where one step's loss stands out by eight deviations")
