"""The lab's one front door for notebooks: `from labkit import lab`, then `lab.` and Tab.

Each function imports its room when first called, so that opening a notebook costs what it uses.
Tables are pandas DataFrames, figures as plotly Figures, corpus text as escaped HTML.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from labkit.comparison.architectures import Architectures
    from labkit.comparison.run_comparison import RunComparison, RunComparisonConfig
    from labkit.comparison.study import Study
    from labkit.comparison.study_record import StudyRecord
    from labkit.comparison.tokenizers import TokenizerComparison
    from labkit.core.display import Html
    from labkit.cost.config import CostConfig
    from labkit.cost.estimate import CostEstimate
    from labkit.data.curation import Curation
    from labkit.data.exploration import Exploration
    from labkit.plan.plan import TrainingPlan
    from labkit.plots.table import Table
    from labkit.training.launch import Run
    from labkit.training.layouts import Layouts
    from labkit.training.resume_proof import ResumeProof
    from labkit.training.two_recipes import TwoRecipes
    from labkit.widgets.corpus_panel import CorpusPanel
    from labkit.widgets.cost_panel import CostPanel
    from labkit.widgets.life_trace import LifeTracePanel
    from labkit.widgets.run_comparison_panel import RunComparisonPanel
    from labkit.widgets.run_monitor import RunMonitor
    from labkit.widgets.sweep_panel import SweepPanel
    from labkit.widgets.threshold_panel import ThresholdPanel
    from labkit.widgets.tokenizer_viewer import TokenizerViewer
    from labkit.widgets.tuner import Tuner

# ---------------------------------------------------------------- cost


def cost_config(overrides: Mapping[str, Any] | None = None, **parameters: Any) -> CostConfig:
    """The validated question of notebook 40 from its parameters."""
    from labkit.cost.config import CostConfig

    return CostConfig.from_parameters({**parameters, "overrides": dict(overrides or {})})


def estimate_cost(config: CostConfig) -> CostEstimate:
    """GPU hours with their band, money, energy and memory: plain arithmetic, milliseconds."""
    from labkit.cost import estimate

    return estimate.estimate_cost(config)


def parameter_table(estimate: CostEstimate) -> Table:
    """Parameters and their share by component."""
    from labkit.cost.tables import parameter_rows
    from labkit.plots.table import Table

    return Table(parameter_rows(estimate))


def flops_table(config: CostConfig) -> Table:
    """Training FLOPs per token: both conventions, and what the matrix products really take."""
    from labkit.cost.tables import flops_rows
    from labkit.plots.table import Table

    return Table(flops_rows(config))


def gpu_table(config: CostConfig) -> Table:
    """The same run on each GPU with a price, with its measured MFU where known."""
    from labkit.cost.tables import gpu_rows
    from labkit.plots.table import Table

    return Table(gpu_rows(config))


def money_figure(config: CostConfig) -> go.Figure:
    """USD on each GPU with a sourced price, with the band of published runs."""
    from labkit.cost.decision import compare_gpus
    from labkit.plots import cost

    bars = [
        cost.Money(name, estimate.usd, estimate.usd_low, estimate.usd_high)
        for name, estimate in compare_gpus(config).items()
    ]
    return cost.money_figure(bars, chosen=config.gpu)


def memory_figure(estimate: CostEstimate) -> go.Figure:
    """Memory of one GPU by parts against its capacity."""
    from labkit.plots import cost

    return cost.memory_figure(estimate.memory_bytes, estimate.gpu_memory_bytes)


def published_hours_figure() -> go.Figure:
    """Billed hours of published runs against what other families' utilisation predicts."""
    from labkit.cost.published_runs import hours_band, predicted_hours, published_runs
    from labkit.plots import cost

    runs = published_runs()
    return cost.hours_figure(
        [run.model for run in runs],
        [predicted_hours(run) for run in runs],
        [run.gpu_hours for run in runs],
        hours_band(),
    )


def cost_sentences(config: CostConfig) -> dict[str, Html]:
    """What was found, said in sentences made from the result: one for each section."""
    from labkit.cost import sentences

    return sentences.cost_sentences(config)


def cost_panel(config: CostConfig) -> CostPanel:
    """The form of the question with live read-outs; in batch, the same as a static figure."""
    from labkit.widgets.cost_panel import CostPanel

    return CostPanel(config)


