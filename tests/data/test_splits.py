from __future__ import annotations

import hashlib
import json
import random

import numpy as np
import pyarrow as pa
import pytest

from labkit.core.errors import LabError
from labkit.data.duplicates.near import near_duplicate_clusters
from labkit.data.duplicates.verify import jaccard, shingles
from labkit.data.leaks import certify
from labkit.data.ngrams import UNITS, batch_ngrams, unit_hashes
from labkit.data.splits import SplitConfig, SplitDocument, split_documents, unit_numbers
from tests.corpora import fetched


def ngram_hashes(text: str, n: int) -> np.ndarray:
    return batch_ngrams(pa.array([text], pa.large_string()), n)[0]


def document(text: str, group: str | None = None) -> SplitDocument:
    digest = hashlib.sha256(text.encode()).hexdigest()
    return SplitDocument(digest, group or digest, len(text.encode()), text)


def words(rng: random.Random, count: int) -> list[str]:
    return [f"w{rng.randrange(5000)}" for _ in range(count)]


def registered(name: str) -> list[SplitDocument]:
    lines = (fetched(name) / "documents.jsonl").read_text("utf-8").splitlines()
    return [document(row["text"], row["group"]) for row in map(json.loads, lines)]


def test_units_are_words_and_single_han_characters():
    assert UNITS.findall("to be_or 第一回，2b") == ["to", "be", "or", "第", "一", "回", "2b"]


def test_ngrams_are_equal_exactly_where_the_units_are():
    one, other = ngram_hashes("a b c d e", 3), ngram_hashes("x a b c d y", 3)
    assert len(one) == 3
    assert set(one.tolist()) & set(other.tolist()) == set(one[:2].tolist())
    assert ngram_hashes("a b", 5).tolist() == ngram_hashes("A  b!", 2).tolist()
    assert len(ngram_hashes("", 5)) == 0
    assert len(np.unique(unit_hashes(" ".join(f"w{i}" for i in range(20_000))))) == 20_000


def test_minhash_finds_planted_pairs_and_nothing_else():
    """Truth by string shingles; the MinHash of each text is compared with all pairs."""
    rng = random.Random(0)
    texts, planted = [], set()
    for number in range(150):
        base = words(rng, 300)
        texts.append(" ".join(base))
        if number % 3 == 0:
            changed = list(base)
            for _ in range(rng.randrange(1, 12)):
                changed[rng.randrange(300)] = "changed"
            texts.append(" ".join(changed))
            planted.add((len(texts) - 2, len(texts) - 1))
    clusters = near_duplicate_clusters(texts, 0.8)

    def truth(one: str, other: str) -> float:
        sets = []
        for text in (one, other):
            tokens = text.split()
            sets.append({tuple(tokens[i : i + 5]) for i in range(len(tokens) - 4)})
        return len(sets[0] & sets[1]) / len(sets[0] | sets[1])

    for one, other in planted:
        similar = truth(texts[one], texts[other])
        assert jaccard(shingles(texts[one]), shingles(texts[other])) == pytest.approx(similar)
        assert (clusters[one] == clusters[other]) == (similar >= 0.8)
    sizes = [clusters.count(cluster) for cluster in set(clusters)]
    assert max(sizes) == 2


def test_large_buckets_of_one_text_are_one_cluster():
    texts = ["one and the same text that is long enough"] * 500 + ["another text altogether, yes"]
    clusters = near_duplicate_clusters(texts, 0.8)
    assert clusters[:500] == [0] * 500
    assert clusters[500] == 500


def test_a_split_depends_on_content_and_not_on_order():
    rng = random.Random(1)
    documents = [document(" ".join(words(rng, rng.randrange(20, 200)))) for _ in range(200)]
    config = SplitConfig(validation_bytes=5000, test_bytes=8000)
    sides = {
        d.content_hash: s
        for d, s in zip(documents, split_documents(documents, config), strict=True)
    }
    rng.shuffle(documents)
    again = split_documents(documents, config)
    assert [sides[d.content_hash] for d in documents] == again
    sizes = {
        side: sum(d.num_bytes for d, s in zip(documents, again, strict=True) if s == side)
        for side in set(again)
    }
    assert sizes["test"] == pytest.approx(8000, abs=700)
    assert sizes["validation"] == pytest.approx(5000, abs=700)
    assert sum(sizes.values()) == sum(d.num_bytes for d in documents)
    other = split_documents(documents, SplitConfig(validation_bytes=5000, test_bytes=8000, seed=1))
    assert other != again


