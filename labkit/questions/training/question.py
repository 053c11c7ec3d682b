"""The question of notebook 50: this text and this tokenizer, trained by two recipes of one size.

They are `gpt2` and `modern-open`, whose model other tools open without our code. What notebook 30
found better of `modern`, which has a token shift besides, is taken over.

Both read the same samples in the same order, for the same number of tokens, and are evaluated on
the same windows. One seed each: what comes out is two models and what they took, not a verdict.
"""

from __future__ import annotations

from typing import Any

from labkit.core import artifacts
from labkit.core.errors import LabError
from labkit.core.records.decision import (
    NOTEBOOKS,
    Decision,
    current_decision,
    find_decision,
    reference,
)
from labkit.data.decided_corpora import with_corpus
from labkit.data.readers import fingerprint
from labkit.model.config import ModelConfig
from labkit.plan.parts import BudgetPlan
from labkit.plan.plan import TrainingPlan
from labkit.plan.recipes import with_changes, with_recipe
from labkit.questions.training.config import TwoRecipesConfig
from labkit.tokens.tokenizer import Tokenizer
from labkit.training.settle import settle

COMPARED = {"gpt2": "gpt2", "modern-open": "modern"}
"""Recipe -> the recipe on which notebook 30 looked for changes to it."""


class TwoRecipes:
    """The question with its plans settled: recipe -> plan.

    Raises:
        LabError: notebook 20 has decided nothing for this corpus, or left no validation text.
    """

    def __init__(self, config: TwoRecipesConfig):
        self.config = config = with_corpus(config)
        self.decision, folder = current_decision(NOTEBOOKS["20"], fingerprint(config.corpus))
        self.reads = {"decision:20": reference(folder)}
        base = _base_plan(config, self.decision)
        self.architecture = self._architecture()
        self.plans = {recipe: settle(self._plan(base, recipe)) for recipe in COMPARED}

    def _architecture(self) -> Decision | None:
        if self.config.architecture == "recipe":
            return None
        found = find_decision(NOTEBOOKS["30"], self.decision.corpus_hash)
        if found is None:
            return None
        self.reads["decision:30"] = reference(found[1])
        return found[0]

    def _plan(self, base: TrainingPlan, recipe: str) -> TrainingPlan:
        plan = with_recipe(base, recipe).with_overrides({"name": recipe})
        if recipe == "gpt2":
            plan = plan.with_overrides({"optimizer.learning_rate": self.config.gpt2_learning_rate})
        if self.architecture and self.architecture.evidence["recipe"] == COMPARED[recipe]:
            plan = with_changes(plan, _at_these_heads(self.architecture.evidence, plan))
        return plan


def _at_these_heads(evidence: dict[str, Any], plan: TrainingPlan) -> dict[str, Any]:
    """The changes with key and value heads as the nearest share that divides this plan's heads."""
    changes, heads = dict(evidence["changes"]), plan.model.num_heads
    if "model.num_kv_heads" in changes:
        wanted = changes["model.num_kv_heads"] / evidence["num_heads"] * heads
        possible = [count for count in range(1, heads + 1) if heads % count == 0]
        changes["model.num_kv_heads"] = min(possible, key=lambda one: abs(one - wanted))
    return changes


def _base_plan(config: TwoRecipesConfig, decision: Decision) -> TrainingPlan:
    shards: dict[str, str] = decision.evidence["shards"]
    if "validation" not in shards or decision.artifact is None:
        raise LabError(
            "notebook 20 held no validation text out; give it more text and run it again"
        )
    home = artifacts.home()
    vocab_size = Tokenizer.load(home / decision.artifact / "tokenizer.json").vocab_size
    compute = config.compute.model_copy(update={"device": config.device})
    price = config.usd_per_hour or None
    return TrainingPlan.model_validate(
        {
            "model": _size(config, vocab_size),
            "data": {
                "train": {shards["train"]: 1.0},
                "validation": shards["validation"],
                "tokenizer": decision.artifact,
                "batch_size": config.batch_size,
            },
            "budget": BudgetPlan(num_tokens=config.num_tokens, usd_per_hour=price),
            "evaluation": config.evaluation,
            "compute": compute,
            "tracking": config.tracking,
            "seed": config.seed,
        }
    )


def _size(config: TwoRecipesConfig, vocab_size: int) -> dict[str, Any]:
    """Heads of 32 features, or one of the whole width where 32 doesn't divide it."""
    head_dim = 32 if config.d_model % 32 == 0 else config.d_model
    num_heads = config.d_model // head_dim
    return ModelConfig.from_preset("nanogpt-cpu").model_dump() | {
        "vocab_size": vocab_size,
        "context_length": config.context_length,
        "d_model": config.d_model,
        "num_layers": config.num_layers,
        "num_heads": num_heads,
        "num_kv_heads": num_heads,
        "head_dim": head_dim,
        "d_ff": 4 * config.d_model,
    }