def record_cost(config: CostConfig) -> Path:
    """Record the decision of notebook 40; returns its folder."""
    from labkit.cost import decision

    return decision.record_cost(config)


# ---------------------------------------------------------------- data


def explore(overrides: Mapping[str, Any] | None = None, **parameters: Any) -> Exploration:
    """Open a corpus: fetched when it isn't here, built once, then read from `datasets/`."""
    from labkit.data import exploration

    config = exploration.ExplorationConfig.from_parameters(
        {**parameters, "overrides": dict(overrides or {})}
    )
    return exploration.Exploration(config)


def size_table(exploration: Exploration) -> Table:
    """Documents, bytes, characters, words and lengths per source."""
    from labkit.data import exploration as rooms
    from labkit.plots.table import Table

    return Table(rooms.size_table(exploration).to_pandas())


def length_figure(exploration: Exploration) -> go.Figure:
    """Histogram of document lengths per source."""
    from labkit.plots import corpus

    return corpus.length_figure(
        {
            source: exploration.of_source(source)["num_characters"].to_numpy()
            for source in exploration.sources()
        }
    )


def script_figure(exploration: Exploration) -> go.Figure:
    """Shares of scripts, digits, spaces, punctuation per source."""
    from labkit.data.exploration import script_table
    from labkit.plots import corpus

    rows = script_table(exploration).to_pylist()
    return corpus.script_figure([(row["source"], row["class"], row["share"]) for row in rows])


def character_tables(exploration: Exploration) -> tuple[Table, Table]:
    """(most frequent characters, suspicious ones)."""
    from labkit.data import exploration as rooms
    from labkit.plots.table import Table

    frequent, suspicious = rooms.character_tables(exploration)
    return Table(frequent.to_pandas()), Table(suspicious.to_pandas())


def zipf_figure(exploration: Exploration) -> go.Figure:
    """Rank against frequency with the fitted exponent."""
    from labkit.data import zipf
    from labkit.plots import corpus

    total = zipf.total_counts(exploration.unit_blocks)
    units, counts = zip(*total.most_common(), strict=True) if total else ((), ())
    slope = zipf.zipf_slope(counts)
    return corpus.zipf_figure(units, counts, slope, (zipf.FIRST_RANK, zipf.LAST_RANK))


def duplicate_table(exploration: Exploration) -> Table:
    """Groups of byte-identical documents, largest first."""
    from labkit.data import exploration as rooms
    from labkit.plots.table import Table

    return Table(rooms.duplicate_table(exploration).to_pandas())


def examples(exploration: Exploration) -> Html:
    """Documents to read, drawn by the seed; their text is escaped."""
    from labkit.core.display import text_samples
    from labkit.data.exploration import example_texts

    return text_samples(example_texts(exploration), exploration.config.example_characters)


def corpus_sentences(exploration: Exploration) -> dict[str, Html]:
    """What was found in the corpus, one sentence for each section of notebook 10."""
    from labkit.data import sentences

    return sentences.corpus_sentences(exploration)


def corpus_panel(exploration: Exploration) -> CorpusPanel:
    """Lengths by source, bins and minimum length; in batch a static figure."""
    from labkit.widgets.corpus_panel import CorpusPanel

    return CorpusPanel(exploration)


def record_corpus(exploration: Exploration) -> Path:
    """Record the decision of notebook 10: the dataset the next notebooks read."""
    from labkit.data import decision

    return decision.record_corpus(exploration)


def data_cards() -> Table:
    """The corpora that the lab fetches and those the field trains on: size, licence, problems."""
    from labkit.data.cards import library
    from labkit.plots.table import Table

    return Table(library.card_rows(library.load_cards()))


def card_sentence() -> Html:
    """What the cards say together."""
    from labkit.core.display import paragraph
    from labkit.data.cards import library

    return paragraph(library.card_sentence(library.load_cards()))


def data_card(name: str) -> Html:
    """One card to read: its facts, and the sources behind them."""
    from labkit.batch.markup import clean_markup, markdown
    from labkit.core.display import Html, table
    from labkit.data.cards.library import find_card

    card = find_card(name)
    page = Html(clean_markup(markdown(card.page)))
    sources = card.front_matter.get("sources", {})
    return page + table(["source", "reference"], sources.items()) if sources else page


