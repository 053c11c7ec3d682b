"""The ablation's arms, its decision, and the stored study beside a demo."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from labkit.comparison.study_tables import effects, scope, sentence, verdict_rows
from labkit.comparison.tokenizers import TokenizerComparison, TokenizerComparisonConfig
from labkit.core.errors import LabError
from labkit.cost.spending import spending
from labkit.model.config import ModelConfig
from labkit.plan.plan import TrainingPlan
from labkit.plan.recipes import with_changes, with_recipe
from labkit.questions.architecture import stored_study
from labkit.questions.architecture.config import QUESTIONS, ArchitectureConfig
from labkit.questions.architecture.decision import better_arms
from labkit.questions.architecture.question import Architectures, alternatives
from labkit.questions.tokenizers.decision import record_tokenizer
from labkit.questions.training import question

TINY = {
    "effort.d_model": 32,
    "effort.num_heads": 4,
    "effort.context_length": 16,
    "effort.num_tokens": 2000,
}


@pytest.fixture
def corpus(tmp_path: Path, lab_home: Path) -> str:
    path = tmp_path / "mine.jsonl"
    words = "one two three four five six seven eight nine ten".split()
    texts = [" ".join(words[n % 10 :] * (n % 7 + 12)) + f" {n}." for n in range(120)]
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    config = TokenizerComparisonConfig(corpus=str(path), compare_on="", published="")
    record_tokenizer(TokenizerComparison(config))
    return str(path)


@pytest.mark.parametrize("recipe", ["gpt2", "modern"])
@pytest.mark.parametrize("question", QUESTIONS)
def test_alternatives_are_all_but_what_the_recipe_has(recipe, question):
    model = with_recipe(TrainingPlan(), recipe).model
    arms = alternatives(model, question)
    assert len(arms) == 2
    for arm in arms:
        assert len(arm.changes) == 1
        [(name, value)] = arm.changes.items()
        assert getattr(model, name.removeprefix("model.")) != value


def test_two_heads_have_no_groups():
    model = ModelConfig.from_preset("nanogpt-cpu").model_copy(
        update={"num_heads": 2, "num_kv_heads": 2, "head_dim": 64}
    )
    assert [arm.name for arm in alternatives(model, "attention")] == ["MQA"]


def test_a_study_of_the_users_text_is_equal_in_flops(corpus):
    config = ArchitectureConfig.from_parameters({"corpus": corpus, "overrides": TINY})
    study = Architectures(config).study
    assert [arm.name for arm in study.controls] == ["half the tokens", "the baseline again"]
    first = spending(study.plan).flops
    for arm in study.tuned:
        assert spending(study.arm_plan(arm)).flops / first == pytest.approx(1, abs=0.01)
    assert study.plan.data.tokenizer.startswith("tokenizers/bytes-")
    decided = config.model_copy(update={"tokenizer": "decision:20"})
    assert not Architectures(decided).study.plan.data.tokenizer.startswith("tokenizers/bytes-")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"questions": "positions, colours"}, "unknown question ['colours']"),
        (
            {"overrides": {"effort.num_heads": 3}},
            "effort.num_heads=3 must divide effort.d_model=64",
        ),
    ],
)
def test_refusals(corpus, changes, message):
    with pytest.raises(LabError) as refused:
        Architectures(ArchitectureConfig.from_parameters({"corpus": corpus, **changes}))
    assert message in str(refused.value)


def verdict(word: str, estimate: float) -> dict:
    return {
        "word": word,
        "reason": "by hand",
        "effect": [estimate, estimate - 0.01, estimate + 0.01],
        "p_holm": 0.01,
        "smallest_detectable": 0.02,
    }


def an_arm(name: str, word: str, estimate: float, **changes) -> dict:
    return {
        "name": name,
        "changes": {"model.positions": "none"},
        "is_control": False,
        "bits_per_byte": [1.5, 1.6],
        "num_diverged": 0,
        "rates_tried": {"1": 1.5},
        "rate_factor": 1,
        "is_at_edge": False,
        "flops": 1e9,
        "tokens": 1000,
        "parameters": 10,
        "embedding_parameters": 1,
        "d_ff": 8,
        "to_baseline": {"flops": 1.0},
        "verdict": verdict(word, estimate) if word else None,
    } | changes


def a_result(study, *arms: dict) -> dict:
    return {
        "study": study.model_dump(mode="json"),
        "inputs": {},
        "arms": [an_arm("baseline", "", 0), *arms],
    }


@pytest.mark.parametrize(
    ("lacking", "named"),
    [
        ("rates_tried", "the learning rates that were tried"),
        ("flops", "compute"),
        ("bits_per_byte", "a score of each seed"),
        ("effect", "its interval"),
        ("smallest_detectable", "the smallest difference it could have seen"),
        ("verdict", "its verdict"),
    ],
)
def test_a_table_without_its_evidence_is_not_shown(corpus, lacking, named):
    config = ArchitectureConfig.from_parameters({"corpus": corpus, "overrides": TINY})
    study = Architectures(config).study
    whole = an_arm("rope", "worse", 0.1)
    assert len(verdict_rows(a_result(study, whole), {"seconds_of_steps": {}})) == 2
    target = whole["verdict"] if lacking in whole["verdict"] else whole
    target[lacking] = None
    with pytest.raises(LabError, match=f"no table of 'rope' without {named}"):
        verdict_rows(a_result(study, whole), {"seconds_of_steps": {}})


def test_the_decision_takes_what_is_better_once_for_each_question(corpus):
    config = ArchitectureConfig.from_parameters({"corpus": corpus, "overrides": TINY})
    question = Architectures(config)
    words = {"no positions": ("better", -0.02), "learned positions": ("better", -0.03)}
    arms = [
        an_arm(arm.name, *words.get(arm.name, ("inconclusive", -0.5)))
        for arm in question.study.arms
    ]
    result = a_result(question.study, *arms)
    assert [arm["name"] for arm in better_arms(question, result)] == ["learned positions"]
    assert effects(result)[0]["seeds"] == pytest.approx([-0.05, 0.05])


def test_changes_keep_the_feed_forwards_weights():
    modern = with_recipe(TrainingPlan(), "modern")
    gelu = with_changes(modern, {"model.feed_forward": "gelu", "model.positions": "none"})
    assert gelu.model.positions == "none"
    assert spending(gelu).parameters == pytest.approx(spending(modern).parameters, rel=0.01)
    assert with_changes(modern, {}) == modern


def test_the_study_that_came_with_labkit_is_shown_with_date_and_scope(lab_home):
    found = stored_study.latest_study()
    assert found.where == "which came with labkit"
    shown = stored_study.show_stored_study().markup
    assert found.date in shown
    assert "Of larger models it says nothing" in shown
    assert scope(found.result).startswith("Holds for shakespeare")


def test_the_price_of_the_open_recipe_is_shown_with_its_interval_and_scope():
    shown = stored_study.show_open_recipe().markup
    assert "modern-open is worse than the baseline: +0.045 bits per byte" in shown
    assert "The baseline is modern" in shown
    assert "Of larger models it says nothing" in shown


@pytest.mark.parametrize(("heads", "kv_heads"), [(4, 2), (3, 1), (6, 3), (1, 1)])
def test_grouped_heads_are_handed_on_as_a_share(heads, kv_heads):
    shape = {"d_model": 16 * heads, "head_dim": 16, "num_heads": heads, "num_kv_heads": heads}
    plan = TrainingPlan().with_overrides({f"model.{name}": one for name, one in shape.items()})
    evidence = {"changes": {"model.num_kv_heads": 2}, "num_heads": 4}
    changed = with_changes(plan, question._at_these_heads(evidence, plan))
    assert changed.model.num_kv_heads == kv_heads


def test_sentences_say_the_size_and_what_could_have_been_seen():
    unsure = sentence(an_arm("GELU", "inconclusive", 0.005), 0.01)
    assert unsure == (
        "GELU is not told apart from the baseline: +0.005 bits per byte (95% interval -0.005 to "
        "+0.015, 2 seeds, p = 0.01 after Holm); a difference of 0.020 would have been seen "
        "with chance 80%."
    )


def test_a_result_of_another_version_is_refused_in_words():
    found = stored_study.latest_study()
    older = {**found.result, "study": found.result["study"] | {"gone": 1}}
    with pytest.raises(LabError, match="not a study: gone"):
        scope(older)


def test_a_study_that_tuned_nothing_says_so():
    found = stored_study.latest_study().result
    untuned = {**found, "study": found["study"] | {"rate_factors": [1.0]}}
    assert "rates x 1, not tuned" in scope(untuned)
