"""How much of the held-out text stands in the training text: exact copies and 13-grams.

13 words is the length GPT-3's authors used (Brown et al. 2020, appendix C). The held-out n-grams
are held in memory and training documents are streamed past them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from labkit.core.records.certificate import LeakCertificate, document_set_hash
from labkit.data.ngrams import ngram_hashes, unit_hashes
from labkit.data.splits import SplitDocument

NGRAM_UNITS = 13


def certify(train: Iterable[SplitDocument], heldout: Sequence[SplitDocument]) -> LeakCertificate:
    """The certificate of these two sets of documents."""
    grams = [ngram_hashes(document.text, NGRAM_UNITS) for document in heldout]
    # A shorter held-out text is one gram of its own length.
    lengths = sorted({min(NGRAM_UNITS, len(unit_hashes(d.text))) for d in heldout} - {0})
    lengths = lengths or [NGRAM_UNITS]
    everything = np.concatenate([*grams, np.zeros(0, np.uint64)])
    wanted, counts = np.unique(everything, return_counts=True)
    is_seen = np.zeros(len(wanted), dtype=bool)
    train_hashes, train_groups = [], set()
    for document in train:
        train_hashes.append(document.content_hash)
        train_groups.add(document.group)
        found = np.unique(np.concatenate([ngram_hashes(document.text, n) for n in lengths]))
        is_seen |= np.isin(wanted, found, assume_unique=True)
    known = set(train_hashes)
    copies = [document for document in heldout if document.content_hash in known]
    return LeakCertificate(
        train_set=document_set_hash(train_hashes),
        heldout_set=document_set_hash(document.content_hash for document in heldout),
        num_train_documents=len(train_hashes),
        num_heldout_documents=len(heldout),
        exact_document_share=_share(len(copies), len(heldout)),
        exact_byte_share=_share(
            sum(document.num_bytes for document in copies),
            sum(document.num_bytes for document in heldout),
        ),
        ngram_units=NGRAM_UNITS,
        ngram_share=_share(int(counts[is_seen].sum()), len(everything)),
        num_shared_groups=len(train_groups & {document.group for document in heldout}),
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