def write_card(dataset: Exploration | str | Path, **fields: Any) -> Path:
    """A dataset with a card for the Hugging Face hub, in a folder below `cards/`.

    Args:
        dataset: a corpus as explored, or the folder of a built or curated one.
        fields: of `CardConfig`; a registered corpus has its own already.
    """
    from labkit.core.config import validate
    from labkit.data.cards import card as rooms
    from labkit.data.corpora import CORPORA

    known: dict[str, Any] = {}
    if isinstance(dataset, str | Path):
        folder = Path(dataset)
    else:
        folder, corpus = dataset.folder, dataset.config.corpus
        known = rooms.card_of_corpus(corpus).model_dump() if corpus in CORPORA else {}
    return rooms.write_card(folder, validate(rooms.CardConfig, {**known, **fields}))


def check_card(folder: str | Path) -> Table:
    """What a card says that its data no longer does; nothing where it holds."""
    from labkit.data.cards import card
    from labkit.plots.table import Table

    return Table([{"difference": said} for said in card.check_card(Path(folder))])


def mixture_table(overrides: Mapping[str, Any] | None = None, **parameters: Any) -> Table:
    """Shares of the sources, and how often each is read for a budget of tokens."""
    from labkit.data.mixture import weights
    from labkit.plots.table import Table

    mixture = weights.MixtureConfig.from_parameters(
        {**parameters, "overrides": dict(overrides or {})}
    )
    return Table(weights.mixture_rows(mixture))


def draw_documents(
    exploration: Exploration,
    weights: Mapping[str, float] | None = None,
    scores: Sequence[float] | None = None,
    **parameters: Any,
) -> Table:
    """Documents drawn by their sources' weights and, where given, their scores."""
    from labkit.data.mixture import sampling
    from labkit.plots.table import Table

    config = sampling.SamplingConfig.from_parameters(parameters)
    return Table(sampling.drawn_rows(exploration.columns, config, weights, scores))


def composition_table(exploration: Exploration | None = None) -> Table:
    """Kinds of text in published models' training, beside the corpus' sources by their names."""
    from labkit.data.mixture import published
    from labkit.plots.table import Table

    return Table(published.kind_rows(_bytes_by_source(exploration)))


def published_mixtures(exploration: Exploration | None = None) -> Table:
    """Every source of published models' training with its reference; the corpus' own first."""
    from labkit.data.mixture import published
    from labkit.plots.table import Table

    return Table(published.composition_rows(_bytes_by_source(exploration)))


def _bytes_by_source(exploration: Exploration | None) -> dict[str, int] | None:
    if exploration is None:
        return None
    sizes = exploration.columns.group_by("source", use_threads=False).aggregate(
        [("num_bytes", "sum")]
    )
    return {row["source"]: row["num_bytes_sum"] for row in sizes.to_pylist()}


# ---------------------------------------------------------------- curation


def curate(overrides: Mapping[str, Any] | None = None, **parameters: Any) -> Curation:
    """A corpus through the steps asked for; where it was cut off, it goes on."""
    from labkit.data import curation

    config = curation.CurationConfig.from_parameters(
        {**parameters, "overrides": dict(overrides or {})}
    )
    return curation.curate(config, say=print)


def funnel_table(curation: Curation) -> Table:
    """What came to each step and what left it, in documents and bytes."""
    return _curation_table("funnel_rows", curation)


def funnel_figure(curation: Curation) -> go.Figure:
    """What each step kept and dropped of what came to it."""
    from labkit.data.curation_tables import funnel_rows
    from labkit.plots import curation as plots

    return plots.funnel_figure(
        [
            plots.Passed(row["step"].partition(" ")[2], row["documents in"], row["kept"])
            for row in funnel_rows(curation)
        ]
    )


def rule_table(curation: Curation) -> Table:
    """The rules that dropped anything, those that cost most bytes first."""
    return _curation_table("rule_rows", curation)


def kept_table(curation: Curation) -> Table:
    """What is left of each source and language."""
    return _curation_table("kept_rows", curation)


def preset_table(curation: Curation) -> Table:
    """What the rules of each preset would keep of the raw text."""
    return _curation_table("preset_rows", curation)


