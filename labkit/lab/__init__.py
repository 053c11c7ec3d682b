"""The lab's one front door for notebooks: `from labkit import lab`, then `lab.` and Tab.

One module for each notebook's vocabulary, every name of them given here, so that a notebook writes
`lab.curate(...)` and no module's name: the one `__init__` that imports. Each function imports its
room when first called, so that opening a notebook costs what it uses. Tables are pandas
DataFrames, figures are plotly's, corpus text is escaped HTML.
"""

from __future__ import annotations

from labkit.lab.architecture import (
    architectures,
    arm_table,
    declare,
    effect_figure,
    finish_study,
    record_architecture,
    seeds_needed,
    stored_study,
    study_sentences,
    sweep_panel,
    verdict_table,
)
from labkit.lab.cards import (
    card_sentence,
    check_card,
    data_card,
    data_cards,
    write_card,
)
from labkit.lab.cost import (
    cost_config,
    cost_panel,
    cost_sentences,
    estimate_cost,
    flops_table,
    gpu_table,
    memory_figure,
    money_figure,
    parameter_table,
    published_hours_figure,
    record_cost,
    rent_or_buy,
)
from labkit.lab.curation import (
    copy_table,
    curate,
    curation_sentences,
    dropped_examples,
    epochs_table,
    funnel_figure,
    funnel_table,
    kept_table,
    life_trace,
    personal_data_table,
    preset_table,
    record_curation,
    rule_table,
    threshold_panel,
)
from labkit.lab.evaluation import (
    accuracy_table,
    evaluate,
    evaluation_sentences,
    harness_model,
    item_browser,
    paired_table,
    record_evaluation,
    rule_comparison_table,
    seen_table,
    swapped_table,
    task_table,
    text_overlap,
    text_table,
)
from labkit.lab.exploration import (
    character_tables,
    corpus_panel,
    corpus_sentences,
    duplicate_table,
    examples,
    explore,
    length_figure,
    record_corpus,
    script_figure,
    size_table,
    zipf_figure,
)
from labkit.lab.mixture import (
    composition_table,
    draw_documents,
    mixture_table,
    published_mixtures,
)
from labkit.lab.models import (
    export_model,
    import_model,
    load_model,
)
from labkit.lab.run_comparison import (
    compare_runs,
    comparison_sentences,
    difference_table,
    group_verdict_table,
    prediction_table,
    record_comparison,
    run_comparison_panel,
    run_samples,
    run_table,
)
from labkit.lab.tokenizers import (
    compare_tokenizers,
    record_tokenizer,
    split_table,
    token_cost_figure,
    tokenizer_sentences,
    tokenizer_table,
    tokenizer_viewer,
)
from labkit.lab.training import (
    attach,
    describe_device,
    dry_run_table,
    finish,
    group_table,
    launch,
    layout_sentence,
    layout_table,
    loss_figure,
    monitor,
    open_recipe_verdict,
    plan_table,
    prepare,
    prove_resume,
    recipe_sentences,
    recommendation,
    record_two_recipes,
    result_table,
    score_table,
    trained_samples,
    try_layouts,
    tuner,
    two_recipes,
)
