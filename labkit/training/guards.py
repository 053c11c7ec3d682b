"""What a run watches in every step, so that one bad step cannot spoil the weights unseen.

BadStepGuard   a loss or gradient norm that is NaN or infinite drops the step: the optimizer is
               given no gradients. Three in a row are a divergence (under fp16, where the loss scale
               is found by overflowing, twenty)
LossWatch      spikes: more than SIGMAS standard deviations above the mean of the last 128 steps
               (after OLMo, Groeneveld et al. 2024); rises too slow to be a spike; and divergence, a
               loss above that of a uniform guess or far above the best

What follows is the plan's to say (`guards`): it is noted, it ends the run, or the run rewinds to
its last good checkpoint and leaves out the batches around it (PaLM, Chowdhery et al. 2022, 5.1).
The limits were set on simulated losses of other seeds than `benchmarks/guards.py` scores.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Collection
from typing import Any, Literal, NamedTuple

WINDOW = 128
MIN_WINDOW = 32
SIGMAS = 8.0
"""Six in OLMo, where a spike is only logged; here a run may act on it, and batches have tails."""
SMALLEST_DEVIATION = 0.01
"""Nats: losses that hardly move would make any flutter a spike."""
CALM_STEPS = 16
"""Without a loss above the limit, after which a spike is over."""
LASTING_STEPS = 32
"""Above the limit, after which a spike is the level."""
NUM_LEVELS = 32
"""Levels, one every MIN_WINDOW steps, in which a rise looks for the lowest: about 1,000 steps."""
RISE_SIGMAS, SMALLEST_RISE = 1.5, 0.05
ABOVE_GUESSING = 0.1
"""Nats above the loss of a uniform guess, or above the first loss where that was higher."""
SHARE_LOST, SMALLEST_LOSS = 0.5, 0.5
"""Far above the best: half of what was gained on guessing is lost, and as many nats."""
MOST_BAD_STEPS, MOST_OVERFLOWS = 3, 20
BATCHES_BEFORE = 8
"""A rewind leaves out so many batches before the first bad step: they led there."""
MOST_REWINDS = 3
"""To one checkpoint: if other batches diverge as well, they are not the cause."""

Health = Literal["good", "unsettled", "diverged"]


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


class Alarm(NamedTuple):
    """`first_step`: where it began, of the steps counted from 1."""

    kind: Literal["spike", "rise", "level", "divergence", "recovery"]
    first_step: int
    text: str


class LossWatch:
    """Raises an alarm once where something begins, not in each step that it lasts.

    Args:
        loss_of_guessing: of a model that knows nothing, nats; infinite where there is none, and a
            divergence then is a loss that stays NaN or infinite.
        num_warmup_steps: in which a loss may be anything.
    """

    def __init__(self, loss_of_guessing: float = math.inf, num_warmup_steps: int = 0):
        self.loss_of_guessing, self.num_warmup_steps = loss_of_guessing, num_warmup_steps
        self.recent: deque[float] = deque(maxlen=WINDOW)
        """Losses at the present level, newest last."""
        self.last: deque[float] = deque(maxlen=MIN_WINDOW)
        """All losses, spikes too; infinite where NaN."""
        self.above: list[float] = []
        """Losses above the limit in the spike that is not over."""
        self.num_calm = 0
        self.levels: deque[float] = deque(maxlen=NUM_LEVELS)
        self.first_loss: float | None = None
        self.best_level = math.inf
        self.is_rising = False
        self.last_calm_step = 0
        self.diverged_at: int | None = None

    def see(self, step: int, loss: float) -> list[Alarm]:
        """Take in the loss of step number `step`, counted from 1."""
        loss = loss if math.isfinite(loss) else math.inf
        self.last.append(loss)
        if self.first_loss is None and math.isfinite(loss):
            self.first_loss = loss
        found = [self._see_spike(step, loss), self._see_level(step)]
        if self.health == "good":
            self.last_calm_step = step
        return [alarm for alarm in found if alarm]

    @property
    def health(self) -> Health:
        """What is to be thought of weights at this step."""
        if self.diverged_at is not None:
            return "diverged"
        if self.above or self.is_rising or not self.last:
            return "unsettled"
        return "good" if self.last[-1] < self._of_guessing else "unsettled"

    def close(self, step: int) -> Alarm | None:
        """The divergence of a run that ended before its level was known."""
        if self.diverged_at is None and 4 <= len(self.last) < MIN_WINDOW:
            later = list(self.last)[len(self.last) // 2 :]
            return self._see_divergence(step, statistics.median(later), len(later))
        return None

    def state_dict(self) -> dict[str, Any]:
        """JSON: infinity is None."""
        return {
            "recent": list(self.recent),
            "last": [_finite(one) for one in self.last],
            "above": list(self.above),
            "num_calm": self.num_calm,
            "levels": [_finite(one) for one in self.levels],
            "first_loss": self.first_loss,
            "best_level": _finite(self.best_level),
            "is_rising": self.is_rising,
            "last_calm_step": self.last_calm_step,
            "diverged_at": self.diverged_at,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Some of it, where an older version saved less."""
        for name in ("num_calm", "is_rising", "last_calm_step", "diverged_at"):
            setattr(self, name, state.get(name, getattr(self, name)))
        self.recent.clear()
        self.recent.extend(state["recent"])
        for name in ("last", "levels"):
            losses = getattr(self, name)
            losses.clear()
            losses.extend(_or_infinite(one) for one in state.get(name, ()))
        self.above = list(state.get("above", ()))
        self.best_level = _or_infinite(state.get("best_level"))
        self.first_loss = state.get("first_loss")

    def _see_spike(self, step: int, loss: float) -> Alarm | None:
        if not math.isfinite(loss):
            return None  # its step was dropped, which is said already
        limit = self._spike_limit()
        if loss <= limit:
            self.recent.append(loss)
            self.num_calm += 1
            if self.num_calm >= CALM_STEPS:
                self.above.clear()
            return None
        self.num_calm = 0
        self.above.append(loss)
        if len(self.above) == 1:
            return Alarm("spike", step, f"loss spike to {loss:.4f}, limit {limit:.4f}")
        if len(self.above) == LASTING_STEPS:
            self.recent.clear()
            self.recent.extend(self.above)
            self.above.clear()
            self.levels.clear()
            self.is_rising = False
            level = statistics.median(self.recent)
            return Alarm("level", step, f"the spike lasts: the level is {level:.4f} from here")
        return None

    def _spike_limit(self) -> float:
        if len(self.recent) < MIN_WINDOW:
            return math.inf
        return _mean(self.recent) + SIGMAS * self._deviation()

    def _deviation(self) -> float:
        mean = _mean(self.recent)
        variance = sum((one - mean) ** 2 for one in self.recent) / len(self.recent)
        return max(math.sqrt(variance), SMALLEST_DEVIATION)

    def _see_level(self, step: int) -> Alarm | None:
        if len(self.last) < MIN_WINDOW:
            return None
        level = statistics.median(self.last)
        alarm = self._see_divergence(step, level, len(self.last))
        if step % MIN_WINDOW == 0 and not self.above:
            alarm = alarm or self._see_rise(step, level)
            self.levels.append(level)
        self.best_level = min(self.best_level, level)
        return alarm

    def _see_rise(self, step: int, level: float) -> Alarm | None:
        if not self.levels or not self.recent:
            return None
        lowest = min(self.levels)
        rise = max(RISE_SIGMAS * self._deviation(), SMALLEST_RISE)
        was_rising, self.is_rising = self.is_rising, level > lowest + rise
        if not self.is_rising or was_rising:
            return None
        return Alarm("rise", step, f"the loss rises: {level:.4f}, and was {lowest:.4f}")

    def _see_divergence(self, step: int, level: float, num_losses: int) -> Alarm | None:
        """`level`: of the last `num_losses`, which should all be after the warm-up."""
        is_warm = step >= self.num_warmup_steps + num_losses
        limit = self._divergence_limit() if is_warm else math.inf
        if level < limit:
            if self.diverged_at is None:
                return None
            self.diverged_at = None
            return Alarm("recovery", step, f"the loss came back to {level:.4f}")
        if self.diverged_at is not None:
            return None
        self.diverged_at = step
        return Alarm(
            "divergence",
            self.last_calm_step + 1,
            f"diverged: loss {level:.4f}, limit {limit:.4f} (best {self.best_level:.4f}, a uniform "
            f"guess {self.loss_of_guessing:.4f})",
        )

    def _divergence_limit(self) -> float:
        """Infinite where there is no guess: then only what is itself infinite has diverged."""
        guess, best = self.loss_of_guessing, self.best_level
        if not math.isfinite(best):
            return self._of_guessing
        return min(self._of_guessing, best + max(SHARE_LOST * (guess - best), SMALLEST_LOSS))

    @property
    def _of_guessing(self) -> float:
        return max(self.loss_of_guessing, self.first_loss or -math.inf) + ABOVE_GUESSING


def _mean(losses: Collection[float]) -> float:
    return sum(losses) / len(losses)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _or_infinite(value: float | None) -> float:
    return math.inf if value is None else value
