"""The study of greater effort that notebook 30 shows beside its demo.

    python -m benchmarks.architectures     half an hour on two cores; goes on where it was stopped

Declared before it was run, and run once: notebook 30 as it stands with `effort = "study"`.
Shakespeare as bytes; the baseline is recipe `modern` (RoPE, RMSNorm before each part, SwiGLU, MHA)
with 4 layers of 128, 400,000 tokens; each arm changes one part, at equal FLOPs; learning rates x
0.5, 1, 2 on seeds 100 and 101, extended once beyond an edge; then seeds 1 to 5; margin 0.01 bits
per byte; Holm over the eight arms. Controls: half the tokens, and the baseline on seeds 10001 to
10005.
"""

from __future__ import annotations

import sys

from benchmarks.result import conditions
from labkit.comparison.study_record import declare
from labkit.comparison.study_tables import scope, sentence
from labkit.core import artifacts, disk
from labkit.lab import compare_tokenizers, record_tokenizer
from labkit.questions.architecture.config import ArchitectureConfig
from labkit.questions.architecture.question import Architectures


def main() -> int:
    config = ArchitectureConfig.from_parameters({"effort": "study", "overrides": {}})
    record_tokenizer(compare_tokenizers(corpus=config.corpus, compare_on="", published=""))
    record = declare(Architectures(config).study)
    record.begin().wait(print)
    result = record.result()
    for arm in result["arms"][1:]:
        print(sentence(arm, config.margin))
    print(scope(result))
    made = artifacts.read_manifest(record.verdict, verify=False)
    study = {
        "name": "parts of the block at equal FLOPs",
        "equal": "FLOPs within 1%, tokens, validation windows, runs to tune",
        "unit": "bits per byte against the baseline",
        "result": result,
        "timing": record.timing(),
    }
    path = artifacts.home() / "benchmarks" / "architectures.json"
    disk.write_json(path, conditions("torch") | study | {"date": made.created[:10]})
    return 0


if __name__ == "__main__":
    sys.exit(main())
