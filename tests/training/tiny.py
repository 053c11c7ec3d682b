"""A corpus, tokenizer and plan small enough to train in a second."""

from __future__ import annotations

import atexit
import functools
import random
import shutil
import tempfile
from pathlib import Path
from typing import Any

from labkit.core import artifacts
from labkit.plan.plan import TrainingPlan
from labkit.plan.recipes import with_recipe
from labkit.tokens.kinds import KINDS
from labkit.tokens.shard_writing import write_shards

WORDS = "the cat sat on a mat and saw red fish swim in blue water while birds sang".split()


def tiny_texts(count: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(rng.choices(WORDS, k=60)) + "." for _ in range(count)]


def write_tiny_corpus(home: Path) -> dict[str, Any]:
    """Shards of both sides, of a `small` source, and the byte tokenizer; a `data` part."""
    shutil.copytree(_corpus(), home, dirs_exist_ok=True)
    return {
        "train": {"shards/tiny/train": 1.0},
        "validation": "shards/tiny/validation",
        "tokenizer": "tokenizers/tiny",
        "batch_size": 4,
    }


@functools.cache
def _corpus() -> Path:
    """Written once in a process: most of it is finding out which characters are letters."""
    home = Path(tempfile.mkdtemp(prefix="labkit-tiny-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    tokenizer = KINDS["bytes"](tiny_texts(1, 0), 300)
    with artifacts.write_artifact(home / "tokenizers" / "tiny") as temporary:
        tokenizer.save(temporary / "tokenizer.json")
    for side, count, seed in (("train", 60, 1), ("validation", 8, 2), ("small", 1, 3)):
        write_shards(tiny_texts(count, seed), tokenizer, home / "shards" / "tiny" / side)
    return home


def tiny_plan(data: dict[str, Any], num_steps: int = 24, **changes: Any) -> TrainingPlan:
    """fp32 on one thread: equal bytes on any machine of one kind."""
    base: dict[str, Any] = {
        "name": "tiny",
        "model": TrainingPlan().model.model_dump()
        | {"vocab_size": 257, "context_length": 16, "d_model": 32, "num_layers": 2}
        | {"num_heads": 2, "num_kv_heads": 2, "head_dim": 16, "d_ff": 64},
        "data": data,
        "budget": {"num_tokens": num_steps * data["batch_size"] * 16},
        "evaluation": {
            "num_evaluations": 3,
            "num_windows": 20,
            "num_samples": 1,
            "sample_tokens": 8,
        },
        "compute": {
            "device": "cpu",
            "precision": "fp32",
            "attention": "fused",
            "num_threads": 1,
        },
        "tracking": "off",
    }
    return TrainingPlan.model_validate(base | changes)


def hard_plan(data: dict[str, Any], recipe: str, num_steps: int = 24) -> TrainingPlan:
    """Accumulation, dropout, and a second source so small that it is read three times."""
    data = data | {"micro_batch": 2, "train": {**data["train"], "shards/tiny/small": 1.0}}
    plan = with_recipe(tiny_plan(data, num_steps), recipe)
    return plan.with_overrides({"model.dropout": 0.1, "checkpoints.keep": num_steps})
