"""A plan trained in processes of its own, followed, proved and recorded: notebook 50."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labkit.lab.chain import open_corpus
from labkit.lab.tokenizers import need_tokenizer

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from labkit.core.display import Html
    from labkit.plan.plan import TrainingPlan
    from labkit.plots.table import Table
    from labkit.questions.training.question import TwoRecipes
    from labkit.training.checkpoints.resume_proof import ResumeProof
    from labkit.training.launch import Run
    from labkit.training.sharding.try_layouts import Layouts
    from labkit.widgets.run_monitor import RunMonitor
    from labkit.widgets.tuner import Tuner


def two_recipes(overrides: Mapping[str, Any] | None = None, **parameters: Any) -> TwoRecipes:
    """Two settled plans on the corpus as notebook 20 has split and encoded it.

    Where notebook 20 hasn't been run on it, its defaults are made here, and said.
    """
    from labkit.questions.training import question as rooms
    from labkit.questions.training.config import TwoRecipesConfig

    config = TwoRecipesConfig.from_parameters({**parameters, "overrides": overrides})
    config = open_corpus(config)
    need_tokenizer(config.corpus)
    question = rooms.TwoRecipes(config)
    if question.architecture:
        print(f"notebook 30: {question.architecture.choice}{_taken_over(question)}")
    elif config.architecture == "decision:30":
        print("no decision of notebook 30 for this corpus: recipes as they are")
    print(describe_device(next(iter(question.plans.values()))))
    return question


def _taken_over(question: TwoRecipes) -> str:
    """Where the recipe trained here is a variant of the one that notebook 30 looked at."""
    from labkit.questions.training.question import COMPARED

    assert question.architecture
    looked_at = question.architecture.evidence["recipe"]
    takers = [one for one, source in COMPARED.items() if source == looked_at and one != source]
    return f"; {takers[0]} takes the same parts" if takers else ""


def describe_device(plan: TrainingPlan) -> str:
    """Device, threads and precision of a settled plan on this machine, in one line."""
    from labkit.training import device

    return device.describe_device(plan.compute, device.find_device_facts())


def plan_table(question: TwoRecipes) -> Table:
    """The fields in which the two plans differ."""
    from labkit.plots.table import Table
    from labkit.questions.training import tables

    return Table(tables.plan_rows(question))


def group_table(question: TwoRecipes) -> Table:
    """Which parameters each optimizer moves, at which rate, and which of them decay."""
    from labkit.plots.table import Table
    from labkit.questions.training import tables

    return Table(tables.group_table_rows(question))


def prepare(question: TwoRecipes) -> dict[str, Run]:
    """A run for each plan, waiting to begin; one that was begun before is attached to."""
    from labkit.training import launch

    return {recipe: launch.prepare(plan) for recipe, plan in question.plans.items()}


def finish(runs: Mapping[str, Run]) -> None:
    """Train what is not finished yet, one run after the other, each in a process of its own.

    Interrupting the kernel leaves the run at work; calling this again follows it.
    """
    for run in runs.values():
        status = run.begin().wait(print)
        print(f"{run.run_id}: {status.state} at step {status.step:,}")


def launch(plan: TrainingPlan, processes: int | None = None) -> Run:
    """Train a plan in processes of its own, as many as its layout has, which outlive this kernel.

    Args:
        processes: another number of data-parallel processes.
    """
    from labkit.training import launch

    return launch.launch(plan, processes)


def attach(run_id: str) -> Run:
    """A run started anywhere, by its id."""
    from labkit.training import launch

    return launch.attach(run_id)


def monitor(runs: Mapping[str, Run] | Run) -> RunMonitor:
    """Live curves, rates and samples with buttons; in batch as far as the runs have come."""
    from labkit.widgets.run_monitor import RunMonitor

    return RunMonitor(list(runs.values()) if isinstance(runs, Mapping) else runs)


def result_table(runs: Mapping[str, Run]) -> Table:
    """Loss with its interval, and what each run took."""
    from labkit.plots.table import Table
    from labkit.questions.training import tables

    return Table(tables.result_rows(dict(runs)))


def loss_figure(runs: Mapping[str, Run]) -> go.Figure:
    """Training and validation loss of each run against its tokens."""
    from labkit.plots import training
    from labkit.training.recording.curves import FollowedRun

    followed = [FollowedRun(run) for run in runs.values()]
    for one in followed:
        one.follow()
    return training.loss_figure([one.curve for one in followed])


def score_table(runs: Mapping[str, Run]) -> Table:
    """What was predicted before the first step against what was measured after the last."""
    from labkit.plots.table import Table
    from labkit.questions.training import tables

    return Table(tables.score_rows(dict(runs)))


def trained_samples(runs: Mapping[str, Run]) -> Html:
    """What the trained models write; escaped."""
    from labkit.core.display import text_samples
    from labkit.questions.training import tables

    return text_samples(tables.sample_pairs(dict(runs)))


def open_recipe_verdict() -> Html:
    """What `modern-open` costs against `modern`, as the study that comes with labkit found."""
    from labkit.questions.architecture import stored_study

    return stored_study.show_open_recipe()


def recipe_sentences(runs: Mapping[str, Run]) -> dict[str, Html]:
    """What was found, one sentence for each section of notebook 50."""
    from labkit.questions.training import sentences

    return sentences.recipe_sentences(dict(runs))


def prove_resume(plan: TrainingPlan) -> ResumeProof:
    """Cut a run of this plan in the middle and see whether it ends bit-equal to an unbroken one."""
    from labkit.training.checkpoints import resume_proof

    return resume_proof.prove_resume(plan)


def try_layouts(run: Run) -> Layouts:
    """The first steps of a finished run's plan again, on two processes in each layout."""
    from labkit.training.sharding import try_layouts as rooms

    return rooms.try_layouts(run)


