"""What a run minimizes: which batches a step reads, their loss, and what is measured on the way.

A loss is a sum over units of any kind (tokens, pairs, sampled answers). The number of units of a
whole step, over all processes, is known before its first backward pass, so that unequal
micro-batches weigh by their units. `next_token.py` has the first objective; rooms above hand
theirs to `run`.
"""

# B examples, U units of an example

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
import torch
from torch import nn

from labkit.plan.plan import TrainingPlan
from labkit.training.sharding.processes import Processes
from labkit.training.state import TrainingState

BatchRange = tuple[int, int]
"""First and last number of batches that a run leaves out, counted from 0."""


class MicroBatch(Protocol):
    """What one forward pass reads; only its objective looks inside."""

    def to(self, device: torch.device) -> Self: ...


class StepBatch(NamedTuple):
    """What one step reads. Every process has equally many micro-batches, one or more.

    `num_units` counts the step's units over all processes. `samples` names what all processes
    read, one row each; resumed runs are compared by it.
    """

    micro_batches: Sequence[MicroBatch]
    num_units: float
    samples: np.ndarray


class Loss(NamedTuple):
    """The loss of each unit of a micro-batch, 0 for what does not count.

    `auxiliary` has named sums over the same units, which are recorded and not minimized; what is
    minimized beside the loss (a router's balance) is added to each unit too.
    """

    units_BU: torch.Tensor
    auxiliary: Mapping[str, torch.Tensor] = {}


LossFunction = Callable[[nn.Module, Any], Loss]


class Validation(NamedTuple):
    """What held-out data says of the model, to be recorded.

    `figures` has at least `loss` with its interval `low` to `high`. `examples` has the figures of
    each example by name; `texts` are samples to read.
    """

    figures: Mapping[str, Any]
    examples: Mapping[str, Sequence[float]] = {}
    texts: Sequence[str] = ()


class Objective(Protocol):
    """What a run needs to know of what it minimizes.

    A second model that stands beside (a reference, a reward) belongs to the objective: made by
    `state.make_frozen_model` it is laid out like the first, and no optimizer or checkpoint has it.
    `name` stands in checkpoints, which another objective refuses. `loss_of_guessing` is the loss
    per unit of a model that knows nothing, above which a run has diverged; infinite where there is
    no such figure.
    """

    name: str
    loss_of_guessing: float

    def step_batch(self, step: int, state: TrainingState) -> StepBatch:
        """Return what this process reads in step number `step`, counted from 0.

        It may sample from the weights of `state`, with seeds that follow from the step and the
        row; what it keeps for later steps is its state. Every process calls it for every step.
        """
        ...

    def loss(self, model: nn.Module, micro_batch: Any) -> Loss:
        """Compute the loss of a micro-batch that `step_batch` gave, on the model's device."""
        ...

    def validate(self, state: TrainingState) -> Validation:
        """Measure held-out data; weights, mode and random generators are left as they were."""
        ...

    def documents(self, step: int) -> Mapping[str, Sequence[int]]:
        """Return the documents that batch number `step` reads, by source; empty where it has none.

        Asked for batches that a run leaves out.
        """
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return what later steps depend on beside the weights, alike on every process."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        ...


MakeObjective = Callable[[TrainingPlan, Processes], Objective]


class StepBatches:
    """The batches of the steps from the state's to `last` - 1, each made when it is asked for.

    Batches in `skipped` are read by no step; those after them move up. It knows its length, so that
    Lightning does not ask for a step before the one before is taken.
    """

    def __init__(
        self,
        objective: Objective,
        state: TrainingState,
        last: int,
        skipped: Sequence[BatchRange] = (),
    ):
        self.objective, self.state, self.skipped = objective, state, skipped
        self.steps = range(state.step, last)

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[StepBatch]:
        for step in self.steps:
            assert step == self.state.step, f"step {step} asked for at step {self.state.step}"
            yield self.objective.step_batch(batch_of(step, self.skipped), self.state)


def batch_of(step: int, skipped: Sequence[BatchRange]) -> int:
    """The number of the batch that a step reads, both counted from 0.

    >>> [batch_of(step, [(2, 3), (5, 5)]) for step in range(4)]
    [0, 1, 4, 6]
    """
    for first, last in skipped:
        if step >= first:
            step += last - first + 1
    return step


def skipping(skipped: Sequence[BatchRange], first: int, last: int) -> list[BatchRange]:
    """The ranges with one more, ascending; those that meet are one.

    >>> skipping([(2, 3), (9, 9)], 4, 6)
    [(2, 6), (9, 9)]
    """
    found: list[BatchRange] = []
    for start, stop in sorted([*skipped, (first, last)]):
        if found and start <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], stop))
        else:
            found.append((start, stop))
    return found
