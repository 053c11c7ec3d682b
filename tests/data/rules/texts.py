"""Texts of which the presets keep some and drop others for many reasons."""

from __future__ import annotations

import random

import pyarrow as pa

from labkit.data.readers import SCHEMA

PROSE = (
    "It was the custom of the house that the elder of the two brothers should read aloud to all "
    "of them after supper, and they would sit with their work and listen until the lamp was low. "
)
CHINESE = "这是一个很好的故事，人们在冬天的晚上坐在火边，听他说从前的事情，也不觉得时间过得很快。"


def mixed_texts() -> list[str]:
    rng = random.Random(0)
    words = [*PROSE.split(), *"river stone winter letter garden morning quiet".split()]
    texts = ["", " \n ", "short", PROSE, "# " * 200, PROSE * 30, "- a b\n" * 60, CHINESE * 5]
    for _ in range(60):
        lines = rng.randint(1, 9)
        prose = [" ".join(rng.choices(words, k=rng.randint(3, 60))) for _ in range(lines)]
        texts.append(rng.choice([".\n", "...\n", "\n\n", " "]).join(prose) + ".")
        texts.append("".join(rng.choices(CHINESE + "\n", k=rng.randint(20, 300))))
    return texts


def batch_of(texts: list[str]) -> pa.RecordBatch:
    rows = [
        dict.fromkeys(SCHEMA.names, "") | {"id": str(row), "text": text}
        for row, text in enumerate(texts)
    ]
    batch = pa.RecordBatch.from_pylist(rows, schema=SCHEMA)
    return batch.append_column("row", pa.array(range(len(texts)), pa.int64()))