def layout_table(layouts: Layouts) -> Table:
    """What each process holds of the model, measured, and how far the losses are apart."""
    from labkit.plots.table import Table
    from labkit.training.sharding import try_layouts as rooms

    return Table(rooms.layout_rows(layouts))


def layout_sentence(layouts: Layouts) -> Html:
    from labkit.training.sharding import try_layouts as rooms

    return rooms.layout_sentence(layouts)


def dry_run_table(overrides: Mapping[str, Any] | None = None, **parameters: Any) -> Table:
    """Peak memory of one process of a plan, by part: the real model on tensors without data.

    No GPU is needed and none of the plan's data; Llama-3-8B on 8 GPUs takes about 10 s.
    """
    from labkit.plan.plan import TrainingPlan
    from labkit.plots.table import Table
    from labkit.training.dry_run import measure, table

    plan = TrainingPlan.from_parameters({**parameters, "overrides": overrides})
    return Table(table.dry_run_table(plan, measure.dry_run(plan)))


def tuner(plan: TrainingPlan, gpu: str = "H100 SXM") -> Tuner:
    """The plan as a form with its cost and learning-rate curve; in batch the same, static."""
    from labkit.widgets.tuner import Tuner

    return Tuner(plan, gpu)


def record_two_recipes(question: TwoRecipes, runs: Mapping[str, Run], proof: ResumeProof) -> Path:
    """Record the decision of notebook 50: the model folder that it hands on."""
    from labkit.questions.training import decision

    return decision.record_two_recipes(question, dict(runs), proof)


def recommendation(folder: Path) -> str:
    """The model that a decision of notebook 50 names, how it did, and how to talk to it."""
    from labkit.core import artifacts
    from labkit.core.records.decision import Decision

    decision = Decision.model_validate_json((folder / "decision.json").read_bytes())
    assert decision.artifact, folder
    name = Path(decision.artifact).name
    return (
        f"{decision.choice}\n"
        f"model folder: {artifacts.home() / decision.artifact}\n"
        f'talk to it: labkit generate {name} --prompt "..." or lab.load_model("{name}")\n'
        f"checkpoint to go on with: {artifacts.home() / decision.evidence['checkpoint']}"
    )
