"""The head of a card as Hugging Face's hub reads it, checked without the hub.

YAML between two lines `---`, then Markdown. What the hub takes is a fixed vocabulary: its licence
identifiers, ISO 639 codes or 'code' and 'multilingual', size categories by number of documents
(https://huggingface.co/docs/hub/datasets-cards, read November 2026; licences of single models are
left out). A licence without an identifier is 'other' with a name of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from labkit.core.errors import LabError

REQUIRED = ("pretty_name", "license", "language", "task_categories", "size_categories")
HOW = {
    "pretty_name": '"My texts"',
    "license": '"cc-by-4.0" (or "unknown", or "other" with license_name)',
    "language": '["en"] (or ["und"] where nobody knows)',
}
SIZES = (
    ("n<1K", 10**3),
    ("1K<n<10K", 10**4),
    ("10K<n<100K", 10**5),
    ("100K<n<1M", 10**6),
    ("1M<n<10M", 10**7),
    ("10M<n<100M", 10**8),
    ("100M<n<1B", 10**9),
    ("1B<n<10B", 10**10),
    ("10B<n<100B", 10**11),
    ("100B<n<1T", 10**12),
)
LARGEST, UNKNOWN = "n>1T", "unknown"
LICENCES = frozenset(
    (
        "apache-2.0 mit openrail bigscience-openrail-m bigscience-bloom-rail-1.0 "
        "bigcode-openrail-m afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause "
        "bsd-3-clause-clear c-uda cc cc0-1.0 cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 "
        "cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0 "
        "cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0 "
        "cdla-permissive-1.0 cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 "
        "agpl-3.0 gfdl gpl gpl-2.0 gpl-3.0 lgpl lgpl-2.1 lgpl-3.0 isc lppl-1.3c ms-pl mpl-2.0 "
        "odc-by odbl osl-3.0 postgresql ofl-1.1 ncsa unlicense zlib pddl lgpl-lr unknown other"
    ).split()
)
_LANGUAGE = re.compile(r"[a-z]{2,3}|code|multilingual")
_LICENCE_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")


def size_category(num_documents: int) -> str:
    """The hub's name for a number of documents.

    >>> size_category(77), size_category(1000)
    ('n<1K', '1K<n<10K')
    """
    return next((name for name, end in SIZES if num_documents < end), LARGEST)


def split_card(text: str, where: str) -> tuple[dict[str, Any], str]:
    """(front matter, Markdown) of a card.

    Raises:
        LabError: there is no front matter, or it is no YAML mapping.
    """
    import yaml

    match = re.match(r"---\n(.*?\n)---\n(.*)", text, re.DOTALL)
    if not match:
        raise LabError(f"{where}: no front matter; a card begins with YAML between two lines '---'")
    try:
        data = yaml.safe_load(match[1])
    except yaml.YAMLError as error:
        raise LabError(f"{where}: not YAML ({' '.join(str(error).split())})") from error
    if not isinstance(data, dict):
        raise LabError(f"{where}: the front matter is {type(data).__name__}, not a mapping")
    return data, match[2]


def join_card(data: Mapping[str, Any], markdown: str) -> str:
    """A card from its parts; the same parts give the same text."""
    import yaml

    head = yaml.safe_dump(dict(data), sort_keys=False, allow_unicode=True, width=100)
    return f"---\n{head}---\n\n{markdown}"


def faults(data: Mapping[str, Any]) -> list[str]:
    """What the hub would refuse or could not show, one sentence each."""
    missing = [name for name in REQUIRED if not data.get(name)]
    if not missing:
        return refusals(data)
    ways = [f"{name}={HOW[name]}" if name in HOW else name for name in missing]
    said = f"missing: {', '.join(missing)}; the hub asks for each: {', '.join(ways)}"
    return [said, *refusals(data)]


def refusals(data: Mapping[str, Any]) -> list[str]:
    """What the hub would refuse of the fields that are there."""
    found = [
        f"license {licence!r} is no identifier of the hub; take one (cc-by-4.0, mit, ...), "
        f"or 'other' with license_name"
        for licence in _listed(data.get("license"))
        if licence not in LICENCES
    ]
    if "other" in _listed(data.get("license")):
        name = data.get("license_name")
        if not name:
            found.append("license 'other' needs a license_name, such as my-licence-1.0")
        elif not _LICENCE_NAME.fullmatch(str(name)):
            found.append(f"license_name {name!r} should be lower case, digits, dot and dash only")
    found += [
        f"language {code!r} is no ISO 639 code; give one like en or zh, or code, or multilingual"
        for code in _listed(data.get("language"))
        if not is_language(code)
    ]
    sizes = {name for name, _ in SIZES} | {LARGEST, UNKNOWN}
    found += [
        f"size_categories {size!r} should be one of {', '.join(sorted(sizes))}"
        for size in _listed(data.get("size_categories"))
        if size not in sizes
    ]
    return found


def is_language(code: str) -> bool:
    """By its form: two or three letters, or one of the hub's words."""
    return _LANGUAGE.fullmatch(code) is not None


def check_front_matter(data: Mapping[str, Any], where: str) -> None:
    """Raises LabError with everything that is wrong."""
    if wrong := faults(data):
        raise LabError(f"{where}: {'; '.join(wrong)}")


def _listed(value: Any) -> list[str]:
    if value is None:
        return []
    return [str(item) for item in value] if isinstance(value, list | tuple) else [str(value)]
