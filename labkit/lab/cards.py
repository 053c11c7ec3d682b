"""What a corpus is and may be used for, on a card; those of the library and one's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labkit.core.display import Html
    from labkit.data.curation import Curation
    from labkit.data.exploration import Exploration
    from labkit.plots.table import Table


def data_cards() -> Table:
    """The corpora that the lab fetches and those the field trains on: size, licence, problems."""
    from labkit.data.cards import library
    from labkit.plots.table import Table

    return Table(library.card_rows(library.load_cards()))


def card_sentence() -> Html:
    """What the cards say together."""
    from labkit.core.display import paragraph
    from labkit.data.cards import library

    return paragraph(library.card_sentence(library.load_cards()))


def data_card(name: str) -> Html:
    """One card to read: its facts, and the sources behind them."""
    from labkit.batch.markup import clean_markup, markdown
    from labkit.core.display import Html, table
    from labkit.data.cards.library import find_card

    card = find_card(name)
    page = Html(clean_markup(markdown(card.page)))
    sources = card.front_matter.get("sources", {})
    return page + table(["source", "reference"], sources.items()) if sources else page


def write_card(dataset: Exploration | Curation | str | Path, **fields: Any) -> Path:
    """A dataset with a card for the Hugging Face hub, in a folder below `cards/`.

    Args:
        dataset: a corpus as explored or curated, or the folder of a dataset, or its documents.
        fields: of `CardConfig`, in place of what is known: a registered corpus and a curated one
            have theirs already.
    """
    from labkit.data.cards import card as rooms
    from labkit.data.cards.curated_card import card_of_source
    from labkit.data.curation import Curation

    if isinstance(dataset, Curation):
        dataset = dataset.curated.folder
    if isinstance(dataset, str | Path):
        folder = rooms.folder_of(dataset)
        known = rooms.card_in(folder)
    else:
        folder, known = dataset.folder, card_of_source(dataset.config.corpus)
    return rooms.write_card(folder, rooms.with_changes(known or rooms.CardConfig(), fields))


def check_card(folder: str | Path) -> Table:
    """What a card says that its data no longer does; nothing where it holds."""
    from labkit.data.cards import card
    from labkit.plots.table import Table

    return Table([{"difference": said} for said in card.check_card(card.folder_of(folder))])
