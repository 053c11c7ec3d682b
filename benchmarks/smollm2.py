"""A published model, SmolLM2-135M-Instruct from its GGUF file, against transformers and lm-eval.

    python -m benchmarks.smollm2 [--items 100]       some 10 minutes on two cores

Logits and bits per byte are compared with `transformers` on the folder that labkit wrote. The
questions are answered by labkit and by lm-evaluation-harness on that same folder, in turn, with
stems as they are published: every choice's log-likelihood and the answer by each of the harness's
rules. CPU seconds are those of the scoring, without loading.
"""

from __future__ import annotations

import argparse
import math
import resource
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from benchmarks.result import Record, conditions, ratios, write
from labkit.evaluation.accuracy import measure_accuracy
from labkit.evaluation.bits import document_nats
from labkit.evaluation.item import Item
from labkit.evaluation.prompts import as_letters
from labkit.evaluation.registered import load_task
from labkit.evaluation.rules import RULES, picked
from labkit.evaluation.scoring import ItemScore, score_items
from labkit.exchange.folder import read_model
from labkit.exchange.registered_models import fetch_model

NAME = "smollm2-135m-instruct"
TASKS = ("openbookqa", "piqa", "boolq")
HARNESS_RULES = {"acc": "sum", "acc_norm": "per character", "acc_bytes": "per byte"}
TEXT = (
    "Call me Ishmael. Some years ago, never mind how long precisely, having little or no money in "
    "my purse, and nothing particular to interest me on shore, I thought I would sail about a "
    "little and see the watery part of the world."
)


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def harness_scores(model: Any, items: Sequence[Item]) -> list[list[float]]:
    """Log-likelihood of each choice of each item, by the harness's own model class."""
    from lm_eval.api.instance import Instance

    requests = [
        Instance("loglikelihood", {}, (item.stem, choice), number)
        for item in items
        for number, choice in enumerate(item.choices)
    ]
    found = iter(model.loglikelihood(requests, disable_tqdm=True))
    return [[next(found)[0] for _ in item.choices] for item in items]


def task_record(name: str, ours: Any, harness: Any, num_items: int) -> Record:
    task = load_task(name)
    items = [as_letters(one) if task.form == "letters" else one for one in task.items[:num_items]]
    mine, theirs, seconds = [], [], {"labkit": [], "lm-eval": []}
    for part in (items[: num_items // 2], items[num_items // 2 :]):
        start = cpu_seconds()
        mine += score_items(ours, part, begins_text=False)
        middle = cpu_seconds()
        theirs += harness_scores(harness, part)
        seconds["labkit"].append(middle - start)
        seconds["lm-eval"].append(cpu_seconds() - middle)
    differences = [
        abs(choice.log_likelihood - other)
        for score, row in zip(mine, theirs, strict=True)
        for choice, other in zip(score.choices, row, strict=True)
    ]
    agree = {
        rule: sum(
            picked(score, ours_rule) == picked_by(score, row, ours_rule)
            for score, row in zip(mine, theirs, strict=True)
        )
        for rule, ours_rule in HARNESS_RULES.items()
    }
    words = {
        how: {
            rule: shown(measure_accuracy(score_items(ours, asked, begins_text=False), rule))
            for rule in RULES
        }
        for how, asked in {"as published": items, "stripped": [strip(one) for one in items]}.items()
    }
    return {
        "task": name,
        "items": len(items),
        "largest_difference_nats": float(max(differences)),
        "answers_equal": agree,
        "words": words,
        "cpu_s_per_item": {key: sum(one) / len(items) for key, one in seconds.items()},
        "lm_eval_to_labkit": ratios(seconds["labkit"], seconds["lm-eval"]),
    }


def picked_by(score: ItemScore, row: Sequence[float], rule: str) -> int:
    """The harness's answer from its own log-likelihoods."""
    sizes = {
        "sum": [1.0] * len(row),
        "per character": [float(len(one.lstrip())) for one in score.item.choices],
        "per byte": [float(len(one.lstrip().encode())) for one in score.item.choices],
    }[rule]
    return int(np.argmax(np.array(row) / np.array(sizes)))


def strip(item: Item) -> Item:
    from dataclasses import replace

    return replace(item, stem=item.stem.rstrip())


def shown(found: Any) -> str:
    estimate, low, high = found.accuracy
    return f"{estimate:.2f} ({low:.2f} to {high:.2f}), {found.word}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=100)
    num_items = parser.parse_args().items
    where = conditions("torch", "transformers", "lm-eval", "gguf")
    from lm_eval.models.huggingface import HFLM
    from transformers import AutoModelForCausalLM

    folder = fetch_model(NAME)
    ours = read_model(folder)
    theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    ids = torch.tensor([[1, *ours.tokenizer.encode(TEXT).tolist()]])
    with torch.no_grad():
        logits, expected = ours.model(ids), theirs(ids).logits
        losses = [
            -float(one[0, :-1].log_softmax(-1).gather(-1, ids[0, 1:, None]).sum())
            for one in (logits, expected)
        ]
    size = len(TEXT.encode())
    found: Record = {
        "largest_logit_difference": float((logits - expected).abs().max()),
        "logits_sd": float(expected.std()),
        "bits_per_byte": [loss / math.log(2) / size for loss in losses],
        "bits_per_byte_as_a_document": document_nats(ours, [TEXT])[0].nats / math.log(2) / size,
        "says": str(ours.generate("The capital of France is", 8, temperature=0)),
    }
    print(found, flush=True)
    harness = HFLM(pretrained=theirs, tokenizer=str(folder), batch_size=8)
    start = time.perf_counter()
    found["tasks"] = []
    for name in TASKS:
        found["tasks"].append(task_record(name, ours, harness, num_items))
        print(found["tasks"][-1], f"{time.perf_counter() - start:.0f} s", flush=True)
    known = {
        "name": "a published model answers questions",
        "equal": "log-likelihoods within 0.001; answers by sum, per character and per byte",
        "peer": "lm-evaluation-harness on transformers, batch 8",
        "unit": "CPU seconds per item",
        "ratio": found["tasks"][0]["lm_eval_to_labkit"],
    }
    write("smollm2", where | known | found)


if __name__ == "__main__":
    main()
