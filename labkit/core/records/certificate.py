"""What is known of the overlap between training and held-out text; travels with every shard.

A certificate belongs to two sets of documents, each named by a hash of its content hashes; for
other sets it is stale and says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict

from labkit.core.errors import LabError


class LeakCertificate(BaseModel):
    """Shares are of the held-out side, 0..1."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    train_set: str
    heldout_set: str
    num_train_documents: int
    num_heldout_documents: int
    exact_document_share: float
    exact_byte_share: float
    ngram_units: int
    ngram_share: float
    """Share of the held-out n-grams that occur in training text."""
    num_shared_groups: int

    def check(self, train_set: str, heldout_set: str) -> None:
        """Raises LabError when the sets' hashes are not those that were compared."""
        for name, known, found in (
            ("training", self.train_set, train_set),
            ("held-out", self.heldout_set, heldout_set),
        ):
            if found != known:
                raise LabError(
                    f"stale leak certificate: the {name} documents are {found}, it was made for "
                    f"{known}; make it again"
                )

    @property
    def summary(self) -> str:
        """One line to print beside every number that the held-out text gives."""
        return (
            f"leak check: {self.exact_document_share:.1%} of {self.num_heldout_documents} held-out "
            f"documents are in training, {self.ngram_share:.2%} of their {self.ngram_units}-grams, "
            f"{self.num_shared_groups} shared works"
        )


def document_set_hash(content_hashes: Iterable[str]) -> str:
    """16 hex digits that name a multiset of documents, in any order.

    The sum of the hashes' first 64 bits, modulo 2^64. Sums add up: the hash of several sets' hashes
    names their union, so that it is known without reading a document.

    >>> document_set_hash(["ffffffffffffffff00", "000000000000000a11"])
    '0000000000000009'
    """
    return f"{sum(int(one[:16], 16) for one in content_hashes) % (1 << 64):016x}"
