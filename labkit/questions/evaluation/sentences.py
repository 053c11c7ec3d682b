"""What notebook 70 found, in sentences made from its scores."""

from __future__ import annotations

from labkit.core.counted import counted
from labkit.core.display import Html, paragraph, paragraphs
from labkit.questions.evaluation import tables
from labkit.questions.evaluation.question import Evaluation


def by_section(question: Evaluation) -> dict[str, Html]:
    """Section -> what it found."""
    return {name: sentence(question) for name, sentence in SECTIONS.items()}


def scores_sentence(question: Evaluation) -> Html:
    """Per model, on which tasks it is shown to do more than guess."""
    found = tables.accuracies(question)
    lines = []
    for model in question.models:
        words = {task: one.word for (name, task), one in found.items() if name == model and one}
        above = [task for task, word in words.items() if word == "above chance"]
        other = [task for task, word in words.items() if word != "above chance"]
        lines.append(
            f"{model} is above chance on {', '.join(above) or 'no task'}"
            + (f"; not shown to be on {', '.join(other)}." if other else ".")
        )
    lines.append(
        "Chance is one over the number of choices; always taking the place that is right most "
        "often, or the longest choice, stands beside it."
    )
    return paragraphs(lines)


def rules_sentence(question: Evaluation) -> Html:
    """Whether the word on the first model depends on how length is made up for."""
    rows = tables.rule_rows(question)
    moved = [
        row["task"]
        for row in rows
        if len({text.partition(", ")[2] for rule, text in row.items() if rule != "task"}) > 1
    ]
    text = (
        f"On {', '.join(moved)} the word depends on the rule: not robust."
        if moved
        else "Every rule gives each task the same word."
    )
    return paragraph(text)


def paired_sentence(question: Evaluation) -> Html:
    """What the comparison of two models came to, and how many questions would show more."""
    rows = tables.paired_rows(question)
    if not rows:
        return paragraph("One model: there is nothing to compare.")
    lines = []
    for row in rows:
        line = f"{row['task']}, {row['model']}: {row['word']}, {row['difference']}"
        if row["word"] == "not shown" and row["questions needed"]:
            line += f"; a difference of this size takes {row['questions needed']:,} questions"
        if row["word"] in ("better", "worse") and not row["every rule agrees"]:
            line += "; not robust: another rule turns its sign"
        lines.append(line + ".")
    return paragraphs(lines)


def swapped_sentence(question: Evaluation) -> Html:
    rows = tables.swapped_rows(question)
    reading = [f"{row['model']} on {row['task']}" for row in rows if row["reads the stem"] == "yes"]
    text = (
        f"The right answers rest on the stem: {', '.join(reading)}."
        if reading
        else "No model is shown to rest its answers on the stems."
    )
    return paragraph(
        f"{text} Where nothing is lost without the right stem, the choices alone were judged."
    )


def seen_sentence(question: Evaluation) -> Html:
    """How much of what is asked stands in the training text, and whether the look works."""
    _, answers = question.planted
    looked = [one for one in answers if one is not None]
    num_seen = sum(one is True for found in question.seen.values() for one in found)
    total = sum(one is not None for found in question.seen.values() for one in found)
    return paragraph(
        f"Of {counted(total, 'question')} looked for, {num_seen} stand in the training text. Of "
        f"{counted(len(looked), 'question')} planted from the training text the same look finds "
        f"{sum(looked)}."
    )


def text_sentence(question: Evaluation) -> Html:
    scores = question.text_scores
    if not scores:
        return paragraph("No held-out documents were asked for.")
    best = min(scores, key=lambda name: scores[name].bits_per_byte.estimate)
    estimate, low, high = scores[best].bits_per_byte
    return paragraph(
        f"{best} needs the fewest bits per byte of held-out text: {estimate:.3f} ({low:.3f} to "
        f"{high:.3f}, over {counted(scores[best].num_documents, 'document')}). A perplexity per "
        "token depends on the tokenizer; bits per byte don't."
    )


SECTIONS = {
    "scores": scores_sentence,
    "rules": rules_sentence,
    "paired": paired_sentence,
    "swapped": swapped_sentence,
    "seen": seen_sentence,
    "text": text_sentence,
}
