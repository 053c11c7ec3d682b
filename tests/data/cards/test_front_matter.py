from __future__ import annotations

from importlib import resources

import pytest
import yaml

from labkit.core.errors import LabError
from labkit.data.cards.front_matter import (
    LARGEST,
    SIZES,
    check_front_matter,
    faults,
    join_card,
    size_category,
    split_card,
)

GOOD = {
    "pretty_name": "Poems",
    "license": "cc-by-4.0",
    "language": ["en", "zh"],
    "task_categories": ["text-generation"],
    "size_categories": ["n<1K"],
}


def test_the_hubs_own_reader_takes_what_is_joined():
    """Oracle: huggingface_hub parses the card and gives the same fields back."""
    from huggingface_hub import DatasetCard

    text = join_card(GOOD, "# Poems: 诗\n\n---\n\nwith a line in it\n")
    card = DatasetCard(text)
    assert card.data.to_dict() == GOOD
    assert split_card(text, "here") == (GOOD, "\n# Poems: 诗\n\n---\n\nwith a line in it\n")
    assert card.text.strip().startswith("# Poems: 诗")
    check_front_matter(GOOD, "here")


def test_sizes_are_the_hubs():
    """Oracle: the list that `datasets` ships."""
    text = resources.files("datasets.utils.resources").joinpath("size_categories.json")
    assert {name for name, _ in SIZES} | {LARGEST} == set(yaml.safe_load(text.read_text())) - {
        "unknown"
    }
    assert [size_category(n) for n in (1, 999, 1000, 10**12 - 1, 10**12)] == [
        *("n<1K", "n<1K", "1K<n<10K", "100B<n<1T", "n>1T")
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"pretty_name": ""}, "missing: pretty_name; the hub asks for each"),
        ({"license": "CC BY"}, "license 'CC BY' is no identifier of the hub; take one"),
        ({"license": "other"}, "license 'other' needs a license_name"),
        ({"license": "other", "license_name": "My own"}, "should be lower case, digits"),
        ({"language": ["python"]}, "language 'python' is no ISO 639 code"),
        ({"language": []}, "missing: language;"),
        ({"size_categories": "77"}, "size_categories '77' should be one of"),
    ],
)
def test_what_the_hub_would_refuse_is_said_before(change, said):
    assert faults(GOOD) == []
    with pytest.raises(LabError, match=said):
        check_front_matter(GOOD | change, "here")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# no head\n", "no front matter; a card begins with YAML"),
        ("---\na: [\n---\n", "not YAML"),
        ("---\n- a\n---\n", "the front matter is list, not a mapping"),
    ],
)
def test_a_card_without_a_head_is_refused(text, said):
    with pytest.raises(LabError, match=f"poems.md: .*{said}"):
        split_card(text, "poems.md")
