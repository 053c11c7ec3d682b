"""What is run on two and four processes."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from labkit.core.config import ConfigError
from labkit.model.presets.published import PRESETS
from labkit.plan.plan import TrainingPlan
from labkit.plan.recipes import with_recipe
from tests.training.tiny import tiny_plan

WORKER = Path(__file__).with_name("sharded_worker.py")
PROJECT = Path(__file__).parents[3]
WORKER_NAME = os.environ.get("PYTEST_XDIST_WORKER", "alone")
STEPS = 20
RECIPES = {"adamw": "gpt2", "muon": "modern"}
AT_THE_END = {"evaluation.num_evaluations": 1}
"""For cases that are judged by losses of steps: three evaluations take as long as their 20 steps,
and that one in the middle disturbs nothing is what the other cases show."""
LAYOUTS: dict[str, dict[str, Any]] = {
    "ddp": {"layout.data_parallel": 2, "layout.sharding": "none"},
    "fsdp": {"layout.data_parallel": 2},
    "tp": {"layout.tensor_parallel": 2},
    "both": {"layout.data_parallel": 2, "layout.tensor_parallel": 2},
}
CHANGES: dict[str, dict[str, Any]] = {
    "clipped": {"optimizer.clip_norm": 0.5},
    "accumulated": {"data.micro_batch": 1},
    "reduced_once": {"data.micro_batch": 1, "layout.reduce_every_micro_batch": False},
    "weights_kept": {"layout.reshard_after_forward": False},
    "recomputed": {"layout.recompute": "full"},
    "recomputed_in_part": {"layout.recompute": "selective"},
    "masked": {"data.mask_document_starts": True},
    "compiled": {"layout.compile_blocks": True},
    "bf16": {"compute.precision": "bf16"},
}
BLOCKS: dict[str, dict[str, Any]] = {
    "one key head": {"model.num_kv_heads": 1},
    "normed heads": {"model.qk_norm": True, "model.norm": "rmsnorm"},
    "norms after": {"model.norm_placement": "post"},
    "parallel parts": {"model.block": "parallel", "model.feed_forward": "relu_squared"},
    "biases": {
        "model.qkv_bias": True,
        "model.attention_output_bias": True,
        "model.feed_forward_bias": True,
        "model.norm_bias": True,
    },
    "uneven": {"model.d_model": 35, "model.d_ff": 70},
}
LONG = {"model.context_length": 256, "data.sequence_length": 16, **AT_THE_END}
"""A context in which 200 tokens can be generated; samples as short as elsewhere."""
OPEN: dict[str, tuple[str, dict[str, Any]]] = {
    f"{recipe}-{'tied' if is_tied else 'untied'}": (
        recipe,
        {"model.tie_embeddings": is_tied, **LONG},
    )
    for recipe in ("gpt2", "modern-open", "modern")
    for is_tied in (True, False)
}
"""Models that other tools open; `modern-open` is a Llama to them."""
OPEN_STEPS = 8
RESUMED = [
    ("muon-fsdp", "fsdp"),
    ("muon-tp", "tp"),
    ("muon-fsdp", "tp"),
    ("muon-tp", "fsdp"),
    ("muon-ddp", "fsdp"),
    ("consolidated", "fsdp"),
    ("whole", "fsdp"),
]


def plan_of(data: dict[str, Any], recipe: str, **changes: Any) -> TrainingPlan:
    """Not clipped: a norm summed in another order would differ in its last bit."""
    base = {"optimizer.clip_norm": None, "checkpoints.keep": 100}
    return with_recipe(tiny_plan(data, STEPS), recipe).with_overrides({**base, **changes})


def on_one_process(plan: TrainingPlan) -> TrainingPlan:
    one = plan.model_dump() | {"layout": {}, "name": "alone"}
    one["data"]["micro_batch"] = plan.micro_batch
    return TrainingPlan.model_validate(one)


def wide(plan: TrainingPlan) -> TrainingPlan:
    """Wide enough that norms are nothing beside matrices."""
    return plan.with_overrides({"model.d_model": 128, "model.d_ff": 256})


def small_preset(data: dict[str, Any], preset: str) -> TrainingPlan:
    """The preset's choices at the size of a thimble, its share of key heads kept."""
    model = TrainingPlan().model.from_preset(preset)
    num_heads = 4
    size = {
        "vocab_size": 257,
        "context_length": 16,
        "d_model": 32,
        "num_layers": 2,
        "num_heads": num_heads,
        "num_kv_heads": max(num_heads * model.num_kv_heads // model.num_heads, 2),
        "head_dim": 8,
        "d_ff": 64,
    }
    shrunk = {"window": 5, "embedding_width": 16, "rope_original_context": 8}
    shrunk |= {"num_experts": 4}
    size |= {name: value for name, value in shrunk.items() if getattr(model, name) is not None}
    size |= {"experts_per_token": 2, "rope_ratio": 1.0 if model.rope_ratio == 1 else 0.5}
    changes = {"model": model.model_dump() | size}
    plan = TrainingPlan.model_validate(tiny_plan(data, STEPS).model_dump() | changes)
    return plan.with_overrides({"optimizer.learning_rate": 0.01})


def families(data: dict[str, Any]) -> dict[str, TrainingPlan]:
    """One preset of each set of choices."""
    found: dict[str, tuple[str, TrainingPlan]] = {}
    for preset in PRESETS:
        plan = small_preset(data, preset)
        choices = plan.model.model_dump_json(exclude=NUMBERS)
        found.setdefault(choices, (preset, plan))
    return dict(found.values())


NUMBERS = {
    *("preset", "rope_theta", "norm_epsilon", "rope_factor", "attention_scale"),
    "balance_loss",
    *("tie_embeddings", "num_kv_heads"),
}
"""Of a model: what makes it no other family."""


def family_layouts(data: dict[str, Any]) -> dict[str, TrainingPlan]:
    """Each family cut over two processes; sharded, where it can't be cut or its root is unusual."""
    found: dict[str, TrainingPlan] = {}
    for preset, plan in families(data).items():
        with contextlib.suppress(ConfigError):
            found[f"{preset}-tp"] = plan.with_overrides(LAYOUTS["tp"] | AT_THE_END)
        if f"{preset}-tp" not in found or preset in UNUSUAL_ROOTS:
            found[f"{preset}-fsdp"] = plan.with_overrides(LAYOUTS["fsdp"] | AT_THE_END)
    return found


UNUSUAL_ROOTS = ("gpt2", "gpt-j-6b", "llama-7b", "opt-350m", "gemma-2-2b")


EXPERTS = {
    "model.feed_forward": "swiglu",
    "model.feed_forward_bias": False,
    "model.num_experts": 64,
    "model.experts_per_token": 1,
    "model.balance_loss": 0.01,
    "model.router_z_loss": 0.001,
}
"""More experts than a process has tokens in a micro-batch: each leaves some unused."""


class Cases:
    """What is to be run on so many processes, then its records by name."""

    def __init__(self, home: Path, num_processes: int):
        self.home, self.num_processes = home, num_processes
        self.cases: list[dict[str, Any]] = []

    def add(
        self,
        name: str,
        plan: TrainingPlan,
        file_bytes: int = 0,
        objective: str = "",
        **keywords: Any,
    ) -> None:
        """`file_bytes`: the first process can write no larger file; `objective`: by its name."""
        folder = self.home / "sharded" / name
        self.cases.append(
            {
                "plan": plan.with_overrides({"name": name}).model_dump(mode="json"),
                "folder": str(folder),
                "keywords": keywords,
                "file_bytes": file_bytes,
                "objective": objective,
            }
        )

    def run(self) -> None:
        """Once, also where tests are dealt to several workers."""
        path = self.home / f"cases-{self.num_processes}.json"
        if path.with_suffix(".done").exists():
            return
        path.write_text(json.dumps(self.cases))
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        done = subprocess.run(
            [*torchrun, "--nproc-per-node", str(self.num_processes), str(WORKER), str(path)],
            env=os.environ
            | {"LABKIT_HOME": str(self.home), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(PROJECT)},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        path.with_suffix(".done").touch()
