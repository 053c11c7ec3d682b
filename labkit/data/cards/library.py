"""The cards of `data_cards/`: corpora that the lab fetches, and in `published/` those others made.

A published corpus has five sections of facts, each fact a line that ends in its source:

    - 365 million documents, 156 billion tokens. [dodge2021, table 1]

and the front matter says what `dodge2021` is. Facts are retold in our words as of the card's
`as_of`; sizes and licences change, so look at the source before you rely on one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import labkit
from labkit.core.counted import counted
from labkit.core.errors import LabError
from labkit.data.cards.front_matter import check_front_matter, split_card

SECTIONS = ("Size", "Licence", "Language", "Access", "Known problems")
_HEADING = re.compile(r"^## +(.+?) *$", re.MULTILINE)
_FACT = re.compile(r"- (?P<text>.+) \[(?P<source>\w+)(?:, (?P<place>[^\]\[]+))?\]")


class Fact(NamedTuple):
    text: str
    source: str
    """Key of the reference in the card's front matter."""
    place: str
    """Section, table or page; empty: the whole of it."""


@dataclass(frozen=True)
class DataCard:
    name: str
    kind: Literal["registered", "published"]
    front_matter: Mapping[str, Any]
    markdown: str
    facts: Mapping[str, Sequence[Fact]]
    """By section; none for registered corpora, which are counted instead."""

    @property
    def title(self) -> str:
        return self.front_matter["pretty_name"]

    @property
    def page(self) -> str:
        """The Markdown with headings two levels lower, to be shown inside another page."""
        return re.sub(r"^(#+ )", r"##\1", self.markdown, flags=re.MULTILINE)


def load_cards() -> list[DataCard]:
    """All cards, registered corpora first.

    Raises:
        LabError: no cards on this machine, or one that is not as described above.
    """
    folder = cards_folder()
    registered = sorted(folder.glob("*.md"))
    published = sorted((folder / "published").glob("*.md"))
    return [
        *(read_card(path) for path in registered),
        *(read_card(path) for path in published),
    ]


def find_card(name: str) -> DataCard:
    """The card of that name.

    Raises:
        LabError: with the names there are.
    """
    cards = {card.name: card for card in load_cards()}
    if name not in cards:
        raise LabError(f"no card of {name!r}; there are: {', '.join(cards)}")
    return cards[name]


def cards_folder() -> Path:
    """`data_cards/` of the checkout that labkit runs from, else above the working directory."""
    here = Path.cwd()
    for root in (Path(labkit.__file__).resolve().parents[1], here, *here.parents):
        if (root / "data_cards" / "published").is_dir():
            return root / "data_cards"
    raise LabError(
        "data_cards/ is not here: the cards are part of labkit's repository, not of the installed "
        "package; start from a checkout of it"
    )


def read_card(path: Path) -> DataCard:
    """A card from its file; one in `published/` is checked fact by fact."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LabError(f"{path}: cannot be read ({error})") from error
    data, markdown = split_card(text, str(path))
    if path.parent.name != "published":
        return DataCard(path.stem, "registered", data, markdown, {})
    check_front_matter(data, str(path))
    return DataCard(path.stem, "published", data, markdown, _facts(path, data, markdown))


def card_rows(cards: Sequence[DataCard]) -> list[dict[str, Any]]:
    """One row a corpus: size, licence, language, access, number of known problems."""
    return [_row(card) for card in cards]


def card_sentence(cards: Sequence[DataCard]) -> str:
    """How many published corpora have one licence, and how many problems are known."""
    published = [card for card in cards if card.kind == "published"]
    licensed = [card for card in published if card.front_matter["license"] != "other"]
    num_problems = sum(len(known_problems(card)) for card in published)
    return (
        f"{len(licensed)} of {len(published)} published corpora have one licence for the whole, "
        f"which says nothing of the rights in their texts; {num_problems} problems are known, "
        f"each with its source on the corpus' card."
    )


def _facts(path: Path, data: Mapping[str, Any], markdown: str) -> dict[str, list[Fact]]:
    sources = data.get("sources")
    if not isinstance(sources, dict) or not all(sources.values()) or not data.get("as_of"):
        raise LabError(f"{path}: the front matter needs sources (key: reference) and as_of")
    found: dict[str, list[Fact]] = {}
    pieces = _HEADING.split(markdown)[1:]
    for heading, body in zip(pieces[::2], pieces[1::2], strict=True):
        found[heading] = [_fact(path, line, sources) for line in body.splitlines() if line.strip()]
    missing = [section for section in SECTIONS if not found.get(section)]
    if missing or len(found) != len(SECTIONS):
        said = f"nothing under {', '.join(missing)}" if missing else f"headings {list(found)}"
        raise LabError(f"{path}: {said}; a card has facts under {', '.join(SECTIONS)} alone")
    cited = {fact.source for facts in found.values() for fact in facts}
    if unused := sorted(set(sources) - cited):
        raise LabError(f"{path}: source {unused[0]!r} is behind no fact; leave it out")
    return found


def _fact(path: Path, line: str, sources: Mapping[str, Any]) -> Fact:
    match = _FACT.fullmatch(line)
    if not match:
        raise LabError(f"{path}: {line[:60]!r}: a fact is a line '- text [source, place]'")
    if match["source"] not in sources:
        raise LabError(f"{path}: {match['source']!r} is no source of this card; add it to sources")
    return Fact(match["text"], match["source"], match["place"] or "")


def known_problems(card: DataCard) -> list[str]:
    """The sentences under that heading."""
    if card.kind == "published":
        return [fact.text for fact in card.facts["Known problems"]]
    body = card.markdown.partition("## Known problems")[2].partition("\n## ")[0]
    return re.findall(r"^- (.+)$", body, re.MULTILINE)


def _row(card: DataCard) -> dict[str, Any]:
    data = card.front_matter
    row = {"corpus": card.name, "title": card.title}
    if card.kind == "published":
        said = {section: card.facts[section][0].text for section in SECTIONS}
        return row | {
            "size": said["Size"],
            "licence": said["Licence"],
            "language": said["Language"],
            "access": said["Access"],
            "known problems": len(known_problems(card)),
        }
    return row | {
        "size": _counted(data),
        "licence": data.get("license_name", data["license"]),
        "language": ", ".join(data["language"]),
        "access": f"labkit fetch {card.name}",
        "known problems": len(known_problems(card)),
    }


def _counted(data: Mapping[str, Any]) -> str:
    if "num_documents" not in data:
        return "follows the interpreter's version"
    return f"{counted(data['num_documents'], 'document')}, {data['num_bytes'] / 1e6:.2f} MB"
