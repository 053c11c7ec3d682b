"""What `modern-open` costs against `modern`: the study whose verdict notebook 50 prints.

    python -m benchmarks.open_recipe     some 10 minutes; goes on where it was stopped

Declared before it was run, and run once: the baseline of notebook 30 at `effort = "study"`, recipe
`modern` on Shakespeare as bytes, 4 layers of 128, 400,000 tokens, against the same without token
shift, which is recipe `modern-open`; equal FLOPs; learning rates x 0.5, 1, 2 on seed 100, extended
once beyond an edge; then seeds 1 to 5; margin 0.01 bits per byte.
"""

from __future__ import annotations

import sys

from benchmarks.result import conditions
from labkit.comparison.study import Arm, Study
from labkit.comparison.study_record import declare
from labkit.comparison.study_tables import scope, sentence
from labkit.core import artifacts, disk
from labkit.lab import compare_tokenizers, record_tokenizer
from labkit.questions.architecture.config import ArchitectureConfig
from labkit.questions.architecture.question import Architectures
from labkit.questions.architecture.stored_study import OPEN_STUDY


def study(config: ArchitectureConfig) -> Study:
    of_parts = Architectures(config).study
    return Study(
        name=OPEN_STUDY,
        about=of_parts.about,
        plan=of_parts.plan,
        arms=(Arm(name="modern-open", changes={"model.token_shift": False}),),
        tuning_seeds=(100,),
        margin=config.margin,
    )


def main() -> int:
    config = ArchitectureConfig.from_parameters({"effort": "study", "overrides": {}})
    record_tokenizer(compare_tokenizers(corpus=config.corpus, compare_on="", published=""))
    record = declare(study(config))
    record.begin().wait(print)
    result = record.result()
    [arm] = result["arms"][1:]
    print(sentence(arm, config.margin))
    print(scope(result))
    made = artifacts.read_manifest(record.verdict, verify=False)
    found = {
        "name": "recipe modern-open against recipe modern",
        "equal": "FLOPs within 1%, tokens, validation windows, runs to tune",
        "unit": "bits per byte against the baseline",
        "result": result,
        "timing": record.timing(),
    }
    path = artifacts.home() / "benchmarks" / "open_recipe.json"
    disk.write_json(path, conditions("torch") | found | {"date": made.created[:10]})
    return 0


if __name__ == "__main__":
    sys.exit(main())
