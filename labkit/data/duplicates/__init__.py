"""Documents that a corpus has more than once: the same bytes, lines, n-grams or code.

Start at `near.py` (MinHash, every pair verified) or `exact.py`; `lines.py` removes boilerplate from
texts and `code.py` finds programs whose variables were renamed. `keep.py` says which copy stays.
"""
