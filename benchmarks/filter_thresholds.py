"""Thresholds of the English and Chinese presets: chosen on one half, scored once on the other.

    python -m benchmarks.filter_thresholds            choose on half A; print, write nothing
    python -m benchmarks.filter_thresholds --score    score the presets as they stand on half B

Good: Shakespeare (modern spelling), State of the Union addresses, Python's documentation; for
Chinese the Romance of the Three Kingdoms. Works go to half A or B as wholes, shuffled with seed 0,
and are cut into passages at blank lines or, in Chinese, at newlines. Garbage, 200 texts of each of
five kinds a half, is made by seed out of the same half's good texts.

A published threshold stands unless it alone refuses more than 2% of the good passages of half A;
then it moves to the value that refuses 2% of them, rounded outwards to two digits. Nothing is
moved for the sake of the garbage.
"""

from __future__ import annotations

import argparse
import base64
import json
import math
import random
from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa

from benchmarks.result import Record, conditions, write
from labkit.data.readers import read_documents
from labkit.data.rules.presets import PRESETS
from labkit.data.rules.rule import RuleSet

ALLOWED_LOSS, NUM_OF_KIND, PASSAGES_OF_WORK = 0.02, 200, 8
CORPORA = {"english": ("shakespeare", "sotu", "python-docs"), "chinese": ("sanguo",)}
PARAGRAPH = {"english": "\n\n", "chinese": "\n"}
PASSAGE_CHARACTERS = {"english": 3000, "chinese": 1000}
MORE = {
    "english": ("Read more...", "More…", "Continue reading..."),
    "chinese": ("阅读更多…", "详情…"),
}
MENU_BREAKS = {"english": (" ", " | ", "\n"), "chinese": ("\n", " | ", " ")}


