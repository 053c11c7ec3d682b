"""Whether a curation met a sizeable share of another language than its own, and what to do then.

A run has one preset: text of another language is dropped by the step `language`, or, without that
step, judged by rules that were made for other text. Which documents these are is known from the
step's own refusals, else from the languages that the records declare; where neither says it, the
letters are looked at of what the rules dropped.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from labkit.data.curation import Curation, names
from labkit.data.rules.language import primary_language
from labkit.questions.curation.scripts import dropped_scripts
from labkit.questions.curation.tables import kept_rows, rule_rows

MIN_SHARE = 0.05
"""Of the documents: below it another language is a stray."""
MAX_NAMED = 3
LANGUAGES = {"english": "en", "chinese": "zh", "published": "en"}
"""Preset -> what its rules were made for."""
NO_LANGUAGE = ("und", "mul", "mis", "zxx")
"""Codes of ISO 639-2 for none, several or one without a code: the step never predicts them."""
REFUSED = "language:"
OWN_SCRIPTS = {"english": "latin", "chinese": "han", "published": "latin"}
SCRIPTS = {
    "latin": ("Latin letters", "en"),
    "han": ("Han letters without kana", "zh"),
    "kana": ("kana", "ja"),
    "hangul": ("Hangul", "ko"),
    "greek": ("Greek letters", "el"),
    "cyrillic": ("Cyrillic letters", ""),
    "arabic": ("Arabic letters", ""),
    "other letters": ("letters of other scripts", ""),
}
"""What it is called, and the language that it is likeliest to be."""


def other_languages(curation: Curation) -> str:
    """One or two sentences, or nothing where there is no sizeable share."""
    steps = names(curation.config.steps)
    if "language" in steps:
        return _refused(curation)
    return (_declared(curation) or _by_script(curation)) if "rules" in steps else ""


def _refused(curation: Curation) -> str:
    rows = [row for row in rule_rows(curation) if row["rule"].startswith(REFUSED)]
    codes = {row["rule"].removeprefix(REFUSED): row["documents"] for row in rows}
    found = {code: number for code, number in codes.items() if _is_code(code)}
    allowed = " or ".join(curation.config.language.allowed)
    return _sentences(curation, found, f"were dropped as another language than {allowed}")


def _declared(curation: Curation) -> str:
    own, found, kept = LANGUAGES.get(curation.config.preset), Counter[str](), 0
    if own is None:
        return ""
    for row in kept_rows(curation):
        code = primary_language(row["language"])
        if code != own and _is_code(code):
            found[code] += row["documents"]
            kept += row["kept"]
    judged = f"are declared as another language than {own}, for which the rules were made"
    return _sentences(curation, found, f"{judged} ({kept:,} of them kept)")


def _by_script(curation: Curation) -> str:
    """By how many of all documents the sample stands for."""
    own = OWN_SCRIPTS.get(curation.config.preset)
    dropped = sum(row["documents"] for row in rule_rows(curation) if row["step"] == "rules")
    if own is None or dropped / max(_num_read(curation), 1) < MIN_SHARE:
        return ""
    sampled = dropped_scripts(curation)
    size = sum(sampled.values())
    found = {script: n for script, n in sampled.items() if script not in (own, "none")}
    number = sum(found.values())
    if number * dropped < MIN_SHARE * size * _num_read(curation) or not number:
        return ""
    many = [script for script in found if found[script] >= MIN_SHARE * number]
    largest = sorted(many, key=lambda script: (-found[script], script))[:MAX_NAMED]
    counts = ", ".join(f"{found[script]:,} in {SCRIPTS[script][0]}" for script in largest)
    more = ", ..." if len(found) > len(largest) else ""
    whole = f"the {dropped:,} documents that the rules dropped"
    of = whole if size == dropped else f"{size:,} sampled of {whole}"
    return (
        f"Of {of}, {number:,} ({number / size:.1%}) begin in letters that preset "
        f"{curation.config.preset} is not made for: {counts}{more}. "
        f"{_advice([SCRIPTS[script][1] for script in largest])}"
    )


def _advice(codes: Sequence[str]) -> str:
    known = [f"if this is {code}, {_way(code, True)}" for code in codes if code]
    unknown = [] if all(codes) else ["which language others are in, the step says"]
    ways = "; ".join(known + unknown)
    return f"A run has one preset; curate once for each language, with the step language: {ways}."


def _num_read(curation: Curation) -> int:
    return curation.curated.result["read"]["documents"]


def _is_code(language: str) -> bool:
    """Of a language that `language.allowed` can ask for; not unknown, as text without letters."""
    return re.fullmatch("[a-z]{2,3}", language) is not None and language not in NO_LANGUAGE


def _sentences(curation: Curation, found: Mapping[str, int], became: str) -> str:
    number, whole = sum(found.values()), _num_read(curation)
    if not whole or number / whole < MIN_SHARE:
        return ""
    largest = sorted(found, key=lambda code: (-found[code], code))[:MAX_NAMED]
    counts = ", ".join(f"{code} {found[code]:,}" for code in largest)
    more = ", ..." if len(found) > MAX_NAMED else ""
    has_preset = {"rules", "c4"} & {*names(curation.config.steps)}
    ways = "; ".join(_way(code, bool(has_preset)) for code in largest)
    start = "A run has one preset; curate" if has_preset else "Curate"
    return (
        f"{number:,} of {whole:,} documents ({number / whole:.1%}) {became}: {counts}{more}. "
        f"{start} once for each language, with the step language: {ways}."
    )


def _way(code: str, has_preset: bool) -> str:
    """
    >>> _way("zh", True), _way("zh", False)
    ('language.allowed=["zh"] and preset=chinese', 'language.allowed=["zh"]')
    >>> _way("de", True)
    'language.allowed=["de"] (no preset is made for it)'
    """
    presets = [name for name, language in LANGUAGES.items() if language == code]
    preset = f" and preset={presets[0]}" if presets else " (no preset is made for it)"
    return f"language.allowed={json.dumps([code])}{preset if has_preset else ''}"
