"""Recipe `modern` against recipe `gpt2`, and against nanoGPT's documented CPU settings.

    python benchmarks/recipes.py          about an hour on two cores; goes on where it was stopped

Declared before it was run, and run once:

- Corpora: `sanguo` (Chinese) and `python-stdlib` (code), neither used to tune a recipe; as bytes,
  split by labkit. Shape: nanoGPT's documented CPU model (4 layers of 128, context 64).
- `gpt2` trains 2,000 steps of 12 x 64 tokens. Its AdamW rate is the best of 2e-3, 4e-3, 8e-3 on
  seed 100, extended once by a factor of 2 when the best is at an edge. Then seeds 1, 2, 3.
- `modern` as it stands in `labkit/plan/recipes.py`, batches of 16 x 64, seeds 1, 2, 3. Each budget
  is a run of its own, since the rate decays over it: budgets are 2,000 x 768 tokens divided by
  2^(k/4), and the tokens needed for a loss lie between the shortest budget that reaches it and the
  next shorter one, on a line of loss against log tokens.
- `documented`: AdamW 1e-3 to 1e-4, 100 steps of warm-up, beta2 0.99, decay 0.1, fp32, torch's
  attention, 2,000 steps of 12 x 64. Seeds 1, 2, 3.
- Losses are means over the same 1,000 windows of validation. The figure is the ratio of tokens,
  paired by corpus and seed: mean and 95% t interval of its logarithm.
- CPU seconds are steps x the median of 7 blocks of 20 steps, the three taking turns in one thread
  of one process. `gpt2` and `modern` run in the precision and with the kernel that labkit chooses
  here.
"""

from __future__ import annotations

import json
import math
import os
import platform
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from statistics import median
from typing import Any

from labkit.core import artifacts, disk, provenance

CORPORA, SEEDS, TUNING_SEED = ("sanguo", "python-stdlib"), (1, 2, 3), 100
STEPS, RATES = 2000, (2e-3, 4e-3, 8e-3)
FULL_BUDGET = STEPS * 12 * 64
FIRST_RUNG, LAST_RUNG = 10, 28
BATCH = {"gpt2": 12, "modern": 16, "documented": 12}
ROUNDS, BLOCK = 7, 20


def prepare(corpus: str) -> dict[str, Any]:
    """Bytes of the corpus as shards; the `data` part of a plan."""
    from labkit.comparison.tokenizers import TokenizerComparison, TokenizerComparisonConfig

    config = TokenizerComparisonConfig(
        corpus=corpus, compare_on="", published="", choice="bytes", train_budget=100_000
    )
    tokenizer, shards = TokenizerComparison(config).save_choice()
    home = artifacts.home()
    return {
        "train": {shards["train"].relative_to(home).as_posix(): 1.0},
        "validation": shards["validation"].relative_to(home).as_posix(),
        "tokenizer": tokenizer.relative_to(home).as_posix(),
    }


def plan_of(arm: str, data: dict[str, Any], seed: int, num_tokens: int, rate: float = 1e-3) -> Any:
    from labkit.plan.plan import TrainingPlan
    from labkit.plan.recipes import with_recipe
    from labkit.training.settle import settle

    plan = TrainingPlan.model_validate(
        {
            "model": TrainingPlan().model.model_dump() | {"vocab_size": 257},
            "data": data | {"batch_size": BATCH[arm]},
            "budget": {"num_tokens": num_tokens},
            "evaluation": {"num_windows": 1000},
            "compute": {"device": "cpu", "num_threads": 1},
            "tracking": "off",
            "seed": seed,
        }
    )
    plan = with_recipe(plan, "modern" if arm == "modern" else "gpt2")
    if arm == "gpt2":
        plan = plan.with_overrides({"optimizer.learning_rate": rate})
    if arm == "documented":
        documented = {"optimizer.beta2": 0.99, "compute.precision": "fp32"}
        plan = plan.with_overrides(documented | {"compute.attention": "fused"})
    return settle(plan)


def train(arm: str, data: dict[str, Any], seed: int, num_tokens: int, rate: float = 1e-3) -> float:
    """Final validation loss in nats per byte; kept on disk, so that a stopped study goes on."""
    import torch

    from labkit.core.canonical_json import hash_json
    from labkit.training.next_token import NextToken
    from labkit.training.state import make_state

    torch.set_num_threads(1)
    plan = plan_of(arm, data, seed, num_tokens, rate)
    path = artifacts.home() / "studies" / "recipes" / f"{hash_json(plan.model_dump())}.json"
    if path.is_file():
        return json.loads(path.read_text())["loss"]
    state, objective = make_state(plan), NextToken(plan)
    take_steps(state, objective, plan.num_steps)
    objective.validator.batch_size = 50
    loss = objective.validator.measure(state.model, objective.loss).loss
    disk.write_json(path, {"arm": arm, "seed": seed, "rate": rate, "loss": loss})
    print(f"{arm} seed {seed} tokens {num_tokens:,} rate {rate:g}: {loss:.4f}", flush=True)
    return loss


def take_steps(state: Any, objective: Any, last: int) -> None:
    """A run without its record."""
    from labkit.training.objective import StepBatches
    from labkit.training.step import train_step

    for batch in StepBatches(objective, state, last):
        train_step(state, batch, objective.loss)


