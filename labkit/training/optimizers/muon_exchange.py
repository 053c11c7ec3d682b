"""Matrices in pieces on all processes, turned into whole matrices on some: one exchange and back.

Of N matrices process p is given numbers p, p + W, p + 2W, ... whole. Each process sends as many
bytes as it holds, so that nothing is gathered twice and no process holds more than N / W of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.distributed as dist

from labkit.training.sharding.pieces import Cut
from labkit.training.sharding.processes import Processes

GiveBack = Callable[[list[torch.Tensor]], list[torch.Tensor]]


def exchange(
    pieces: Sequence[torch.Tensor], cuts: Sequence[Cut], processes: Processes
) -> tuple[list[torch.Tensor], GiveBack]:
    """This process' matrices, whole, and what returns their pieces to those who sent them."""
    num = processes.num
    ranks = [divmod(rank, processes.layout.tensor_parallel) for rank in range(num)]
    shapes = [[cut.piece_shape(*rank) for rank in ranks] for cut in cuts]
    own = range(processes.rank, len(cuts), num)
    dealt = [number for owner in range(num) for number in range(owner, len(cuts), num)]
    sent = [
        sum(pieces[number].numel() for number in range(owner, len(cuts), num))
        for owner in range(num)
    ]
    received = [
        sum(torch.Size(shapes[number][rank]).numel() for number in own) for rank in range(num)
    ]
    outgoing = torch.cat([pieces[number].flatten() for number in dealt])
    incoming = _swapped(outgoing, sent, received)
    parts = iter(
        incoming.split(
            [torch.Size(shapes[number][rank]).numel() for rank in range(num) for number in own]
        )
    )
    found = {
        (number, ranks[rank]): next(parts).view(shapes[number][rank])
        for rank in range(num)
        for number in own
    }
    whole = [cuts[n].assemble(lambda d, t, n=n: found[n, (d, t)]) for n in own]

    def give_back(matrices: list[torch.Tensor]) -> list[torch.Tensor]:
        flat = [
            cuts[number].piece(matrix, *ranks[rank]).flatten()
            for rank in range(num)
            for number, matrix in zip(own, matrices, strict=True)
        ]
        back = _swapped(torch.cat(flat) if flat else incoming, received, sent)
        returned = dict(
            zip(dealt, back.split([pieces[number].numel() for number in dealt]), strict=True)
        )
        return [returned[n].view(pieces[n].shape) for n in range(len(pieces))]

    return whole, give_back


def _swapped(outgoing: torch.Tensor, sent: list[int], received: list[int]) -> torch.Tensor:
    incoming = outgoing.new_empty(sum(received))
    dist.all_to_all_single(incoming, outgoing, received, sent)
    return incoming