def good_passages(language: str) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Per corpus the passages of half A and of half B."""
    halves: tuple[dict[str, list[str]], dict[str, list[str]]] = ({}, {})
    for corpus in CORPORA[language]:
        works: dict[str, list[str]] = {}
        for batch in read_documents(corpus):
            for row in batch.select(["id", "group", "text"]).to_pylist():
                if not row["id"].endswith("_gut_f.txt") and not row["id"].endswith("_gut_f"):
                    works.setdefault(row["group"], []).extend(passages(row["text"], language))
        rng = random.Random(0)
        names = sorted(works)
        rng.shuffle(names)
        for number, name in enumerate(names):
            some = rng.sample(works[name], min(PASSAGES_OF_WORK, len(works[name])))
            halves[number % 2].setdefault(corpus, []).extend(some)
    return halves


def passages(text: str, language: str) -> list[str]:
    """Whole paragraphs, each passage as soon as it is long enough; a shorter rest is left out."""
    found, parts = [], list[str]()
    for paragraph in text.replace("\r\n", "\n").split(PARAGRAPH[language]):
        parts.append(paragraph)
        passage = PARAGRAPH[language].join(parts)
        if len(passage) >= PASSAGE_CHARACTERS[language]:
            found.append(passage)
            parts = []
    return found


class Garbage:
    """Texts of five kinds out of good ones."""

    def __init__(self, language: str, good: list[str], seed: int):
        self.language, self.rng = language, random.Random(seed)
        stop_words = set(PRESETS[language]().definitions.stop_words)
        self.lines = [line for text in good for line in text.split("\n") if len(line) > 15]
        units = [self.words(line) for line in self.lines]
        self.content = [
            word
            for words in units
            for word in words
            if not stop_words & ({word} if language == "english" else set(word))
        ]

    def words(self, line: str) -> list[str]:
        if self.language == "english":
            return [word for word in line.split() if word.isalpha()]
        return [
            line[at : at + 2] for at in range(0, len(line) - 1, 2) if line[at : at + 2].isalpha()
        ]

    def repeated_lines(self) -> str:
        some = self.rng.sample(self.lines, self.rng.randint(1, 4))
        return "\n".join(self.rng.choice(some) for _ in range(self.rng.randint(20, 80)))

    def symbol_soup(self) -> str:
        signs = "#$%&*+/<=>@^_|~{}[]()!?;:.,-0123456789★●◆→" + "abcdefgh"
        sizes = [self.rng.randint(1, 9) for _ in range(self.rng.randint(100, 500))]
        return " ".join("".join(self.rng.choices(signs, k=size)) for size in sizes)

    def menu(self) -> str:
        items = [
            "".join(self.rng.sample(self.content, 2))
            if self.language == "chinese"
            else " ".join(self.rng.sample(self.content, self.rng.randint(1, 3)))
            for _ in range(self.rng.randint(40, 150))
        ]
        return self.rng.choice(MENU_BREAKS[self.language]).join(items)

    def teasers(self) -> str:
        more = self.rng.choice(MORE[self.language])
        cut = [line[: self.rng.randint(12, 60)] for line in self.rng.choices(self.lines, k=40)]
        return "\n".join(f"{line}...\n{more}" for line in cut)

    def dump(self) -> str:
        raw = self.rng.randbytes(self.rng.randint(600, 4000))
        if self.rng.random() < 0.5:
            return base64.encodebytes(raw).decode()
        words = [raw[at : at + 2].hex() for at in range(0, len(raw), 2)]
        return "\n".join(" ".join(words[at : at + 8]) for at in range(0, len(words), 8))

    def every_kind(self) -> dict[str, list[str]]:
        kinds: tuple[Callable[[], str], ...] = (
            self.repeated_lines,
            self.symbol_soup,
            self.menu,
            self.teasers,
            self.dump,
        )
        return {kind.__name__: [kind() for _ in range(NUM_OF_KIND)] for kind in kinds}


def choose(rules: RuleSet, good: list[str]) -> dict[str, float]:
    """Thresholds that move, by rule id."""
    moved = {}
    values = rules.values(rules.columns(pa.array(good, pa.large_string())))
    num_allowed = math.floor(ALLOWED_LOSS * len(good))
    for rule, found in zip(rules.rules, values, strict=True):
        sign = 1 if rule.refuse == "above" else -1
        worst = np.sort(sign * found)[::-1]
        if (worst > sign * rule.threshold).sum() > num_allowed:
            moved[rule.id] = outwards(sign * float(worst[num_allowed]), sign)
    return moved


def outwards(value: float, sign: int) -> float:
    """Two digits, rounded away from what is kept.

    >>> outwards(0.1234, 1), outwards(0.1234, -1)
    (0.13, 0.12)
    """
    if value == 0:
        return 0.0
    step = 10.0 ** (math.floor(math.log10(abs(value))) - 1)
    rounded = (math.ceil if sign > 0 else math.floor)(round(value / step, 9)) * step
    return float(f"{rounded:.6g}")


def shares(rules: RuleSet, texts: Mapping[str, list[str]]) -> dict[str, Record]:
    """Per source the share kept, and how many each rule refused."""
    found = {}
    for source, some in texts.items():
        first = rules.decide(pa.array(some, pa.large_string())).rule.to_pylist()
        refused = {name: first.count(name) for name in rules.ids if name in first}
        kept = round(first.count(None) / len(first), 4)
        found[source] = {"num_texts": len(first), "kept_ratio": kept, "refused_by": refused}
    return found


def report(rules: RuleSet, good: dict[str, list[str]], garbage: dict[str, list[str]]) -> Record:
    everything = {"all": [text for texts in good.values() for text in texts]}
    return {"good": shares(rules, good | everything), "garbage": shares(rules, garbage)}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--score", action="store_true", help="score on half B")
    is_scored = parser.parse_args().score
    results = []
    for language in CORPORA:
        good = good_passages(language)[is_scored]
        every = [text for texts in good.values() for text in texts]
        garbage = Garbage(language, every, seed=2 if is_scored else 1).every_kind()
        rules = PRESETS[language]()
        if not is_scored:
            start = rules.with_thresholds(published_thresholds(language))
            moved = choose(start, every)
            print(json.dumps({language: moved}, indent=1))
            rules = start.with_thresholds(moved)
        print(json.dumps(found := report(rules, good, garbage), indent=1, ensure_ascii=False))
        results.append({"name": f"{language} preset on half B", **found})
    if is_scored:
        facts = {"equal": "not a comparison", "peer": "none", "ratio": {}, "unit": "share of texts"}
        write("filter_thresholds", [record | facts | conditions("numpy") for record in results])


def published_thresholds(language: str) -> dict[str, float]:
    known = {rule.id: rule.threshold for rule in PRESETS["published"]().rules}
    return {name: known[name] for name in PRESETS[language]().ids if name in known}


if __name__ == "__main__":
    main()
