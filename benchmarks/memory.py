"""Predicted peaks of memory per GPU beside published ones: a closed form and a dry run.

    python -m benchmarks.memory

Sixteen published rows can be said as a plan (`labkit.cost.published_memory`). They were measured
as `max_reserved`: what torch's allocator held, with blocks that no tensor needed at the peak. Each
is predicted four times: tensors by closed form; with the pools that FSDP2's own streams keep;
tensors by a dry run of the plan; and with the dry run's tensors played through the allocator's
rules. torchtitan's run scripts set `expandable_segments`, so that is the one compared; the default
stands beside it. Nothing is fitted to the rows, and a disputed row counts like any other.
"""

from __future__ import annotations

import json
from statistics import median
from typing import Any

from benchmarks.result import Record, conditions, spread, write
from labkit.cost.published_memory import (
    GIB,
    PublishedMemory,
    expressible,
    plan_of,
    predicted,
    predicted_idle_bytes,
    published_memory,
)
from labkit.training.dry_run.measure import DryRun, dry_run

WAYS = {
    "closed_form": "closed form with idle pools of FSDP2's streams",
    "dry_run": "dry run through the rules of torch's allocator, expandable_segments",
    "closed_form_tensors": "closed form, tensors alone",
    "dry_run_tensors": "dry run, tensors alone",
    "dry_run_default_allocator": "dry run through the rules of torch's allocator, default settings",
}
CAUSES = {
    "eager": "likely: in eager mode the published model's RMSNorm was not fused yet and kept fp32 "
    "copies, and its keys and values were repeated for each query head",
    "full": "the peak is small and late, so blocks of earlier moments that stay in the allocator "
    "weigh more: a dry run has them, the closed form not",
    "disputed": "others found less on newer code",
}


def row_of(row: PublishedMemory, found: DryRun) -> dict[str, Any]:
    tensors = sum(predicted(row).values())
    gib = {
        "closed_form": tensors + predicted_idle_bytes(row),
        "dry_run": found.reserved_expandable_bytes,
        "closed_form_tensors": tensors,
        "dry_run_tensors": found.peak_bytes,
        "dry_run_default_allocator": found.reserved_bytes,
    }
    causes = [
        CAUSES[name]
        for name, applies in {
            "eager": not row.is_compiled and row.recompute == "none",
            "full": row.recompute == "full",
            "disputed": row.is_disputed,
        }.items()
        if applies
    ]
    return {
        "row": row.label,
        "source": row.source,
        "measured_gib": round(row.peak_bytes / GIB, 2),
        "predicted_gib": {way: round(size / GIB, 2) for way, size in gib.items()},
        "predicted_to_measured": {
            way: round(size / row.peak_bytes, 3) for way, size in gib.items()
        },
        "dry_run_seconds": round(found.seconds, 1),
        "causes": causes,
    }


def measured_rows() -> list[dict[str, Any]]:
    """Rows that are one plan share its dry run."""
    runs: dict[str, DryRun] = {}
    rows = []
    for row in expressible():
        plan = plan_of(row)
        if plan.hash not in runs:
            runs[plan.hash] = dry_run(plan)
        rows.append(row_of(row, runs[plan.hash]))
        print(
            json.dumps(rows[-1]["row"]), rows[-1]["measured_gib"], rows[-1]["predicted_to_measured"]
        )
    return rows


def error(rows: list[dict[str, Any]], way: str) -> float:
    """Median of the absolute errors."""
    return round(median(abs(row["predicted_to_measured"][way] - 1) for row in rows), 3)


def main() -> None:
    facts = conditions("torch")
    rows = measured_rows()
    results: list[Record] = [
        {
            "name": f"peak memory per GPU: {text}",
            "equal": "model, micro-batch, length, layout, recomputation and precision of each row",
            "peer": f"{len(rows)} published measurements of {len(published_memory())}",
            "ratio": spread([row["measured_gib"] / row["predicted_gib"][way] for row in rows]),
            "median_absolute_error": error(rows, way),
            "unit": "GiB; the ratio is measured by predicted",
        }
        | ({"rows": rows} if way == "closed_form" else {})
        | facts
        for way, text in WAYS.items()
    ]
    for result in results:
        print(result["name"], result["median_absolute_error"], result["ratio"])
    write("memory", results)


if __name__ == "__main__":
    main()