def study(corpus: str) -> dict[str, Any]:
    """All runs on one corpus."""
    data = prepare(corpus)
    rates = {rate: train("gpt2", data, TUNING_SEED, FULL_BUDGET, rate) for rate in RATES}
    best = min(rates, key=lambda rate: rates[rate])
    if best in (min(RATES), max(RATES)):
        edge = best * 2 if best == max(RATES) else best / 2
        rates[edge] = train("gpt2", data, TUNING_SEED, FULL_BUDGET, edge)
        best = min(rates, key=lambda rate: rates[rate])
    rows = []
    for seed in SEEDS:
        target = train("gpt2", data, seed, FULL_BUDGET, best)
        documented = train("documented", data, seed, FULL_BUDGET)
        rows.append(
            {
                "corpus": corpus,
                "seed": seed,
                "gpt2_loss": target,
                "documented_loss": documented,
                "modern_tokens_to_gpt2_loss": tokens_to(target, data, seed),
                "modern_tokens_to_documented_loss": tokens_to(documented, data, seed),
            }
        )
    return {"corpus": corpus, "tuning": {str(k): v for k, v in rates.items()}, "rows": rows}


def tokens_to(target: float, data: dict[str, Any], seed: int) -> float | None:
    """Tokens that `modern` needs to the loss; None when the whole budget doesn't reach it."""

    def loss_at(rung: int) -> float:
        return train("modern", data, seed, budget(rung))

    rung = FIRST_RUNG
    while loss_at(rung) > target:
        rung -= 1
        if rung < 0:
            return None
    while rung < LAST_RUNG and loss_at(rung + 1) <= target:
        rung += 1
    reached, missed = loss_at(rung), loss_at(rung + 1)
    share = (missed - target) / (missed - reached)
    low, high = math.log(budget(rung + 1)), math.log(budget(rung))
    return math.exp(low + share * (high - low))


def budget(rung: int) -> int:
    return round(FULL_BUDGET / 2 ** (rung / 4))


def step_seconds(data: dict[str, Any]) -> dict[str, list[float]]:
    """CPU seconds of a step of each arm, in blocks that take turns."""
    import torch

    from labkit.training.next_token import NextToken
    from labkit.training.state import make_state

    torch.set_num_threads(1)
    plans = {arm: plan_of(arm, data, 1, FULL_BUDGET) for arm in BATCH}
    states = {arm: make_state(plan) for arm, plan in plans.items()}
    objectives = {arm: NextToken(plan) for arm, plan in plans.items()}
    found: dict[str, list[float]] = {arm: [] for arm in plans}
    for number in range(ROUNDS + 1):
        for arm in plans:
            started = time.process_time()
            take_steps(states[arm], objectives[arm], (number + 1) * BLOCK)
            if number:  # the first round warms up
                found[arm].append((time.process_time() - started) / BLOCK)
    return found


def ratios(rows: list[dict[str, Any]], seconds: dict[str, float]) -> dict[str, Any]:
    """Paired by corpus and seed: factor by which `modern` needs less."""
    from labkit.statistics.students_t import mean_interval

    per_token = {arm: seconds[arm] / (BATCH[arm] * 64) for arm in seconds}
    found: dict[str, Any] = {}
    for peer in ("gpt2", "documented"):
        tokens = [row[f"modern_tokens_to_{peer}_loss"] for row in rows]
        if None in tokens:
            found[peer] = "not reached within the budget by every seed"
            continue
        logs = [math.log(FULL_BUDGET / one) for one in tokens]
        faster = math.log(per_token[peer] / per_token["modern"])
        for name, shift in (("tokens", 0.0), ("cpu_seconds", faster)):
            interval = mean_interval([one + shift for one in logs])
            found[f"{name}_against_{peer}"] = {
                "ratio": round(math.exp(interval.estimate), 2),
                "low": round(math.exp(interval.low), 2),
                "high": round(math.exp(interval.high), 2),
            }
    return found


def main() -> int:
    os.environ.setdefault("LABKIT_HOME", str(artifacts.home()))
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        studies = list(pool.map(study, CORPORA))
    rows = [row for one in studies for row in one["rows"]]
    blocks = step_seconds(prepare(CORPORA[0]))
    seconds = {arm: median(found) for arm, found in blocks.items()}
    compute = plan_of("modern", prepare(CORPORA[0]), 1, FULL_BUDGET).compute
    result = {
        "name": "recipe modern against gpt2 and nanoGPT's documented settings",
        "equal": "shape, corpus, validation windows; loss to reach",
        "unit": "factor by which modern needs less, with a 95% interval over corpus and seed",
        "ratios": ratios(rows, seconds),
        "by_corpus": {
            one["corpus"]: ratios(one["rows"], seconds) | {"tuning": one["tuning"]}
            for one in studies
        },
        "rows": rows,
        "cpu_seconds_per_step": {arm: round(value, 5) for arm, value in seconds.items()},
        "precision": compute.precision,
        "attention": compute.attention,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.platform()}",
        "versions": provenance.versions("torch", "numpy"),
        "commit": provenance.commit(),
    }
    print(
        json.dumps(
            {k: result[k] for k in ("ratios", "by_corpus", "cpu_seconds_per_step")}, indent=1
        )
    )
    disk.write_json(artifacts.home() / "benchmarks" / "recipes.json", result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
