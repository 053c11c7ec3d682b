"""How much of the held-out text stands in the training text: exact copies and 13-grams.

13 words is the length GPT-3's authors used (Brown et al. 2020, appendix C). The held-out n-grams
are held in memory and training documents are streamed past them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa

from labkit.core.records.certificate import LeakCertificate, document_set_hash
from labkit.data.gram_index import index_grams
from labkit.data.splits import SplitDocument

NGRAM_UNITS = 13
_BATCH_BYTES = 4_000_000


def certify(train: Iterable[SplitDocument], heldout: Sequence[SplitDocument]) -> LeakCertificate:
    """The certificate of these two sets of documents.

    Held-out documents may be a benchmark's items: `labkit.data.benchmark_items.as_documents`.
    """
    index = index_grams([document.text for document in heldout], NGRAM_UNITS)
    is_seen = np.zeros(len(index.grams), dtype=bool)
    train_hashes, train_groups = [], set()
    waiting, size = [], 0
    for document in train:
        train_hashes.append(document.content_hash)
        train_groups.add(document.group)
        waiting.append(document.text)
        size += document.num_bytes
        if size >= _BATCH_BYTES:
            is_seen[index.find(pa.array(waiting, pa.large_string())).grams] = True
            waiting, size = [], 0
    is_seen[index.find(pa.array(waiting, pa.large_string())).grams] = True
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
        ngram_share=_share(int(is_seen[index.occurrences].sum()), len(index.occurrences)),
        num_shared_groups=len(train_groups & {document.group for document in heldout}),
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