def copy_table(curation: Curation) -> Table:
    """The documents that stand for most copies."""
    return _curation_table("copy_rows", curation)


def personal_data_table(curation: Curation) -> Table:
    """Items replaced in what was kept, by kind."""
    return _curation_table("personal_data_rows", curation)


def dropped_examples(curation: Curation) -> Html:
    """Dropped documents to read, each with the rule, its value and its limit."""
    from labkit.core.display import text_samples
    from labkit.data import curation_tables

    return text_samples(curation_tables.dropped_examples(curation))


def epochs_table(curation: Curation, bytes_per_token: float = 4.0) -> Table:
    """How often each kept source is read for the budget of tokens."""
    return _curation_table("mixture_table_rows", curation, bytes_per_token)


def curation_sentences(curation: Curation) -> dict[str, Html]:
    """What was found, said in sentences made from the result: one for each section."""
    from labkit.data import curation_sentences

    return curation_sentences.curation_sentences(curation)


def threshold_panel(curation: Curation) -> ThresholdPanel:
    """Every rule's threshold as a control; what is kept and what flips follows."""
    from labkit.data.rules.measured import measure
    from labkit.data.rules.presets import PRESETS
    from labkit.widgets.threshold_panel import ThresholdPanel

    config = curation.config
    documents = measure(curation.raw(), PRESETS[config.preset]())
    return ThresholdPanel(documents, config.seed, config)


def life_trace(
    curation: Curation,
    row: int | None = None,
    tokenized: TokenizerComparison | None = None,
    sequence_length: int = 256,
) -> LifeTracePanel:
    """The life of one document, kept or dropped; in batch that of one drawn by the seed.

    `tokenized`, a comparison of tokenizers on `curation.curated.corpus`, adds the training windows
    of so many tokens that the document is in.
    """
    from labkit.data.curation_tables import mixture
    from labkit.data.life_trace import Lives
    from labkit.widgets.life_trace import LifeTracePanel

    config, span = curation.config, None
    if tokenized is not None:
        from labkit.comparison.token_spans import training_spans

        span = training_spans(tokenized, curation.curated, sequence_length)
    lives = Lives(
        curation.curated,
        config.corpus,
        config.make_steps(),
        policy=config.reading,
        mixture=mixture(curation, 4.0),
        span=span,
    )
    return LifeTracePanel(lives, row, config.seed)


def record_curation(curation: Curation) -> Path:
    """Record the decision of notebook 11: the text a model should be trained on."""
    from labkit.data import curation_decision

    return curation_decision.record_curation(curation)


def _curation_table(rows: str, *arguments: Any) -> Table:
    from labkit.data import curation_tables
    from labkit.plots.table import Table

    return Table(getattr(curation_tables, rows)(*arguments))


# ---------------------------------------------------------------- tokens


def compare_tokenizers(
    overrides: Mapping[str, Any] | None = None, **parameters: Any
) -> TokenizerComparison:
    """Split the corpus, train the tokenizers on its train side, draw the samples to measure."""
    from labkit.comparison import tokenizers

    config = tokenizers.TokenizerComparisonConfig.from_parameters(
        {**parameters, "overrides": dict(overrides or {})}
    )
    return tokenizers.TokenizerComparison(config)


def split_table(comparison: TokenizerComparison) -> Table:
    """Documents, works, bytes and leak check of each side."""
    from labkit.comparison import tokenizer_tables
    from labkit.plots.table import Table

    return Table(tokenizer_tables.split_table(comparison).to_pandas())


def tokenizer_table(comparison: TokenizerComparison) -> Table:
    """Each tokenizer on each source, with intervals."""
    from labkit.comparison import tokenizer_tables
    from labkit.plots.table import Table

    return Table(tokenizer_tables.measure_table(comparison).to_pandas())


def token_cost_figure(comparison: TokenizerComparison) -> go.Figure:
    """Tokens that a million characters cost, by tokenizer and text."""
    from labkit.comparison.tokenizer_tables import tokens_per_million
    from labkit.plots import tokenizers

    return tokenizers.token_cost_figure(
        [
            tokenizers.TokenCost(name, text, *interval)
            for name, text, interval in tokens_per_million(comparison)
        ]
    )