def test_groups_copies_and_near_duplicates_stay_together():
    rng = random.Random(2)
    base = words(rng, 200)
    near = " ".join([*base[:100], "changed", *base[101:]])
    documents = [
        document(" ".join(base), "g1"),
        document(near, "g2"),
        document("quite another text", "g2"),
        document("and a copy", "g3"),
        document("and a copy", "g4"),
        document("alone", "g5"),
    ]
    assert unit_numbers(documents, 0.8) == [0, 0, 0, 3, 3, 5]


@pytest.mark.parametrize("name", ["shakespeare", "milton"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_work_and_no_near_duplicate_spans_the_split(name, seed):
    documents = registered(name)
    sides = split_documents(documents, SplitConfig(seed=seed, max_share=0.3))
    units = unit_numbers(documents, 0.8)
    for key in ([d.group for d in documents], units, [d.content_hash for d in documents]):
        together: dict = {}
        for value, side in zip(key, sides, strict=True):
            assert together.setdefault(value, side) == side
    assert set(sides) == {"train", "validation", "test"}
    held = [d for d, s in zip(documents, sides, strict=True) if s != "train"]
    train = [d for d, s in zip(documents, sides, strict=True) if s == "train"]
    certificate = certify(train, held)
    assert (certificate.exact_document_share, certificate.num_shared_groups) == (0, 0)


def test_a_corpus_of_few_works_is_split_into_whole_works_or_refused():
    works = [document("one work"), document("another, longer work"), document("the third of them")]
    assert sorted(split_documents(works, SplitConfig())) == ["test", "train", "validation"]
    with pytest.raises(LabError, match="no unit is left for validation.*set validation_bytes to 0"):
        split_documents(works[:2], SplitConfig())
    alone = split_documents(works[:1], SplitConfig(validation_bytes=0, test_bytes=0))
    assert alone == ["train"]


def test_a_planted_overlap_of_80_percent_is_reported_as_80_percent():
    rng = random.Random(3)
    heldout = [document(" ".join(words(rng, 400))) for _ in range(100)]
    train = [document(" ".join(words(rng, 400))) for _ in range(300)]
    certificate = certify([*train, *heldout[:80]], heldout)
    assert certificate.exact_document_share == 0.80
    assert certificate.exact_byte_share == pytest.approx(0.80, abs=0.01)
    assert certificate.ngram_share == pytest.approx(0.80, abs=0.01)
    inside = [document(f"{words(rng, 50)} {d.text} {words(rng, 50)}") for d in heldout[:80]]
    hidden = certify([*train, *inside], heldout)
    assert hidden.exact_document_share == 0
    assert hidden.ngram_share == pytest.approx(0.80, abs=0.01)
    assert "80.0% of 100 held-out documents" in certificate.summary


def test_a_certificate_goes_stale_when_a_set_changes():
    one, two, three = document("a"), document("b"), document("c")
    certificate = certify([one, two], [three])
    certificate.check(certify([two, one], []).train_set, certificate.heldout_set)
    with pytest.raises(LabError, match="stale leak certificate: the training documents are"):
        certificate.check(certify([one], []).train_set, certificate.heldout_set)
    with pytest.raises(LabError, match="the held-out documents are"):
        certificate.check(certificate.train_set, certificate.train_set)


def test_a_side_never_exceeds_its_share_but_for_one_work():
    rng = random.Random(4)
    for seed in range(30):
        documents = [document(" ".join(words(rng, rng.randrange(20, 60)))) for _ in range(40)]
        total = sum(d.num_bytes for d in documents)
        sides = split_documents(documents, SplitConfig(seed=seed))
        for side in ("test", "validation"):
            held = sum(d.num_bytes for d, s in zip(documents, sides, strict=True) if s == side)
            assert 0 < held <= 0.1 * total + 1


def test_nothing_left_to_train_on_is_refused():
    documents = [document(f"{n:0100d}") for n in range(4)]
    config = SplitConfig(max_share=0.5, test_bytes=200, validation_bytes=200)
    with pytest.raises(LabError, match="leave nothing to train on; lower max_share"):
        split_documents(documents, config)


def test_a_short_text_quoted_in_training_is_a_leak():
    short = document("to be or not to be that is the question")
    certificate = certify([document(f"he said: {short.text} and left at once")], [short])
    assert (certificate.exact_document_share, certificate.ngram_share) == (0.0, 1.0)
