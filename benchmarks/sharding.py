"""Muon on two processes against Muon on one, and against torch's own on the same shards.

    python -m benchmarks.sharding [--rounds 9]

Two processes of one thread share a model by FSDP2. In turns: our sharded step; the same step on
whole weights in one process, the other waiting; torch.optim.Muon on the shards. The weights after
our sharded step are asserted equal, bit for bit, to those after the step on one process.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.result import Record, conditions, ratios, spread, write

WIDTHS = (128, 512)
WORKER_FLAG = "LABKIT_SHARDING_WORKER"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    facts = conditions("torch")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    done = subprocess.run(
        [*torchrun, "--nproc-per-node", "2", "-m", "benchmarks.sharding"],
        env=os.environ | {WORKER_FLAG: str(arguments.rounds), "OMP_NUM_THREADS": "1"},
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found = [record | facts for record in json.loads(done.stdout.splitlines()[-1])]
    write("sharding", found)
    for record in found:
        print(f"{record['name']}, against {record['peer']}: {record['ratio']}, ms {record['ms']}")
    return 0


def work(rounds: int) -> None:
    import torch
    import torch.distributed as dist

    from labkit.plan.layout import LayoutPlan
    from labkit.training.__main__ import quieten
    from labkit.training.sharding.processes import join

    quieten()
    torch.set_num_threads(1)
    processes = join(LayoutPlan(data_parallel=2), "cpu")
    found = [record for width in WIDTHS for record in measure(width, rounds, processes)]
    if processes.is_first:
        print(json.dumps(found), flush=True)
    dist.destroy_process_group()


def plan_of(width: int) -> Any:
    from labkit.plan.plan import TrainingPlan

    heads = width // 64
    size = {"d_model": width, "d_ff": 4 * width, "num_heads": heads, "num_kv_heads": heads}
    return TrainingPlan().with_overrides(
        {f"model.{name}": value for name, value in size.items()}
        | {"model.head_dim": 64, "model.vocab_size": 512, "layout.data_parallel": 2}
        | {"optimizer.matrices": "muon", "compute.precision": "fp32", "compute.device": "cpu"}
        | {"compute.attention": "fused"}
    )


def measure(width: int, rounds: int, processes: Any) -> list[Record]:
    import torch.distributed as dist

    from labkit.training.sharding.processes import ALONE
    from labkit.training.state import make_state

    plan = plan_of(width)
    sharded, peer = make_state(plan, processes), torch_muon(plan, processes)
    whole = make_state(plan.with_overrides({"layout.data_parallel": 1}), ALONE)
    for module in (sharded, peer):
        give_gradients(whole, module, processes)
    times: dict[str, list[float]] = {"ours": [], "one process": [], "torch": []}
    for _ in range(rounds + 1):
        for name, step in (
            ("ours", sharded.optimizer.step),
            ("one process", whole.optimizer.step if processes.is_first else lambda: None),
            ("torch", peer.optimizer.step),
        ):
            dist.barrier()
            started = time.perf_counter()
            step()
            dist.barrier()
            times[name].append(time.perf_counter() - started)
    assert_equal(whole, sharded, processes)
    return summary(times, whole)


def torch_muon(plan: Any, processes: Any) -> Any:
    import torch

    from labkit.training.state import make_state

    module = make_state(plan, processes)
    [matrices] = [group for group in module.groups if group.name == "matrices"]
    module.optimizer = torch.optim.Muon(list(matrices.parameters.values()), lr=0.01)
    return module


def give_gradients(whole: Any, sharded: Any, processes: Any) -> None:
    """The same random ones to both."""
    import torch

    from labkit.training.sharding.pieces import fill

    generator = torch.Generator().manual_seed(0)
    for one, other in zip(whole.weights, sharded.weights, strict=True):
        gradient = torch.randn(one.shape, generator=generator)
        one.grad = gradient
        other.grad = torch.empty_like(other)
        fill(other.grad, gradient, processes)


def assert_equal(whole: Any, sharded: Any, processes: Any) -> None:
    """On the first process, which alone took the steps on whole weights."""
    import torch

    from labkit.training.sharding.pieces import cut_of, local

    if processes.is_first:
        for one, other in zip(whole.weights, sharded.weights, strict=True):
            assert torch.equal(cut_of(other).piece(one, 0, 0), local(other))


def summary(times: dict[str, list[float]], whole: Any) -> list[Record]:
    """The first round warms up."""
    ours, *peers = (list(all_[1:]) for all_ in times.values())
    num = sum(weight.numel() for weight in whole.weights)
    size = f"a Muon step, {num / 1e6:.1f}M parameters"
    return [
        {
            "name": f"{size}, sharded on two processes",
            "equal": "weights after all steps, bit for bit",
            "peer": "the same step on whole weights in one process",
            "ratio": ratios(ours, peers[0]),
            "unit": "wall time",
            "ms": {"ours": spread_ms(ours), "peer": spread_ms(peers[0])},
        },
        {
            "name": f"{size}, sharded on two processes",
            "equal": "shards and gradients; torch's coefficients and bf16 steps are its own",
            "peer": "torch.optim.Muon on the same shards",
            "ratio": ratios(ours, peers[1]),
            "unit": "wall time",
            "ms": {"ours": spread_ms(ours), "peer": spread_ms(peers[1])},
        },
    ]


def spread_ms(seconds: list[float]) -> dict[str, float]:
    return spread([1000 * one for one in seconds], 1)


if __name__ == "__main__":
    if rounds := os.environ.get(WORKER_FLAG):
        work(int(rounds))
    else:
        sys.exit(main())