def tokenizer_sentences(comparison: TokenizerComparison) -> dict[str, Html]:
    """What was found, one sentence for each section of notebook 20."""
    from labkit.comparison import tokenizer_tables

    return tokenizer_tables.tokenizer_sentences(comparison)


def tokenizer_viewer(comparison: TokenizerComparison) -> TokenizerViewer:
    """Type a text and see it cut by every tokenizer; in batch an example, static."""
    from labkit.widgets.tokenizer_viewer import TokenizerViewer

    return TokenizerViewer(comparison.tokenizers)


def record_tokenizer(comparison: TokenizerComparison) -> Path:
    """Save the chosen tokenizer and the shards made with it; record the decision of notebook 20."""
    from labkit.comparison import tokenizer_decision

    return tokenizer_decision.record_tokenizer(comparison)


def _need_tokenizer(corpus: str, fingerprint: str) -> None:
    """Make notebook 20's defaults where it hasn't been run on the corpus."""
    from labkit.comparison.tokenizer_decision import NOTEBOOK
    from labkit.core.errors import LabError
    from labkit.core.records.decision import current_decision

    try:
        current_decision(NOTEBOOK, fingerprint)
    except LabError:
        print(f"no decision of notebook 20 for {corpus}: making its defaults (a minute)")
        record_tokenizer(compare_tokenizers(corpus=corpus, compare_on="", published=""))


# ---------------------------------------------------------------- comparison


def architectures(overrides: Mapping[str, Any] | None = None, **parameters: Any) -> Architectures:
    """A study of the block's parts on the corpus as notebook 20 has split it; nothing runs yet."""
    from labkit.comparison import architectures as rooms

    config = rooms.ArchitectureConfig.from_parameters(
        {**parameters, "overrides": dict(overrides or {})}
    )
    _need_tokenizer(config.corpus, config.inputs()[config.corpus])
    question = rooms.Architectures(config)
    print(describe_device(question.study.plan))
    return question


def arm_table(question: Architectures) -> Table:
    """What each arm changes, and what it takes against the baseline."""
    from labkit.comparison import study_tables
    from labkit.plots.table import Table

    return Table(study_tables.arm_rows(question.study))


def declare(study: Study) -> StudyRecord:
    """Write a study down, before its first run; says what it takes."""
    from labkit.comparison import study_record

    record = study_record.declare(study)
    print(f"{record.folder.name}: {study.num_runs} runs")
    return record


def finish_study(record: StudyRecord) -> None:
    """Run what is left of a study in a process of its own, and wait for its verdict.

    Interrupting the kernel leaves the study at work; calling this again follows it.
    """
    record.begin().wait(print)
    print(f"{record.folder.name}: verdict is there")


def verdict_table(record: StudyRecord) -> Table:
    """Every arm with its evidence; a study without it has no table."""
    from labkit.comparison import study_tables
    from labkit.plots.table import Table

    return Table(study_tables.verdict_rows(record.result(), record.timing()))


def effect_figure(record: StudyRecord) -> go.Figure:
    """Effects in bits per byte with their intervals and each seed."""
    from labkit.comparison import study_tables
    from labkit.plots import comparison

    result = record.result()
    effects = study_tables.effects(result)
    return comparison.effect_figure(
        [comparison.Effect(**effect) for effect in effects], result["study"]["margin"]
    )


def study_sentences(record: StudyRecord) -> dict[str, Html]:
    """What was found, one sentence for each section of notebook 30."""
    from labkit.comparison import study_tables

    return study_tables.study_sentences(record.result(), record.timing())


def sweep_panel(plan: TrainingPlan, **sweep: Any) -> SweepPanel:
    """Values of chosen fields as a study, costed before it is launched; in batch, static."""
    from labkit.comparison.sweep import SweepConfig
    from labkit.widgets.sweep_panel import SweepPanel

    return SweepPanel(plan, SweepConfig.from_parameters(sweep))


def stored_study() -> Html:
    """The latest study of greater effort on this machine, else the one that came with labkit."""
    from labkit.comparison import stored_study

    return stored_study.show_stored_study()


def record_architecture(question: Architectures, record: StudyRecord) -> Path:
    """Record the decision of notebook 30: the changes that were shown to be better, if any."""
    from labkit.comparison import architecture_decision

    return architecture_decision.record_architecture(question, record)


