"""What a curation did, as rows: the steps, their rules, copies, personal data, mixture."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from labkit.core.display import MAX_LABEL_CHARACTERS
from labkit.data.curation import Curation
from labkit.data.mixture.weights import MixtureConfig, mixture_rows
from labkit.data.personal_data.beginnings import beginnings
from labkit.data.personal_data.config import KINDS, PLACEHOLDERS
from labkit.data.rules.presets import PRESETS
from labkit.statistics.proportion import wilson_interval

MEGABYTE = 1e6
EXAMPLE_CHARACTERS = 700
COPIES = ("exact_duplicates", "near_duplicates", "code_duplicates")
"""Rules whose value is the row that was kept instead."""


def funnel_rows(curation: Curation) -> list[dict[str, Any]]:
    return [
        {
            "step": f"{row['step']} {row['name']}",
            "documents in": row["documents_in"],
            "dropped": row["documents_dropped"],
            "kept": row["documents_kept"],
            "share kept": row["share_kept"],
            "MB in": row["bytes_in"] / MEGABYTE,
            "MB out": row["bytes_out"] / MEGABYTE,
            "bytes added by rewriting": row["bytes_rewritten"],
        }
        for row in curation.curated.funnel.table().to_pylist()
    ]


def rule_rows(curation: Curation) -> list[dict[str, Any]]:
    """Rules that dropped anything, those that cost most bytes first."""
    rows = [
        {
            "step": row["name"],
            "rule": row["rule"],
            "documents": row["documents"],
            "MB": row["bytes"] / MEGABYTE,
            "share of those that came": row["share_of_documents"],
        }
        for row in curation.curated.funnel.rules().to_pylist()
    ]
    return sorted(rows, key=lambda row: (-row["MB"], row["rule"]))


def kept_rows(curation: Curation) -> list[dict[str, Any]]:
    """Per source and language: what came in at the first step and out at the last."""
    flows = curation.curated.funnel.table("source", "language").to_pylist()
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in flows:
        found.setdefault((row["source"], row["language"]), []).append(row)
    last = len(curation.curated.funnel.names)
    rows = []
    for (source, language), steps in sorted(found.items()):
        first, end = steps[0], steps[-1]
        survives = end["step"] == last
        kept, out = (end["documents_kept"], end["bytes_out"]) if survives else (0, 0)
        interval = wilson_interval(kept, first["documents_in"])
        rows.append(
            {
                "source": source,
                "language": language,
                "documents": first["documents_in"],
                "kept": kept,
                "share kept": kept / first["documents_in"],
                "95% interval": f"{interval.low:.1%} to {interval.high:.1%}",
                "MB": first["bytes_in"] / MEGABYTE,
                "MB out": out / MEGABYTE,
            }
        )
    return rows


def preset_rows(curation: Curation) -> list[dict[str, Any]]:
    """Of the raw documents, how many the rules of each preset keep and which refuses most."""
    sets = {preset: make() for preset, make in PRESETS.items()}
    found = {
        preset: np.zeros(len(rules.rules) + 1, dtype=np.int64) for preset, rules in sets.items()
    }
    for batch in curation.raw():
        for preset, rules in sets.items():
            first = rules.first_refusing(rules.values(rules.columns(batch.column("text"))))
            found[preset] += np.bincount(first + 1, minlength=len(found[preset]))
    rows = []
    for preset, counts in found.items():
        refused = counts[1:]
        most = np.flatnonzero(refused == refused.max()) if refused.any() else []
        more = f" and {len(most) - 1} more" if len(most) > 1 else ""
        worst = f"{sets[preset].ids[int(most[0])]}{more}" if len(most) else "none"
        share = counts[0] / max(counts.sum(), 1)
        rows.append(
            {
                "preset": preset,
                "kept": int(counts[0]),
                "share kept": float(share),
                "rule that drops most": worst,
                "documents it drops": int(refused.max()),
            }
        )
    return rows


def dropped_examples(curation: Curation) -> list[tuple[str, str]]:
    """(label, beginning) of dropped documents by the seed, of as many different rules as there are;
    personal data is replaced."""
    dropped = curation.curated.dropped("row", "source", "rule", "value", "threshold", "text")
    order = np.random.default_rng(curation.config.seed).permutation(dropped.num_rows)
    rules = np.array(dropped["rule"].to_pylist(), dtype=object)[order]
    turn = np.zeros(len(rules), dtype=np.int64)
    for rule in dict.fromkeys(rules.tolist()):
        turn[rules == rule] = np.arange((rules == rule).sum())
    chosen = order[np.argsort(turn, kind="stable")][: curation.config.num_examples]
    rows = dropped.take(pa.array(chosen)).to_pylist()
    ids = _ids_of_rows(curation)
    labels = [f"{_why(row, ids)} · {ids[row['row']]} · {row['source']}" for row in rows]
    texts = beginnings([row["text"] for row in rows], EXAMPLE_CHARACTERS)
    return list(zip(labels, texts, strict=True))


def _why(row: dict[str, Any], ids: dict[int, str]) -> str:
    if row["rule"] in COPIES:
        return f"{row['rule']}: of {ids[int(row['value'])]}"
    return f"{row['rule']}: {row['value']:,.4g} (limit {row['threshold']:,.4g})"


def _ids_of_rows(curation: Curation) -> dict[int, str]:
    """Personal data in an id is replaced."""
    sides = (curation.curated.documents("row", "id"), curation.curated.dropped("row", "id"))
    return {
        row: name
        for side in sides
        for row, name in zip(
            side["row"].to_pylist(),
            beginnings(side["id"].to_pylist(), MAX_LABEL_CHARACTERS),
            strict=True,
        )
    }


def copy_rows(curation: Curation, most: int = 20) -> list[dict[str, Any]]:
    """The documents in whose place most others were dropped."""
    dropped = curation.curated.dropped("rule", "value", "row").to_pylist()
    ids = _ids_of_rows(curation)
    found: dict[int, list[dict[str, Any]]] = {}
    for row in dropped:
        if row["rule"] in COPIES:
            found.setdefault(int(row["value"]), []).append(row)
    largest = sorted(found, key=lambda row: (-len(found[row]), row))[:most]
    return [
        {
            "copies of": ids[row],
            "dropped": len(found[row]),
            "as": ", ".join(sorted({copy["rule"] for copy in found[row]})),
            "for example": ids[found[row][0]["row"]],
        }
        for row in largest
    ]


def num_repeated_ids(curation: Curation) -> int:
    """Documents whose id an earlier one has."""
    tables = (curation.curated.documents("id"), curation.curated.dropped("id"))
    ids = pa.concat_tables(tables)["id"]
    return len(ids) - pc.call_function("count_distinct", [ids]).as_py()


def personal_data_rows(curation: Curation) -> list[dict[str, Any]]:
    """Placeholders in what was kept, by kind."""
    written = PLACEHOLDERS[curation.config.personal_data.placeholder]
    patterns = {kind: pc.MatchSubstringOptions(written.format(kind)) for kind in KINDS}
    items, documents = Counter[str](), Counter[str]()
    for batch in pq.ParquetFile(curation.curated.corpus).iter_batches(columns=["text"]):
        for kind, pattern in patterns.items():
            counts = np.asarray(pc.call_function("count_substring", [batch["text"]], pattern))
            items[kind] += int(counts.sum())
            documents[kind] += int((counts > 0).sum())
    return [
        {"kind": kind, "items": items[kind], "documents": documents[kind]}
        for kind in KINDS
        if items[kind]
    ]


def mixture(curation: Curation, bytes_per_token: float) -> MixtureConfig:
    """The kept sources by their sizes, for the config's budget of tokens."""
    held: dict[str, float] = {}
    for row in kept_rows(curation):  # a source has a row of each of its languages
        if row["kept"]:
            held[row["source"]] = held.get(row["source"], 0.0) + row["MB out"] * MEGABYTE
    sizes = {source: max(1, round(size / bytes_per_token)) for source, size in held.items()}
    return MixtureConfig(num_tokens=sizes, budget=curation.config.token_budget)


def mixture_table_rows(curation: Curation, bytes_per_token: float) -> list[dict[str, Any]]:
    """Nothing where nothing was kept."""
    mix = mixture(curation, bytes_per_token)
    return mixture_rows(mix) if mix.num_tokens else []
