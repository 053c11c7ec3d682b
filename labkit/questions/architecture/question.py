"""The question of notebook 30: which parts of the block does this text want, at equal FLOPs?

Each arm changes one part of the recipe. Two controls come with them, whose answers are known: the
baseline with half its tokens, and the baseline again on other seeds.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from labkit.comparison.study import Arm, Study
from labkit.comparison.tokenizers import TokenizerComparison, TokenizerComparisonConfig
from labkit.core import artifacts
from labkit.core.errors import LabError
from labkit.core.records.decision import NOTEBOOKS, current_decision, reference
from labkit.data.decided_corpora import with_corpus
from labkit.data.readers import corpus_name, fingerprint
from labkit.model.config import ModelConfig
from labkit.plan.plan import TrainingPlan
from labkit.plan.recipes import with_recipe
from labkit.questions.architecture.config import ArchitectureConfig, listed
from labkit.tokens.tokenizer import Tokenizer
from labkit.training.settle import settle


class Architectures:
    """The question with its study written out; nothing is trained yet.

    Raises:
        LabError: notebook 20 has decided nothing for this corpus, or left no validation text; a
            part that cannot be made equal.
    """

    def __init__(self, config: ArchitectureConfig):
        self.config = config = with_corpus(config)
        self.decision, folder = current_decision(NOTEBOOKS["20"], fingerprint(config.corpus))
        self.reads = {"decision:20": reference(folder)}
        if "validation" not in self.decision.evidence["shards"]:
            raise LabError(
                "notebook 20 held no validation text out; give it more text and run it again"
            )
        plan = baseline_plan(config, self._data(json.loads((folder / "result.json").read_bytes())))
        effort = config.effort
        self.arms = {one: alternatives(plan.model, one) for one in listed(config.questions)}
        half = {"budget.num_tokens": max(effort.num_tokens // 2, 1)}
        self.study = Study(
            name=f"{Path(corpus_name(config.corpus)).stem}-{config.recipe}-{effort.preset}",
            about=f"{corpus_name(config.corpus)} through {Path(plan.data.tokenizer).name}",
            plan=plan,
            arms=(
                *(arm for arms in self.arms.values() for arm in arms),
                Arm(name="half the tokens", changes=half, is_control=True),
                Arm(name="the baseline again", is_control=True),
            ),
            tuning_seeds=tuple(range(100, 100 + effort.num_tuning_seeds)),
            seeds=tuple(range(1, 1 + effort.num_seeds)),
            margin=config.margin,
            effort=effort.preset,
        )

    def _data(self, made: dict[str, Any]) -> dict[str, Any]:
        """The data part of a plan: notebook 20's split, through its tokenizer or as bytes."""
        shards, tokenizer = self.decision.evidence["shards"], self.decision.artifact
        if self.config.tokenizer == "bytes":
            cheap = {"published": "", "compare_on": "", "choice": "bytes", "train_budget": 100_000}
            config = TokenizerComparisonConfig.model_validate(made["config"] | cheap)
            folder, folders = TokenizerComparison(config).save_choice()
            tokenizer, home = folder.relative_to(artifacts.home()).as_posix(), artifacts.home()
            shards = {side: one.relative_to(home).as_posix() for side, one in folders.items()}
        return {
            "train": {shards["train"]: 1.0},
            "validation": shards["validation"],
            "tokenizer": tokenizer,
            "batch_size": self.config.effort.batch_size,
        }


def baseline_plan(config: ArchitectureConfig, data: dict[str, Any]) -> TrainingPlan:
    """The recipe at the effort's size, settled; one CPU thread, since runs go side by side."""
    effort = config.effort
    tokenizer = Tokenizer.load(artifacts.home() / data["tokenizer"] / "tokenizer.json")
    if effort.d_model % effort.num_heads:
        raise LabError(
            f"effort.num_heads={effort.num_heads} must divide effort.d_model={effort.d_model}"
        )
    shape = {
        "vocab_size": tokenizer.vocab_size,
        "context_length": effort.context_length,
        "d_model": effort.d_model,
        "num_layers": effort.num_layers,
        "num_heads": effort.num_heads,
        "num_kv_heads": effort.num_heads,
        "head_dim": effort.d_model // effort.num_heads,
        "d_ff": 4 * effort.d_model,
    }
    plan = TrainingPlan.model_validate(
        {
            "model": ModelConfig.from_preset("nanogpt-cpu").model_dump() | shape,
            "data": data,
            "budget": {"num_tokens": effort.num_tokens},
            "evaluation": {"num_evaluations": 4, "num_windows": effort.num_windows}
            | {"num_samples": 1},
            "checkpoints": {"num_checkpoints": 1, "keep": 1},
            "compute": {"device": config.device, "num_threads": 1},
            "tracking": config.tracking,
        }
    )
    return settle(with_recipe(plan, config.recipe))


def alternatives(model: ModelConfig, question: str) -> list[Arm]:
    """What else the part could be, each a change of one idea."""
    heads = model.num_heads
    options: dict[str, dict[str, dict[str, Any]]] = {
        "positions": {
            "RoPE": {"positions": "rope"},
            "learned positions": {"positions": "learned"},
            "no positions": {"positions": "none"},
        },
        "norms": {
            "RMSNorm": {"norm": "rmsnorm", "norm_placement": "pre"},
            "LayerNorm": {"norm": "layernorm", "norm_placement": "pre"},
            "post-norm": {"norm_placement": "post"},
        },
        "feed-forward": {
            "SwiGLU": {"feed_forward": "swiglu"},
            "GELU": {"feed_forward": "gelu"},
            "ReLU squared": {"feed_forward": "relu_squared"},
        },
        "attention": {
            "MHA": {"num_kv_heads": heads},
            **({"GQA": {"num_kv_heads": heads // 2}} if heads % 2 == 0 and heads > 2 else {}),
            "MQA": {"num_kv_heads": 1},
        },
    }
    arms = []
    for name, fields in options[question].items():
        changed = {key: value for key, value in fields.items() if getattr(model, key) != value}
        if changed:
            changes = {f"model.{key}": value for key, value in changed.items()}
            arms.append(Arm(name=name, changes=changes))
    return arms