# ---------------------------------------------------------------- training


def two_recipes(overrides: Mapping[str, Any] | None = None, **parameters: Any) -> TwoRecipes:
    """Two settled plans on the corpus as notebook 20 has split and encoded it.

    Where notebook 20 hasn't been run on it, its defaults are made here, and said.
    """
    from labkit.training import two_recipes as rooms

    config = rooms.TwoRecipesConfig.from_parameters(
        {**parameters, "overrides": dict(overrides or {})}
    )
    _need_tokenizer(config.corpus, config.inputs()[config.corpus])
    question = rooms.TwoRecipes(config)
    if question.architecture:
        print(f"notebook 30: {question.architecture.choice}")
    elif config.architecture == "decision:30":
        print(f"no decision of notebook 30 for {config.corpus}: recipes as they are")
    print(describe_device(next(iter(question.plans.values()))))
    return question


def describe_device(plan: TrainingPlan) -> str:
    """Device, threads and precision of a settled plan on this machine, in one line."""
    from labkit.training import device

    return device.describe_device(plan.compute, device.find_device_facts())


def plan_table(question: TwoRecipes) -> Table:
    """The fields in which the two plans differ."""
    from labkit.plots.table import Table
    from labkit.training import two_recipes_tables

    return Table(two_recipes_tables.plan_rows(question))


def group_table(question: TwoRecipes) -> Table:
    """Which parameters each optimizer moves, at which rate, and which of them decay."""
    from labkit.plots.table import Table
    from labkit.training import two_recipes_tables

    return Table(two_recipes_tables.group_table_rows(question))


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
    from labkit.training import two_recipes_tables

    return Table(two_recipes_tables.result_rows(dict(runs)))


def loss_figure(runs: Mapping[str, Run]) -> go.Figure:
    """Training and validation loss of each run against its tokens."""
    from labkit.plots import training
    from labkit.training.curves import FollowedRun

    followed = [FollowedRun(run) for run in runs.values()]
    for one in followed:
        one.follow()
    return training.loss_figure([one.curve for one in followed])


def score_table(runs: Mapping[str, Run]) -> Table:
    """What was predicted before the first step against what was measured after the last."""
    from labkit.plots.table import Table
    from labkit.training import two_recipes_tables

    return Table(two_recipes_tables.score_rows(dict(runs)))


def trained_samples(runs: Mapping[str, Run]) -> Html:
    """What the trained models write; escaped."""
    from labkit.core.display import text_samples
    from labkit.training import two_recipes_tables

    return text_samples(two_recipes_tables.sample_pairs(dict(runs)))


def recipe_sentences(runs: Mapping[str, Run]) -> dict[str, Html]:
    """What was found, one sentence for each section of notebook 50."""
    from labkit.training import two_recipes_tables

    return two_recipes_tables.recipe_sentences(dict(runs))


def prove_resume(plan: TrainingPlan) -> ResumeProof:
    """Cut a run of this plan in the middle and see whether it ends bit-equal to an unbroken one."""
    from labkit.training import resume_proof

    return resume_proof.prove_resume(plan)


def try_layouts(run: Run) -> Layouts:
    """The first steps of a finished run's plan again, on two processes in each layout."""
    from labkit.training import layouts

    return layouts.try_layouts(run)


def layout_table(layouts: Layouts) -> Table:
    """What each process holds of the model, measured, and how far the losses are apart."""
    from labkit.plots.table import Table
    from labkit.training import layouts as rooms

    return Table(rooms.layout_rows(layouts))


def layout_sentence(layouts: Layouts) -> Html:
    from labkit.training import layouts as rooms

    return rooms.layout_sentence(layouts)


def dry_run_table(overrides: Mapping[str, Any] | None = None, **parameters: Any) -> Table:
    """Peak memory of one process of a plan, by part: the real model on tensors without data.

    No GPU is needed and none of the plan's data; Llama-3-8B on 8 GPUs takes about 10 s.
    """
    from labkit.plan.plan import TrainingPlan
    from labkit.plots.table import Table
    from labkit.training import dry_run

    plan = TrainingPlan.from_parameters({**parameters, "overrides": dict(overrides or {})})
    return Table(dry_run.dry_run_table(plan, dry_run.dry_run(plan)))


