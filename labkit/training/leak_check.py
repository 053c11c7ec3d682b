"""What is known of validation text in the training text of a plan, by content and not by name.

A certificate holds for the union of the sources that it was made for. Without one, only whole
documents can be compared, by the hashes beside the shards; n-grams in common stay unknown.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from labkit.core.counted import counted
from labkit.core.errors import LabError
from labkit.core.records.certificate import document_set_hash
from labkit.tokens.shards import Shards


def leak_check(sources: Sequence[Shards], validation: Shards) -> str:
    """One line, to be said at the start and beside every verdict.

    Raises:
        LabError: every validation document is trained on, or the certificate of a single source is
            of other documents.
    """
    facts = validation.facts
    training = document_set_hash(source.facts.document_set for source in sources)
    certificate = facts.certificate
    if certificate and (len(sources) == 1 or certificate.train_set == training):
        certificate.check(training, facts.document_set)
        return certificate.summary
    missing = f"leak check: no certificate for {counted(len(sources), 'training source')}"
    num_copies = count_copies(sources, validation)
    if num_copies == facts.num_documents:
        raise LabError(
            f"{validation.folder} is trained on: all of its documents are in the training shards; "
            "give data.validation text that is held out"
        )
    if num_copies is None:
        return f"{missing}; shards without document hashes: copies unknown, write them again"
    return (
        f"{missing}; by content {num_copies:,} of {facts.num_documents:,} validation documents are "
        "in training, n-grams in common are unknown"
    )


def count_copies(sources: Sequence[Shards], validation: Shards) -> int | None:
    """Validation documents whose text a source has too; None where hashes are not known."""
    if any(source.facts.document_set == validation.facts.document_set for source in sources):
        return validation.facts.num_documents
    all_shards = [*sources, validation]
    if not all(shards.has_hashes for shards in all_shards):
        return None
    wanted = np.concatenate(list(validation.document_hashes()))
    is_copy = np.zeros(len(wanted), dtype=bool)
    for source in sources:
        for hashes in source.document_hashes():
            is_copy |= np.isin(wanted, hashes)
    return int(is_copy.sum())