def tuner(plan: TrainingPlan, gpu: str = "H100 SXM") -> Tuner:
    """The plan as a form with its cost and learning-rate curve; in batch the same, static."""
    from labkit.widgets.tuner import Tuner

    return Tuner(plan, gpu)


def record_two_recipes(question: TwoRecipes, runs: Mapping[str, Run], proof: ResumeProof) -> Path:
    """Record the decision of notebook 50: the checkpoint to go on with."""
    from labkit.training import two_recipes_decision

    return two_recipes_decision.record_two_recipes(question, dict(runs), proof)


# ---------------------------------------------------------------- runs


def compare_runs(overrides: Mapping[str, Any] | None = None, **parameters: Any) -> RunComparison:
    """Runs from anywhere, grouped by config and judged where they can be.

    A decision that is named and hasn't been made yet is made here with its notebook's defaults.
    """
    from labkit.comparison import run_comparison as rooms

    config = rooms.RunComparisonConfig.from_parameters(
        {**parameters, "overrides": dict(overrides or {})}
    )
    _need_runs(config)
    return rooms.RunComparison(config)


def _need_runs(config: RunComparisonConfig) -> None:
    from labkit.comparison.runs.select import NOTEBOOKS
    from labkit.comparison.tokenizers import names
    from labkit.core.errors import LabError
    from labkit.core.records.decision import current_decision

    for number, make in (("30", _make_architecture), ("50", _make_two_recipes)):
        if f"decision:{number}" in names(config.runs):
            try:
                current_decision(NOTEBOOKS[number], config.corpus_hash())
            except LabError:
                print(f"no decision of notebook {number} for {config.corpus}: making its defaults")
                make(config.corpus)


def _make_architecture(corpus: str) -> None:
    question = architectures(corpus=corpus)
    record = declare(question.study)
    finish_study(record)
    record_architecture(question, record)


def _make_two_recipes(corpus: str) -> None:
    question = two_recipes(corpus=corpus)
    runs = prepare(question)
    finish(runs)
    record_two_recipes(question, runs, prove_resume(question.plans["modern"]))


def run_table(comparison: RunComparison) -> Table:
    """Every run: its group, where it is recorded, how it ended and what it took."""
    from labkit.comparison import run_comparison_tables
    from labkit.plots.table import Table

    return Table(run_comparison_tables.run_rows(comparison))


def difference_table(comparison: RunComparison) -> Table:
    """The fields in which the groups' configs differ, and no others."""
    from labkit.comparison import run_comparison_tables
    from labkit.plots.table import Table

    return Table(run_comparison_tables.difference_rows(comparison))


def group_verdict_table(comparison: RunComparison) -> Table:
    """Every group against the baseline: a verdict with its evidence, or why there is none."""
    from labkit.comparison import run_comparison_tables
    from labkit.plots.table import Table

    return Table(run_comparison_tables.verdict_rows(comparison))


def prediction_table(comparison: RunComparison) -> Table:
    """What was predicted before a run of each group, and what was measured."""
    from labkit.comparison import run_comparison_tables
    from labkit.plots.table import Table

    return Table(run_comparison_tables.score_rows(comparison))


def run_samples(comparison: RunComparison) -> Html:
    """A text that each group's model writes, side by side; escaped."""
    from labkit.comparison import run_comparison_tables
    from labkit.core.display import text_samples

    return text_samples(run_comparison_tables.sample_pairs(comparison))


def comparison_sentences(comparison: RunComparison) -> Html:
    """What was found, and what it holds for."""
    from labkit.comparison import run_comparison_tables

    return run_comparison_tables.comparison_sentences(comparison)


def run_comparison_panel(comparison: RunComparison) -> RunComparisonPanel:
    """Curves of chosen groups and metric, with the band of their seeds; in batch, static."""
    from labkit.widgets.run_comparison_panel import RunComparisonPanel

    return RunComparisonPanel(comparison)


def record_comparison(comparison: RunComparison) -> Path:
    """Export the tables as CSV and record the decision of notebook 60."""
    from labkit.comparison import run_comparison_decision

    return run_comparison_decision.record_comparison(comparison)
